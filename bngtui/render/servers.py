"""The servers panel: one virtual server a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bngtui.render.columns import Column
from bngtui.render.members import tally, traffic, who
from bngtui.render.states import SERVER_MARKS, Mark, able, server_mark
from bngtui.render.text import Span, clean
from bngtui.render.units import endpoint, percent
from bngtui.render.view import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.api.messages import ServerState, TargetState


NAMED = 6
"""Targets out of a server that are named; of more their share says more."""


@dataclass(frozen=True)
class ServerRow:
    """A server, all targets by number, and its packet rate of the last minutes, oldest first."""

    server: ServerState
    targets: dict[int, TargetState]
    history: Sequence[float | None] = field(default=())

    @property
    def member(self) -> ServerState:
        """The server."""
        return self.server

    @cached_property
    def mark(self) -> Mark:
        """The server's state."""
        return server_mark(self.server, self.targets)

    @cached_property
    def able(self) -> frozenset[int]:
        """The targets that the server may give new flows."""
        return able(self.server, self.targets)

    def healthy(self, numbers: Sequence[int]) -> int:
        """How many of these targets are healthy for this server."""
        return sum(number in self.able for number in numbers)


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
    if not lacking or not row.mark.fault or row.server.admin != "enabled":
        return Span("")
    if len(lacking) <= NAMED:
        return Span(f"without {', '.join(map(str, lacking))}", row.mark.role)
    return Span(f"{percent(len(lacking), len(row.server.targets))} of its targets are out", row.mark.role)


COLUMNS: tuple[Column[ServerRow], ...] = (
    *who(ServerRow),
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
    *traffic(ServerRow),
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
    worst_first=True,
)


def summary(rows: Sequence[ServerRow]) -> list[Span]:
    """Return how many servers are in which state, for the panel's title."""
    return tally(rows, SERVER_MARKS)
