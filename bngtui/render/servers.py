"""The servers panel: one virtual server a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bngtui.render.columns import Column
from bngtui.render.spark import sparkline
from bngtui.render.states import SERVER_MARKS, Mark, healthy, server_mark
from bngtui.render.text import Span, clean
from bngtui.render.units import count, endpoint, short
from bngtui.render.view import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.api.messages import ServerState, TargetState


@dataclass(frozen=True)
class ServerRow:
    """A server, all targets by number, and its packet rate of the last minutes, oldest first."""

    server: ServerState
    targets: dict[int, TargetState]
    history: Sequence[float | None] = field(default=())

    @property
    def mark(self) -> Mark:
        """The server's state."""
        return server_mark(self.server, self.targets)

    def healthy(self, numbers: Sequence[int]) -> int:
        """How many of these targets are healthy."""
        return sum(healthy(self.targets[number]) for number in numbers if number in self.targets)


def _healthy(row: ServerRow, _width: int, _shown: frozenset[str]) -> Span:
    have, all_of = row.healthy(row.server.targets), len(row.server.targets)
    text = f"{have}/{all_of}"
    if row.server.backup:
        text += f" +{row.healthy(row.server.backup)}/{len(row.server.backup)}"
    role = row.mark.role if row.mark.fault else "text"
    return Span(text, role)


def _why(row: ServerRow, _width: int, _shown: frozenset[str]) -> Span:
    if row.server.reason:
        return Span(clean(row.server.reason), row.mark.role)
    lacking = [number for number in row.server.targets if not row.healthy([number])]
    if lacking and row.mark.fault and row.server.admin == "enabled":
        shown = ", ".join(map(str, lacking[:6])) + (" …" if len(lacking) > 6 else "")
        return Span(f"without {shown}", row.mark.role)
    return Span("")


COLUMNS: tuple[Column[ServerRow], ...] = (
    Column(
        "state",
        "State",
        lambda row, _w, _s: row.mark.span,
        width=10,
        sort=lambda row: (row.mark.rank, row.server.number),
    ),
    Column(
        "number",
        "#",
        lambda row, _w, _s: Span(str(row.server.number), "strong"),
        width=2,
        widest=4,
        hug=True,
        right=True,
        sort=lambda row: row.server.number,
    ),
    Column(
        "name",
        "Name",
        lambda row, _w, _s: Span(clean(row.server.name) or "-"),
        width=6,
        widest=20,
        hug=True,
        sort=lambda row: row.server.name,
    ),
    Column(
        "address",
        "Address",
        lambda row, _w, _s: Span(endpoint(row.server.ipaddr, row.server.port)),
        width=14,
        widest=28,
        hug=True,
        priority=1,
        sort=lambda row: (len(row.server.ipaddr), row.server.ipaddr, row.server.port),
    ),
    Column("protocol", "Proto", lambda row, _w, _s: Span(row.server.protocol, "muted"), width=5, priority=7),
    Column("method", "Method", lambda row, _w, _s: Span(row.server.method, "muted"), width=8, priority=8),
    Column(
        "healthy",
        "Healthy",
        _healthy,
        width=7,
        widest=13,
        hug=True,
        priority=1,
        sort=lambda row: row.healthy(row.server.targets),
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
        lambda row, _w, _s: Span(short(row.server.pps), "text" if row.server.pps >= 0.05 else "muted"),
        width=6,
        right=True,
        sort=lambda row: row.server.pps,
        descending=True,
    ),
    Column(
        "bps",
        "bit/s",
        lambda row, _w, _s: Span(short(row.server.bps), "text" if row.server.bps >= 0.05 else "muted"),
        width=6,
        right=True,
        priority=4,
        sort=lambda row: row.server.bps,
        descending=True,
    ),
    Column(
        "sessions",
        "Sess",
        lambda row, _w, _s: Span(count(row.server.sessions), "text" if row.server.sessions else "muted"),
        width=7,
        right=True,
        priority=1,
        sort=lambda row: row.server.sessions,
        descending=True,
    ),
    Column(
        "packets",
        "Packets",
        lambda row, _w, _s: Span(short(row.server.packets), "muted"),
        width=7,
        right=True,
        priority=11,
        sort=lambda row: row.server.packets,
        descending=True,
    ),
    Column(
        "bytes",
        "Bytes",
        lambda row, _w, _s: Span(short(row.server.bytes), "muted"),
        width=6,
        right=True,
        priority=11,
        sort=lambda row: row.server.bytes,
        descending=True,
    ),
    Column("why", "Remark", _why, width=10, comfort=18, grow=3, priority=5),
)

SPEC: Spec[ServerRow] = Spec(
    id="servers",
    title="Servers",
    columns=COLUMNS,
    identity=lambda row: row.server.number,
    mark=lambda row: row.mark,
    search=lambda row: (
        f"{row.server.number} {row.server.name} {endpoint(row.server.ipaddr, row.server.port)} "
        f"{row.server.protocol} {row.server.method} {row.mark.word} {row.server.reason or ''}"
    ),
    empty="The configuration has no servers.",
)


def summary(rows: Sequence[ServerRow]) -> list[Span]:
    """Return how many servers are in which state, for the panel's title."""
    counts: dict[Mark, int] = {}
    for row in rows:
        counts[row.mark] = counts.get(row.mark, 0) + 1
    spans = [Span(str(len(rows)), "muted")]
    spans += [
        Span(f"  {mark.glyph} {counts[mark]} {mark.word}", mark.role)
        for mark in reversed(SERVER_MARKS)
        if mark in counts
    ]
    return spans
