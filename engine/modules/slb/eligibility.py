"""Who may serve what, and if not, why: from checks, MACs, admin states and session counts to decisions. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from engine.domain.address import Address
from engine.domain.reason import Cause, Reason
from engine.modules.arp.neighbours import STALE_AFTER
from engine.modules.state.world import ServerDecision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.config.model import Server, Target
    from engine.domain.checks import ProbeKey
    from engine.domain.states import Admin, Health
    from engine.modules.hc.wanted import WantedProbes
    from engine.modules.state.view import View
    from engine.modules.state.world import World


class Condition(NamedTuple):
    """The health of something and, unless up, the cause."""

    health: Health
    cause: Cause | None


class Standing(NamedTuple):
    """Where one target stands. `vip` by server number; `hindrance` keeps it out of every server.

    `unreachable`: its interface is off, so that servers on other interfaces send it no new flows. The known ones may be
    back in a moment, as the link is: they stay until its checks fail.
    """

    admin: Admin
    base: Condition  # its own checks together
    health: Health
    cause: Cause | None  # of `health`, whatever the admin state
    hindrance: Cause | None
    vip: dict[int, Condition]
    unreachable: Cause | None = None


class Service(Enum):
    """How a server is served."""

    WAITING = "waiting"  # by nobody, but checks have yet to answer
    NOBODY = "nobody"
    BACKUP = "backup"
    PRIMARY = "primary"


@dataclass(slots=True)
class Decisions:
    """Everything slb decides, as of one moment."""

    standings: dict[int, Standing] = field(default_factory=dict)  # by target
    servers: dict[int, ServerDecision] = field(default_factory=dict)
    services: dict[int, Service] = field(default_factory=dict)  # by server
    operational: set[int] = field(default_factory=set)  # targets in any `new`
    reasons: dict[int, Cause | None] = field(default_factory=dict)  # by target
    out_of: dict[tuple[int, int], Cause] = field(
        default_factory=dict
    )  # (server, target) that is up elsewhere

    def service(self, server: int) -> Service:
        """Return how a server is served; one that is not known waits for its first decision."""
        return self.services.get(server, Service.WAITING)


def decide(world: World, view: View, wanted: WantedProbes, full: set[int], drained: set[int]) -> Decisions:
    """Decide for every server and target.

    `full`: targets that have reached their maxsessions. `drained`: those that drained for as long as they were to, which
    keep no flows any more.
    """
    made = Decisions()
    servers_of: dict[int, list[int]] = {}
    for server in view.servers.values():
        for number in dict.fromkeys([*server.targets, *server.backup]):
            servers_of.setdefault(number, []).append(server.number)
    for target in world.config.targets:
        made.standings[target.number] = _standing(
            world, view, wanted, target, servers_of.get(target.number, []), drained
        )
    for server in view.servers.values():
        made.servers[server.number], made.services[server.number] = _serve(made, view, server, full)
    for decision in made.servers.values():
        made.operational.update(decision.new)
    for number, standing in made.standings.items():
        made.reasons[number] = _reason(made, view, number, standing, servers_of.get(number, []), full)
    return made


# -- targets ----------------------------------------------------------------------------------------------------------


def _standing(
    world: World,
    view: View,
    wanted: WantedProbes,
    target: Target,
    servers: list[int],
    drained: set[int],
) -> Standing:
    admin = world.admin_of(target)
    base = _base(world, wanted.base.get(target.number, ()))
    vip = {
        number: _of_key(world, wanted.vip[number, target.number])
        for number in servers
        if (number, target.number) in wanted.vip
    }
    over = admin == "draining" and target.number in drained
    hindrance = Cause(Reason.DRAINED) if over else _hindrance(world, view, target, admin)
    unreachable = _unreachable(world, view, target.number)
    if "hc" not in world.config.modules:
        base = Condition("unknown", Cause(Reason.NOT_CHECKED))
        return Standing(admin, base, base.health, base.cause, hindrance, {}, unreachable)
    serving = {n: condition for n, condition in vip.items() if view.server_enabled(view.servers[n])}
    health, cause = _health(base, serving, bool(wanted.base.get(target.number)))
    if hindrance is None and base.health != "up":
        hindrance = base.cause
    return Standing(admin, base, health, cause, hindrance, vip, unreachable)


def _unreachable(world: World, view: View, number: int) -> Cause | None:
    site = view.target_site.get(number)
    if site is None or view.link(site.interface) is not None:
        return None
    interface = world.config.interface(site.interface)
    link = "missing" if site.interface not in world.links else "down"
    return Cause(Reason.LINK_OFF, interface=interface.name if interface else "", link=link)


def _hindrance(world: World, view: View, target: Target, admin: Admin) -> Cause | None:
    """Return why a target may serve nobody, its checks aside."""
    if not target.registered:
        return Cause(Reason.NOT_REGISTERED)
    address = view.target_address.get(target.number)
    if address is None:
        return Cause(Reason.TARGET_NOT_IPV4, given=target.ipaddr)
    if admin == "disabled":
        return Cause(Reason.DISABLED)
    if not target.dsr:
        return Cause(Reason.NO_TRANSLATION)
    site = view.target_site.get(target.number)
    if site is None:
        return Cause(Reason.NO_NETWORK, address=address)
    if site.real is None:
        return Cause(Reason.NO_REAL, network=site.network, address=address)
    neighbour = world.neighbours.get(address)
    if neighbour is None or neighbour.mac is None:
        return Cause(Reason.MAC_UNRESOLVED, address=address)
    return None


def _base(world: World, keys: Iterable[ProbeKey]) -> Condition:
    """Return all of a target's own checks together: the worst of them."""
    conditions = [_of_key(world, key) for key in keys]
    for health in ("down", "unknown"):
        for condition in conditions:
            if condition.health == health:
                return condition
    return Condition("up", None)


