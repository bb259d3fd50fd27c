"""Who may serve what, and if not, why: from checks, MACs, admin states and session counts to decisions. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from engine.modules.state.view import pack
from engine.modules.state.world import ServerDecision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.config.model import Server, Target
    from engine.domain.checks import ProbeKey
    from engine.domain.states import Admin, Health
    from engine.modules.hc.plan import Plan
    from engine.modules.state.view import View
    from engine.modules.state.world import World

NO_TRANSLATION = "address translation is not built yet: dsr enable is missing"

MAX_NAMED = 3
"""Causes that one sentence lists; the others are a number."""


class Condition(NamedTuple):
    """The health of something and, unless up, the cause."""

    health: Health
    cause: str | None


class Standing(NamedTuple):
    """Where one target stands. `vip` by server number; `hindrance` keeps it out of every server."""

    admin: Admin
    health: Health
    cause: str | None  # of `health`, whatever the admin state
    hindrance: str | None
    vip: dict[int, Condition]


@dataclass(slots=True)
class Decisions:
    """Everything slb decides, as of one moment."""

    standings: dict[int, Standing] = field(default_factory=dict)  # by target
    servers: dict[int, ServerDecision] = field(default_factory=dict)
    operational: set[int] = field(default_factory=set)  # targets in any `new`
    reasons: dict[int, str | None] = field(default_factory=dict)  # by target
    waiting: set[int] = field(default_factory=set)  # servers with nobody, but checks yet to answer
    on_backup: set[int] = field(default_factory=set)  # servers whose backups serve
    out_of: dict[tuple[int, int], str] = field(default_factory=dict)  # (server, target) that is up elsewhere


def admin_of(world: World, target: Target) -> Admin:
    """Return a target's admin state: the operator's last word, else the file's."""
    return world.target_admin.get(target.number, "enabled" if target.enabled else "disabled")


def decide(world: World, view: View, plan: Plan, full: set[int]) -> Decisions:
    """Decide for every server and target. `full`: targets that have reached their maxsessions."""
    made = Decisions()
    servers_of: dict[int, list[int]] = {}
    for server in view.servers.values():
        for number in dict.fromkeys([*server.targets, *server.backup]):
            servers_of.setdefault(number, []).append(server.number)
    for target in world.config.targets:
        made.standings[target.number] = _standing(
            world, view, plan, target, servers_of.get(target.number, [])
        )
    for server in view.servers.values():
        made.servers[server.number] = _serve(made, view, server, full)
    for decision in made.servers.values():
        made.operational.update(decision.new)
    for number, standing in made.standings.items():
        made.reasons[number] = _reason(made, view, number, standing, servers_of.get(number, []), full)
    return made


# -- targets ----------------------------------------------------------------------------------------------------------


def _standing(world: World, view: View, plan: Plan, target: Target, servers: list[int]) -> Standing:
    admin = admin_of(world, target)
    base = _base(world, plan.base.get(target.number, ()))
    vip = {
        number: _of_key(world, plan.vip[number, target.number])
        for number in servers
        if (number, target.number) in plan.vip
    }
    health, cause = _health(base, vip, bool(plan.base.get(target.number)))
    hindrance = _hindrance(world, view, target, admin)
    # Without `hc` in the modules line nothing is checked, and the file has asked for that.
    if hindrance is None and base.health != "up" and "hc" in world.config.modules:
        hindrance = base.cause
    return Standing(admin, health, cause, hindrance, vip)


def _hindrance(world: World, view: View, target: Target, admin: Admin) -> str | None:
    """Why a target may serve nobody, its checks aside."""
    if not target.registered:
        return "not registered"
    if pack(target.ipaddr) is None:
        return f"{target.ipaddr or 'no address'}: only IPv4 targets are built yet"
    if admin == "disabled":
        return "disabled"
    if not target.dsr:
        return NO_TRANSLATION
    site = view.target_site.get(target.number)
    if site is None:
        return f"{target.ipaddr} is in no enabled network"
    if site.real is None:
        return f"network {site.network} has no real address to ask {target.ipaddr} from"
    neighbour = world.neighbours.get(str(target.ipaddr))
    if neighbour is None or neighbour.mac is None:
        return f"MAC of {target.ipaddr} is not resolved"
    return None


