"""Every state as glyph, word and role: the one list for tables, details, help and the plain reading.

A state is never colour alone: on a serial console, for a colour-blind reader and in a copied line the word remains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bngtui.render.text import Role, Span
from bngtui.render.units import FRESH_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.api.messages import ArpState, CheckState, MemberState, ServerState, TargetState
    from engine.domain.notices import EventSeverity


class Mark(NamedTuple):
    """A state on the screen. `rank` orders by urgency, most urgent first; `fault`: the faults filter keeps it."""

    glyph: str
    word: str
    role: Role
    rank: int
    fault: bool
    help: str

    @property
    def span(self) -> Span:
        """Glyph and word."""
        return Span(f"{self.glyph} {self.word}", self.role)


DOWN = Mark("✖", "down", "down", 0, True, "its checks fail: no traffic")
NO_SERVICE = Mark("✖", "down", "down", 0, True, "no target takes new flows")
DEGRADED = Mark("▲", "degraded", "warning", 2, True, "serves, with fewer targets than configured")
CRITICAL = Mark("▼", "critical", "down", 1, True, "serves with less than half of its targets")
BLOCKED = Mark("▲", "blocked", "warning", 1, True, "healthy, but no new flows: see why")
UNKNOWN = Mark("?", "unknown", "unknown", 2, True, "no check has answered yet")
DRAINING = Mark("◐", "draining", "draining", 3, True, "keeps its sessions, gets no new ones")
DISABLED = Mark("○", "disabled", "disabled", 4, True, "taken out by an operator or the configuration")
PARTIAL = Mark("▼", "partial", "warning", 1, True, "up, but out of some of its servers: see why")
UNCHECKED = Mark("◎", "unchecked", "unknown", 5, False, "gets new flows, and nothing checks it: no hc")
STANDBY = Mark("◇", "standby", "muted", 5, False, "a backup: serves when every primary is down")
UP = Mark("●", "up", "up", 6, False, "gets new flows")

TARGET_MARKS: tuple[Mark, ...] = (
    UP, UNCHECKED, STANDBY, DRAINING, DISABLED, UNKNOWN, BLOCKED, PARTIAL, DOWN,
)  # fmt: skip
SERVER_MARKS: tuple[Mark, ...] = (UP, DISABLED, DEGRADED, CRITICAL, NO_SERVICE)


def target_mark(target: TargetState) -> Mark:
    """Return the state of a target; what an operator decided comes before what a check found, except a failure."""
    if target.admin == "disabled":
        return DISABLED
    if target.health == "down":
        return DOWN
    if target.admin == "draining":
        return DRAINING
    if target.health == "unknown":
        return UNCHECKED if target.operational else UNKNOWN
    if target.out_of:
        return PARTIAL
    if target.operational:
        return UP
    primary_of = set(target.servers) - set(target.backup_of)
    return STANDBY if target.backup_of and not primary_of else BLOCKED


def able(server: ServerState, targets: Mapping[int, TargetState]) -> frozenset[int]:
    """Return the targets, backups included, that the server may give new flows; `targets` are all, by number.

    A target may be up for one server and down for another, so the server's own word counts. Where there is none, from
    an engine that does not give it or left it out of a reading that is too large, the target's stands for it.
    """
    told = {member.target: member.able for member in server.members}
    numbers = (*server.targets, *server.backup)
    return frozenset(
        number for number in numbers if told.get(number, number in targets and _well(targets[number]))
    )


def _well(target: TargetState) -> bool:
    return target.admin == "enabled" and (target.health == "up" or target_mark(target) is UNCHECKED)


def server_mark(server: ServerState, targets: Mapping[int, TargetState]) -> Mark:
    """Return the state of a server, given all targets by number."""
    if server.admin == "disabled":
        return DISABLED
    if not server.operational:
        return NO_SERVICE
    primaries = targets.keys() & server.targets
    lacking = len(primaries - able(server, targets))
    if not lacking:
        return UP
    return CRITICAL if lacking > len(primaries) / 2 else DEGRADED


def member_mark(member: MemberState, target: TargetState) -> Mark:
    """Return the state of a target for one server."""
    if target.admin == "disabled":
        return DISABLED
    if member.health == "down":
        return DOWN
    if target.admin == "draining":
        return DRAINING
    if member.health == "unknown":
        return UNKNOWN
    if not member.able:
        return BLOCKED
    return STANDBY if member.backup and not target.operational else UP


SEVERITY: dict[EventSeverity, Mark] = {
    "error": Mark("✖", "error", "down", 0, True, "somebody should look"),
    "warning": Mark("▲", "warning", "warning", 1, True, "worth knowing"),
    "info": Mark("·", "info", "muted", 2, False, "for the record"),
}

ARP: dict[str, Mark] = {
    "conflict": Mark("✖", "conflict", "down", 0, True, "somebody else answers for the address"),
    "withheld": Mark("✖", "not taken", "down", 0, True, "another host may have the address"),
    "unresolved": Mark("?", "no answer", "unknown", 1, True, "the target has not answered ARP"),
    "stale": Mark("▲", "stale", "warning", 2, True, "the MAC was not confirmed for long"),
    "answering": Mark("●", "answering", "up", 3, False, "this node answers for the address"),
    "resolved": Mark("●", "resolved", "up", 4, False, "the target's MAC is known"),
}


def arp_mark(entry: ArpState) -> Mark:
    """Return the state of an ARP entry."""
    return ARP[entry.state]


def check_role(check: CheckState) -> Role:
    """Return the role of a check's state."""
    return {"up": "up", "down": "down", "unknown": "unknown"}[check.state]  # type: ignore[return-value]


_TELLING = {"tcpopen": 0, "dns": 0, "vip": 1}
"""Of checks that are all well the one that says most stands for them, always the same one."""


def worst_check(target: TargetState) -> CheckState | None:
    """Return the check to show where there is room for one: a failing one, then one that waits for its answer."""
    order = {"down": 0, "unknown": 1, "up": 2}

    def urgency(check: CheckState) -> tuple[int, float, int]:
        age_s = 1e9 if check.last_ok_s is None else check.last_ok_s
        return order[check.state], -age_s if age_s >= FRESH_S else 0.0, _TELLING.get(check.kind, 2)

    return min(target.checks, key=urgency, default=None)
