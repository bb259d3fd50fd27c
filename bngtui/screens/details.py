"""Everything about one row, live, on a screen of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bngtui.actions import available
from bngtui.render import details
from bngtui.render.node import NodeRow
from bngtui.render.servers import ServerRow
from bngtui.render.targets import TargetRow
from bngtui.render.text import Line, Span, clean, line
from bngtui.screens.page import bindings
from bngtui.screens.scrolled import ScrolledPage
from bngtui.widgets.footer import Footer
from bngtui.widgets.header import Header
from bngtui.widgets.pager import Pager
from engine.api.messages import ArpState, Event

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from bngtui.actions import Action
    from bngtui.effects import Verb, What
    from bngtui.store import Store


@dataclass(frozen=True)
class Subject:
    """What the details are of: the row as it was, and for a target or server its kind and number."""

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


class DetailScreen(ScrolledPage):
    """One subject. The keys that change a target work here too."""

    BINDINGS = bindings({"details"})

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.subject = subject

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        yield Header()
        yield Pager(self.subject.title, lambda width: self.subject.lines(self.host.store, width))
        yield Footer()

    def renew(self) -> None:
        """Show what the store has now."""
        if not self.is_attached:
            return
        self.query_one(Header).update_lines()
        self.pager.update_lines()
        self.footer.offer(self.offered())

    def offered(self) -> tuple[Action, ...]:
        """Return the actions that this subject has."""
        keys = available("details", read_only=self.host.store.read_only)
        if self.subject.member is None:
            keys = tuple(action for action in keys if not action.changes)
        elif self.subject.member[0] == "server":
            keys = tuple(action for action in keys if action.name != "change('drain')")
        back = {"clear": "back", "details": "", "quit": ""}
        return tuple(
            replace(action, hint=back[action.name], worth=0) if action.name in back else action
            for action in keys
        )

    def action_details(self) -> None:
        """Go back: the key that opened also closes."""
        self.app.pop_screen()

    def action_change(self, verb: Verb) -> None:
        """Ask, then change this target or server."""
        if self.subject.member is not None:
            self.host.ask_change(verb, *self.subject.member)
