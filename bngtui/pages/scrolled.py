"""A page of lines with its keys: what details, help, review and a revision's text have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bngtui.pages.page import Page
from bngtui.widgets.header import Header
from bngtui.widgets.pager import Pager

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from bngtui.render.text import Line


class ScrolledPage(Page):
    """A screen whose body is lines that scroll. A subclass gives `lines`, `offered` and the `heading`."""

    WITH_HEADER: ClassVar[bool] = True
    DEFAULT_CSS: ClassVar[str] = """
    ScrolledPage { background: $background; layout: vertical; }
    ScrolledPage Header { height: 2; }
    ScrolledPage Pager { height: 1fr; }
    ScrolledPage Footer { height: 1; }
    """

    def __init__(self, heading: str) -> None:
        super().__init__()
        self.pager = Pager(heading, self.lines)

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        if self.WITH_HEADER:
            yield Header()
        yield self.pager
        yield self.footer

    def lines(self, width: int) -> list[Line]:
        """Return the page for `width` cells."""
        raise NotImplementedError

    def renew(self) -> None:
        """Show what the store has now."""
        if not self.is_attached:
            return
        self.update_header()
        self.pager.update_lines()
        self.footer.offer(self.offered())

    def action_move(self, by: int) -> None:
        """Scroll by lines."""
        self.pager.scroll_lines(by)

    def action_page(self, by: int) -> None:
        """Scroll by pages."""
        self.pager.scroll_pages(by)

    def action_edge(self, side: int) -> None:
        """Scroll to an end."""
        self.pager.edge(side)

    def action_clear(self) -> None:
        """Go back."""
        self.leave()

    def action_quit(self) -> None:
        """Go back: q leaves the page, then the program."""
        self.leave()
