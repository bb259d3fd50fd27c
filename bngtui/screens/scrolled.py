"""A page of lines with its keys: what help, review and a revision's text have in common."""

from __future__ import annotations

from typing import ClassVar

from bngtui.screens.page import Page
from bngtui.widgets.pager import Pager


class ScrolledPage(Page):
    """A screen whose body is a Pager."""

    DEFAULT_CSS: ClassVar[str] = """
    ScrolledPage { background: $background; layout: vertical; }
    ScrolledPage Header { height: 2; }
    ScrolledPage Pager { height: 1fr; }
    ScrolledPage Footer { height: 1; }
    """

    @property
    def pager(self) -> Pager:
        """The page itself."""
        return self.query_one(Pager)

    def action_move(self, by: int) -> None:
        """Scroll by lines."""
        self.pager.scroll_lines(by)

    def action_page(self, by: int) -> None:
        """Scroll by pages."""
        self.pager.scroll_lines(by * max(1, self.pager.size.height - 3))

    def action_edge(self, side: int) -> None:
        """Scroll to an end."""
        self.pager.edge(side)

    def action_clear(self) -> None:
        """Go back."""
        self.app.pop_screen()

    def action_quit(self) -> None:
        """Go back: q leaves the page, then the program."""
        self.app.pop_screen()
