"""Everything about one row, live, on a screen of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bngtui.actions import available, with_hints
from bngtui.pages.page import bindings
from bngtui.pages.scrolled import ScrolledPage
from bngtui.pages.subject import Subject

if TYPE_CHECKING:
    from bngtui.actions import Action
    from bngtui.render.effects import Verb
    from bngtui.render.text import Line


class DetailsScreen(ScrolledPage):
    """The details of a panel's row. The keys that change a target or a server work here too."""

    BINDINGS = bindings({"details"})

    def __init__(self, row: Any) -> None:
        self.subject = Subject.of(row)
        super().__init__(self.subject.title)

    def lines(self, width: int) -> list[Line]:
        """Return what the store has now of the subject."""
        return self.subject.lines(self.console.store, width)

    def offered(self) -> tuple[Action, ...]:
        """Return the actions that this subject has."""
        keys = available("details", read_only=not self.may_change)
        if self.subject.member is None:
            keys = tuple(action for action in keys if not action.changes)
        elif self.subject.member[0] == "server":
            keys = tuple(action for action in keys if action.name != "change('drain')")
        return with_hints(keys, {"clear": "back", "details": "", "quit": ""}, worth=0)

    def action_details(self) -> None:
        """Go back: the key that opened also closes."""
        self.leave()

    def action_change(self, verb: Verb) -> None:
        """Ask, then change this target or server."""
        if self.subject.member is not None:
            self.console.changes.admin(verb, *self.subject.member)
