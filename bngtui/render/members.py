"""What the servers panel and the targets panel have in common: columns of who, where, and how much traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from bngtui.render.columns import Column
from bngtui.render.spark import sparkline
from bngtui.render.text import Span, clean
from bngtui.render.units import count, endpoint, short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bngtui.render.states import Mark
    from engine.api.messages import ServerState, TargetState


class Member(Protocol):
    """A row of either panel."""

    @property
    def member(self) -> ServerState | TargetState:
        """The server or target itself."""

    @property
    def mark(self) -> Mark:
        """Its state."""

    @property
    def history(self) -> Sequence[float | None]:
        """Its packet rate of the last minutes, oldest first."""


Row = TypeVar("Row", bound=Member)

SILENT = 0.05
"""Packets or bits a second that are shown as none."""


def who(_row: type[Row]) -> tuple[Column[Row], ...]:
    """State, number, name and address."""
    return (
        Column(
            "state",
            "State",
            lambda row, _w, _s: row.mark.span,
            width=10,
            sort=lambda row: (row.mark.rank, row.member.number),
        ),
        Column(
            "number",
            "#",
            lambda row, _w, _s: Span(str(row.member.number), "strong"),
            width=2,
            widest=4,
            hug=True,
            right=True,
            sort=lambda row: row.member.number,
        ),
        Column(
            "name",
            "Name",
            lambda row, _w, _s: Span(clean(row.member.name) or "-"),
            width=6,
            widest=20,
            hug=True,
            sort=lambda row: row.member.name,
        ),
        Column(
            "address",
            "Address",
            lambda row, _w, _s: Span(endpoint(row.member.ipaddr, row.member.port)),
            width=14,
            widest=28,
            hug=True,
            priority=1,
            sort=lambda row: (len(row.member.ipaddr), row.member.ipaddr, row.member.port),
        ),
    )


def traffic(row: type[Row]) -> tuple[Column[Row], ...]:
    """Trend, rates, sessions and totals."""
    return (
        Column(
            "history",
            "Trend",
            lambda row, width, _s: Span(sparkline(row.history, width), "graph"),
            width=12,
            widest=30,
            grow=2,
            priority=6,
        ),
        _number(row, "pps", "pkt/s", lambda one: one.pps, _rate),
        _number(row, "bps", "bit/s", lambda one: one.bps, _rate, priority=4),
        _number(row, "sessions", "Sess", lambda one: one.sessions, _sessions, width=7, priority=1),
        _number(row, "half", "Half", lambda one: one.half_open, _sessions, width=7, priority=13),
        _number(row, "packets", "Packets", lambda one: one.packets, _total, width=7, priority=11),
        _number(row, "bytes", "Bytes", lambda one: one.bytes, _total, priority=11),
    )


def _number(
    _row: type[Row],
    name: str,
    title: str,
    value: Callable[[ServerState | TargetState], float],
    cell: Callable[[float], Span],
    *,
    width: int = 6,
    priority: int = 0,
) -> Column[Row]:
    return Column(
        name,
        title,
        lambda row, _w, _s: cell(value(row.member)),
        width=width,
        right=True,
        priority=priority,
        sort=lambda row: value(row.member),
        descending=True,
    )


def _rate(value: float) -> Span:
    return Span(short(value), "muted" if value < SILENT else "text")


def _sessions(value: float) -> Span:
    return Span(count(int(value)), "text" if value else "muted")


def _total(value: float) -> Span:
    return Span(short(value), "muted")


def tally(rows: Iterable[Member], marks: Sequence[Mark]) -> list[Span]:
    """Return how many rows are in which state, for the panel's title: ``40  ✖ 2 down  ● 38 up``; `marks`: all states."""
    counts: dict[Mark, int] = {}
    for row in rows:
        counts[row.mark] = counts.get(row.mark, 0) + 1
    spans = [Span(str(sum(counts.values())), "muted")]
    spans += [
        Span(f"  {mark.glyph} {counts[mark]} {mark.word}", mark.role)
        for mark in reversed(marks)
        if mark in counts
    ]
    return spans