def _of_key(world: World, key: ProbeKey) -> Condition:
    check = world.checks.get(key)
    if check is None or check.state == "unknown":
        pending = Cause(Reason.CHECK_PENDING, check=key.kind, address=key.address, port=key.port)
        return Condition("unknown", pending)
    if check.state == "up":
        return Condition("up", None)
    return Condition("down", Cause(Reason.CHECK_FAILED, error=check.error))


def _health(base: Condition, vip: dict[int, Condition], checked: bool) -> Condition:
    """Return the health that is shown: down only if a check of its own fails, or every server's virtual address does."""
    if base.health != "up":
        return base
    if not vip:
        return Condition("up" if checked else "unknown", None)
    if any(c.health == "up" for c in vip.values()):
        return Condition("up", None)
    unknown = [c for c in vip.values() if c.health == "unknown"]
    if unknown:
        return unknown[0]
    failed = (Cause(Reason.IN_SERVER, server=n, parts=_parts(c.cause)) for n, c in vip.items())
    return Condition("down", Cause(Reason.EVERY_VIRTUAL_ADDRESS_FAILED, parts=tuple(failed)))


def _reason(
    made: Decisions, view: View, number: int, standing: Standing, servers: list[int], full: set[int]
) -> Cause | None:
    """Return why a target gets no new flows; for one that gets some, of which servers it is out or that nothing checks it."""
    out = []
    for server in servers:
        condition = standing.vip.get(server)
        serves = view.server_enabled(view.servers[server])
        if serves and condition is not None and condition.health == "down" and standing.health == "up":
            made.out_of[server, number] = condition.cause or Cause(Reason.CHECK_FAILED)
            out.append(Cause(Reason.OUT_OF_SERVER, server=server, parts=_parts(condition.cause)))
    out_of_servers = Cause(Reason.OUT_OF_SERVERS, parts=tuple(out)) if out else None
    unchecked = standing.cause is not None and standing.cause.reason is Reason.NOT_CHECKED
    if number in made.operational:
        return standing.cause if unchecked else out_of_servers
    if standing.unreachable is not None and standing.admin == "enabled" and number in view.crossed:
        return standing.unreachable
    if standing.hindrance is not None:
        return standing.hindrance
    if standing.admin == "draining":
        return Cause(Reason.DRAINING)
    if standing.health != "up" and standing.cause is not None and not unchecked:
        return standing.cause
    if number in full:
        return Cause(Reason.FULL)
    if not servers:
        return Cause(Reason.UNUSED)
    enabled = [s for s in servers if view.server_enabled(view.servers[s])]
    if not enabled:
        disabled = tuple(Cause(Reason.SERVER_DISABLED, server=s) for s in servers)
        return Cause(Reason.SERVERS_DISABLED, parts=disabled)
    return out_of_servers or Cause(
        Reason.STANDS_BY, parts=tuple(Cause(Reason.SERVER, server=s) for s in enabled)
    )


