"""The help page, written from the actions registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.actions import available, with_hints
from bngtui.pages.page import bindings
from bngtui.pages.scrolled import ScrolledPage
from bngtui.render.help import paint_help

if TYPE_CHECKING:
    from bngtui.actions import Action, Context
    from bngtui.render.text import Line


class HelpScreen(ScrolledPage):
    """Keys and signs, those of `places`."""

    BINDINGS = bindings({"text"})
    WITH_HEADER = False

    def __init__(self, places: frozenset[Context]) -> None:
        super().__init__("Help")
        self._places = places

    def lines(self, width: int) -> list[Line]:
        """Return the keys by group, and what the signs mean."""
        read_only = self.console.store.read_only
        actions = [one for one in available(read_only=read_only) if one.where & self._places]
        return paint_help(actions, width, read_only=read_only)

    def offered(self) -> tuple[Action, ...]:
        """Return the key that leads back."""
        keys = [action for action in available("text", read_only=True) if action.name == "clear"]
        return with_hints(keys, {"clear": "back"}, worth=0)

    def action_help(self) -> None:
        """Go back: the key that opened also closes."""
        self.leave()
