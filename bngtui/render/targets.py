"""The targets panel: one real server a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bngtui.render.columns import Column
from bngtui.render.spark import sparkline
from bngtui.render.states import TARGET_MARKS, Mark, check_role, target_mark, worst_check
from bngtui.render.text import Span, clean
from bngtui.render.units import age, check_age, count, endpoint, rtt, short
from bngtui.render.view import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.api.messages import CheckState, TargetState


@dataclass(frozen=True)
class TargetRow:
    """A target and its packet rate of the last minutes, oldest first."""

    target: TargetState
    history: Sequence[float | None] = field(default=())


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
    if row.target.reason:
        return Span(clean(row.target.reason), target_mark(row.target).role)
    return Span("") if "check" in shown else _check(row, width, shown)


def _address(row: TargetRow, _width: int, _shown: frozenset[str]) -> Span:
    return Span(endpoint(row.target.ipaddr, row.target.port))


def _since(row: TargetRow, _width: int, _shown: frozenset[str]) -> Span:
    return Span(age(row.target.last_change_s), "muted")


def _rate_role(value: float) -> Span:
    return Span(short(value), "muted" if value < 0.05 else "text")


COLUMNS: tuple[Column[TargetRow], ...] = (
    Column(
        "state",
        "State",
        lambda row, _w, _s: target_mark(row.target).span,
        width=10,
        sort=lambda row: (target_mark(row.target).rank, row.target.number),
    ),
    Column(
        "number",
        "#",
        lambda row, _w, _s: Span(str(row.target.number), "strong"),
        width=2,
        widest=4,
        hug=True,
        right=True,
        sort=lambda row: row.target.number,
    ),
    Column(
        "name",
        "Name",
        lambda row, _w, _s: Span(clean(row.target.name) or "-"),
        width=6,
        widest=20,
        hug=True,
        sort=lambda row: row.target.name,
    ),
    Column(
        "address",
        "Address",
        _address,
        width=14,
        widest=28,
        hug=True,
        priority=1,
        sort=lambda row: (len(row.target.ipaddr), row.target.ipaddr, row.target.port),
    ),
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
    Column(
        "history",
        "Trend",
        lambda row, width, _s: Span(sparkline(row.history, width), "graph"),
        width=12,
        widest=30,
        grow=2,
        priority=6,
    ),
    Column(
        "pps",
        "pkt/s",
        lambda row, _w, _s: _rate_role(row.target.pps),
        width=6,
        right=True,
        sort=lambda row: row.target.pps,
        descending=True,
    ),
    Column(
        "bps",
        "bit/s",
        lambda row, _w, _s: _rate_role(row.target.bps),
        width=6,
        right=True,
        priority=4,
        sort=lambda row: row.target.bps,
        descending=True,
    ),
    Column(
        "sessions",
        "Sess",
        lambda row, _w, _s: Span(count(row.target.sessions), "text" if row.target.sessions else "muted"),
        width=7,
        right=True,
        priority=1,
        sort=lambda row: row.target.sessions,
        descending=True,
    ),
    Column(
        "packets",
        "Packets",
        lambda row, _w, _s: Span(short(row.target.packets), "muted"),
        width=7,
        right=True,
        priority=11,
        sort=lambda row: row.target.packets,
        descending=True,
    ),
    Column(
        "bytes",
        "Bytes",
        lambda row, _w, _s: Span(short(row.target.bytes), "muted"),
        width=6,
        right=True,
        priority=11,
        sort=lambda row: row.target.bytes,
        descending=True,
    ),
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
    mark=lambda row: target_mark(row.target),
    search=_search,
    empty="The configuration has no targets.",
)


def summary(rows: Sequence[TargetRow]) -> list[Span]:
    """Return how many targets are in which state, for the panel's title: ``40  ✖ 2 down  ● 38 up``."""
    counts: dict[Mark, int] = {}
    for row in rows:
        mark = target_mark(row.target)
        counts[mark] = counts.get(mark, 0) + 1
    spans = [Span(str(len(rows)), "muted")]
    spans += [
        Span(f"  {mark.glyph} {counts[mark]} {mark.word}", mark.role)
        for mark in reversed(TARGET_MARKS)
        if mark in counts
    ]
    return spans