def _base(world: World, keys: Iterable[ProbeKey]) -> Condition:
    """All of a target's own checks together: the worst of them."""
    conditions = [_of_key(world, key) for key in keys]
    for health in ("down", "unknown"):
        for condition in conditions:
            if condition.health == health:
                return condition
    return Condition("up", None)


def _of_key(world: World, key: ProbeKey) -> Condition:
    check = world.checks.get(key)
    if check is None or check.state == "unknown":
        what = key.address if key.port is None else f"{key.address}:{key.port}"
        return Condition("unknown", f"waiting for the first answer of {key.kind} {what}")
    if check.state == "up":
        return Condition("up", None)
    return Condition("down", check.error or "no answer")


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
    return Condition("down", _listed([f"{c.cause} (server {number})" for number, c in vip.items()], ", "))


def _reason(
    made: Decisions, view: View, number: int, standing: Standing, servers: list[int], full: set[int]
) -> str | None:
    """Why a target gets no new flows; for one that gets some, of which servers it is out; else None."""
    out = []
    for server in servers:
        condition = standing.vip.get(server)
        if condition is not None and condition.health == "down" and standing.health == "up":
            made.out_of[server, number] = condition.cause or "no answer"
            out.append(f"out of server {server}: {condition.cause}")
    if number in made.operational:
        return _listed(out, ", ") if out else None
    if standing.hindrance is not None:
        return standing.hindrance
    if standing.admin == "draining":
        return "draining"
    if standing.health != "up" and standing.cause is not None:
        return standing.cause
    if number in full:
        return "maxsessions reached"
    if not servers:
        return "no server uses it"
    enabled = [s for s in servers if view.server_enabled(view.servers[s])]
    if not enabled:
        return _listed([f"server {s} is disabled" for s in servers], ", ")
    if out:
        return _listed(out, ", ")
    return f"stands by as backup of {_listed([f'server {s}' for s in enabled], ', ')}"


# -- servers ----------------------------------------------------------------------------------------------------------


def _serve(made: Decisions, view: View, server: Server, full: set[int]) -> ServerDecision:
    number = server.number
    if not view.server_enabled(server):
        return ServerDecision(number, (), (), "disabled")
    if pack(server.ipaddr) is None:
        return ServerDecision(number, (), (), f"{server.ipaddr or 'no address'}: only IPv4 is built yet")
    primaries = [t for t in dict.fromkeys(server.targets) if t in made.standings]
    backups = [t for t in dict.fromkeys(server.backup) if t in made.standings and t not in primaries]
    checked = "hc" in view.world.config.modules
    fit = [t for t in (*primaries, *backups) if _fits(made.standings[t], number, checked=checked)]
    taking = [t for t in fit if made.standings[t].admin == "enabled"]
    new = [t for t in taking if t in primaries and t not in full]
    # A primary that is full is not down: backups are no overflow (facts.md 11). One that drains is on its way out.
    if not any(t in primaries for t in taking):
        new = [t for t in taking if t in backups and t not in full]
        if new:
            made.on_backup.add(number)
    if new:
        return ServerDecision(number, tuple(new), tuple(fit))
    members = [*primaries, *backups]
    if any(_pending(made.standings[t]) for t in members):
        made.waiting.add(number)
    return ServerDecision(number, (), tuple(fit), _nobody(made, number, members, taking))


def _fits(standing: Standing, server: int, *, checked: bool) -> bool:
    """Whether known flows of the server may stay on the target."""
    if standing.hindrance is not None:
        return False
    return not checked or (server in standing.vip and standing.vip[server].health == "up")


def _pending(standing: Standing) -> bool:
    return (
        standing.admin == "enabled" and standing.health == "unknown" and standing.hindrance != NO_TRANSLATION
    )


def _nobody(made: Decisions, server: int, members: list[int], taking: list[int]) -> str:
    if not members:
        return "has no targets"
    if taking:
        return "every target that is up has reached its maxsessions"
    causes = []
    for number in members:
        standing = made.standings[number]
        condition = standing.vip.get(server)
        cause = standing.hindrance or (condition.cause if condition else None) or standing.admin
        causes.append(f"target {number}: {cause}")
    return f"no target takes new flows ({_listed(causes, '; ')})"


def _listed(words: list[str], separator: str) -> str:
    more = len(words) - MAX_NAMED
    return separator.join(words[:MAX_NAMED]) + (f"{separator}and {more} more" if more > 0 else "")
