"""The help page, written from the actions registry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bngtui.actions import ANYWHERE, available
from bngtui.render.help import paint_help
from bngtui.screens.page import bindings
from bngtui.screens.scrolled import ScrolledPage
from bngtui.widgets.footer import Footer
from bngtui.widgets.pager import Pager

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from bngtui.actions import Context
    from bngtui.render.text import Line


class HelpScreen(ScrolledPage):
    """Keys and signs, those of `places`."""

    BINDINGS = bindings({"details"})

    def __init__(self, places: frozenset[Context] = ANYWHERE) -> None:
        super().__init__()
        self._places = places

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        yield Pager("Help", self._lines)
        yield Footer()

    def renew(self) -> None:
        """Show the page."""
        if not self.is_attached:
            return
        self.pager.update_lines()
        keys = [
            replace(a, hint="back", worth=0)
            for a in available("details", read_only=True)
            if a.name == "clear"
        ]
        self.footer.offer(keys)

    def _lines(self, width: int) -> list[Line]:
        read_only = self.host.store.read_only
        actions = [one for one in available(read_only=read_only) if one.where & self._places]
        return paint_help(actions, width, read_only=read_only)

    def action_details(self) -> None:
        """Go back."""
        self.app.pop_screen()

    def action_help(self) -> None:
        """Go back: the key that opened also closes."""
        self.app.pop_screen()
