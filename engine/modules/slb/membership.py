"""How each server sees its targets: what is told of a decision, pair by pair. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.reason import Cause, Reason
from engine.modules.slb.eligibility import fits, reachable
from engine.modules.state.world import Membership

if TYPE_CHECKING:
    from engine.config.model import Server
    from engine.modules.slb.eligibility import Condition, Decisions, Standing
    from engine.modules.state.view import View


def memberships(made: Decisions, view: View, full: set[int]) -> dict[int, tuple[Membership, ...]]:
    """Return every registered server's members by its number, primaries first; `full` as in `decide`."""
    return {server.number: tuple(_of_server(made, view, server, full)) for server in view.servers.values()}


def _of_server(made: Decisions, view: View, server: Server, full: set[int]) -> list[Membership]:
    checked = "hc" in view.world.config.modules
    members = []
    for number in dict.fromkeys([*server.targets, *server.backup]):
        standing = made.standings.get(number)
        if standing is None:
            continue
        seen = _seen(standing, server.number)
        off = None if reachable(made, view, server, number) else standing.unreachable
        fit = fits(standing, server.number, checked=checked) and off is None
        able = fit and standing.admin == "enabled" and number not in full
        cause = None if able else off or _cause(standing, seen, full=number in full)
        members.append(Membership(number, number not in server.targets, seen.health, able, cause))
    return members


def _seen(standing: Standing, server: int) -> Condition:
    """Return the target's own checks and this server's virtual address on it: the worse of the two."""
    return standing.base if standing.base.health != "up" else standing.vip.get(server, standing.base)


def _cause(standing: Standing, seen: Condition, *, full: bool) -> Cause | None:
    if standing.hindrance is not None:
        return standing.hindrance
    if standing.admin == "draining":
        return Cause(Reason.DRAINING)
    return Cause(Reason.FULL) if full and seen.cause is None else seen.cause
