"""What a row of any panel is about: its name, its number where it can be changed, and everything known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bngtui.render import details
from bngtui.render.node import NodeRow
from bngtui.render.servers import ServerRow
from bngtui.render.targets import TargetRow
from bngtui.render.text import Line, Span, clean, line
from engine.api.messages import ArpState, Event

if TYPE_CHECKING:
    from bngtui.render.effects import What
    from bngtui.store import Store


@dataclass(frozen=True)
class Subject:
    """The row as it was, and for a target or a server (`member`) its kind and number."""

    title: str
    row: Any
    member: tuple[What, int] | None = None

    @classmethod
    def of(cls, row: Any) -> Subject:
        """Return the subject of any panel's row."""
        if isinstance(row, TargetRow):
            number = row.target.number
            return cls(f"Target {number} {clean(row.target.name)}".rstrip(), row, ("target", number))
        if isinstance(row, ServerRow):
            number = row.server.number
            return cls(f"Server {number} {clean(row.server.name)}".rstrip(), row, ("server", number))
        if isinstance(row, Event):
            return cls(f"Event {row.id}", row)
        if isinstance(row, ArpState):
            return cls(f"ARP {clean(row.address)}", row)
        return cls("Node", row)

    def lines(self, store: Store, width: int) -> list[Line]:
        """Return the page as the store has it now."""
        row = self.row
        if isinstance(row, TargetRow):
            return _target(store, row.target.number, width)
        if isinstance(row, ServerRow):
            return _server(store, row.server.number, width)
        if isinstance(row, NodeRow):
            newer = next((other for other in store.node_rows() if other.id == row.id), row)
            return details.node_lines(newer, width)
        if isinstance(row, Event):
            return details.event_lines(row, width)
        entries = store.shown.arp if store.shown else []
        newer_entry = next(
            (e for e in entries if (e.kind, e.address, e.mac) == (row.kind, row.address, row.mac)), row
        )
        return details.arp_lines(newer_entry, store.events, width)


def _gone(what: str, number: int) -> list[Line]:
    return [line(Span(f"  {what} {number} is not in the running configuration.", "warning"))]


def _target(store: Store, number: int, width: int) -> list[Line]:
    state = store.shown
    row = next((row for row in store.target_rows() if row.target.number == number), None)
    if state is None or row is None:
        return _gone("Target", number)
    return details.target_lines(row.target, state.servers, store.events, row.history, width)


def _server(store: Store, number: int, width: int) -> list[Line]:
    state = store.shown
    row = next((row for row in store.server_rows() if row.server.number == number), None)
    if state is None or row is None:
        return _gone("Server", number)
    return details.server_lines(row.server, state.targets, store.events, row.history, width)