def _parts(cause: Cause | None) -> tuple[Cause, ...]:
    return (cause,) if cause is not None else ()


# -- servers ----------------------------------------------------------------------------------------------------------


def _serve(made: Decisions, view: View, server: Server, full: set[int]) -> tuple[ServerDecision, Service]:
    number = server.number
    if Address.parse_v4(server.ipaddr) is None:
        cause = Cause(Reason.SERVER_NOT_IPV4, given=server.ipaddr)
        return ServerDecision(number, (), (), cause), Service.NOBODY
    primaries = [t for t in dict.fromkeys(server.targets) if t in made.standings]
    backups = [t for t in dict.fromkeys(server.backup) if t in made.standings and t not in primaries]
    checked = "hc" in view.world.config.modules
    fit = [t for t in (*primaries, *backups) if fits(made.standings[t], number, checked=checked)]
    if not view.server_enabled(server):
        return ServerDecision(number, (), tuple(fit), Cause(Reason.DISABLED)), Service.NOBODY
    taking = [t for t in fit if made.standings[t].admin == "enabled" and reachable(made, view, server, t)]
    # A primary that is full is not down: backups are no overflow. One that drains is on its way out.
    serving = [t for t in taking if t in primaries] or taking
    new = tuple(t for t in serving if t not in full)
    without_room = tuple(t for t in serving if t in full)
    if new:
        service = Service.PRIMARY if serving[0] in primaries else Service.BACKUP
        return ServerDecision(number, new, tuple(fit), full=without_room), service
    members = [*primaries, *backups]
    pending = any(_pending(view.world, made.standings[t]) for t in members)
    reason = _nobody(made, view, server, members, taking)
    decision = ServerDecision(number, (), tuple(fit), reason, full=without_room)
    return decision, Service.WAITING if pending else Service.NOBODY


def fits(standing: Standing, server: int, *, checked: bool) -> bool:
    """Return whether known flows of the server may stay on the target."""
    if standing.hindrance is not None:
        return False
    return not checked or (server in standing.vip and standing.vip[server].health == "up")


def reachable(made: Decisions, view: View, server: Server, target: int) -> bool:
    """Return whether frames of a server get to a target. Where both are on one link that is off, none comes in either."""
    return made.standings[target].unreachable is None or not view.crosses(server, target)


def _pending(world: World, standing: Standing) -> bool:
    """Return whether a target may serve once its first checks have answered; without checks, once its MAC is known."""
    hindrance = standing.hindrance
    if standing.admin != "enabled" or standing.health != "unknown":
        return False
    if standing.cause is not None and standing.cause.reason is Reason.NOT_CHECKED:
        if hindrance is None or hindrance.reason is not Reason.MAC_UNRESOLVED or hindrance.address is None:
            return False
        neighbour = world.neighbours.get(hindrance.address)
        return neighbour is None or neighbour.asked < STALE_AFTER
    return hindrance is None or hindrance.reason is not Reason.NO_TRANSLATION


def _nobody(made: Decisions, view: View, server: Server, members: list[int], taking: list[int]) -> Cause:
    if not members:
        return Cause(Reason.NO_TARGETS)
    if taking:
        return Cause(Reason.ALL_FULL)
    causes = []
    for number in members:
        standing = made.standings[number]
        condition = standing.vip.get(server.number)
        off = None if reachable(made, view, server, number) else standing.unreachable
        cause = (
            off or standing.hindrance or (condition.cause if condition else None) or _admin_cause(standing)
        )
        causes.append(Cause(Reason.OF_TARGET, target=number, parts=(cause,)))
    return Cause(Reason.NO_TARGET_FIT, parts=tuple(causes))


def _admin_cause(standing: Standing) -> Cause:
    return Cause(Reason.DRAINING if standing.admin == "draining" else Reason.NOT_DECIDED)
