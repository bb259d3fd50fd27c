"""The targets panel: one real server a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bngtui.render.columns import Column
from bngtui.render.drain import left_text
from bngtui.render.members import tally, traffic, who
from bngtui.render.states import DRAINING, TARGET_MARKS, Mark, check_role, target_mark, worst_check
from bngtui.render.text import Span, clean
from bngtui.render.units import age, check_age, endpoint, rtt
from bngtui.render.view import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.api.messages import CheckState, TargetState


@dataclass(frozen=True)
class TargetRow:
    """A target and its packet rate of the last minutes, oldest first."""

    target: TargetState
    history: Sequence[float | None] = field(default=())

    @property
    def member(self) -> TargetState:
        """The target."""
        return self.target

    @property
    def mark(self) -> Mark:
        """The target's state."""
        return target_mark(self.target)


def check_text(check: CheckState) -> str:
    """Return kind, round trip and age of one check: ``tcpopen 0.3 ms <5 s``."""
    parts = [check.kind]
    if check.state == "up" and check.rtt_ms is not None:
        parts.append(rtt(check.rtt_ms))
    parts.append(check_age(check.last_ok_s) if check.last_ok_s is not None else "never")
    return " ".join(parts)


def _check(row: TargetRow, _width: int, _shown: frozenset[str]) -> Span:
    check = worst_check(row.target)
    if check is None:
        return Span("none", "muted")
    return Span(check_text(check), "muted" if check.state == "up" else check_role(check))


def _why(row: TargetRow, width: int, shown: frozenset[str]) -> Span:
    """Say why a target has no new flows; where it has, and the checks have no column, the check."""
    drain = row.target.drain
    if drain is not None and row.mark is DRAINING:
        return Span(left_text(drain), row.mark.role)
    if row.target.admin == "draining" and row.mark is not DRAINING:
        # What its checks say is worse, and would hide that an operator drains it.
        return Span(f"draining; {clean(row.target.reason or row.mark.word)}", row.mark.role)
    if row.target.reason:
        return Span(clean(row.target.reason), row.mark.role)
    return Span("") if "check" in shown else _check(row, width, shown)


def _since(row: TargetRow, _width: int, _shown: frozenset[str]) -> Span:
    return Span(age(row.target.last_change_s), "muted")


COLUMNS: tuple[Column[TargetRow], ...] = (
    *who(TargetRow),
    Column(
        "servers",
        "Servers",
        lambda row, _w, _s: Span(",".join(map(str, row.target.servers)), "muted"),
        width=7,
        widest=12,
        hug=True,
        priority=9,
    ),
    Column(
        "mac", "MAC", lambda row, _w, _s: Span(row.target.mac or "unknown", "muted"), width=17, priority=10
    ),
    *traffic(TargetRow),
    Column(
        "weight",
        "Weight",
        lambda row, _w, _s: Span(str(row.target.weight), "muted"),
        width=6,
        right=True,
        priority=12,
    ),
    Column(
        "since",
        "Since",
        _since,
        width=7,
        right=True,
        priority=8,
        sort=lambda row: row.target.last_change_s,
    ),
    Column("check", "Last check", _check, width=20, widest=26, priority=7, grow=1),
    Column("why", "Remark", _why, width=12, comfort=28, grow=3, priority=2),
)


def _search(row: TargetRow) -> str:
    target = row.target
    servers = " ".join(f"server {number}" for number in target.servers)
    return (
        f"{target.number} {target.name} {endpoint(target.ipaddr, target.port)} {target_mark(target).word} "
        f"{target.mac or ''} {target.reason or ''} {servers}"
    )


SPEC: Spec[TargetRow] = Spec(
    id="targets",
    title="Targets",
    columns=COLUMNS,
    identity=lambda row: row.target.number,
    mark=lambda row: row.mark,
    search=_search,
    empty="The configuration has no targets.",
    worst_first=True,
)


def summary(rows: Sequence[TargetRow]) -> list[Span]:
    """Return how many targets are in which state, for the panel's title."""
    return tally(rows, TARGET_MARKS)
