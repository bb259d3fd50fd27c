"""A page of lines that may be longer than the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.text import Line, Span, line, spread
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Callable


class Pager(LineView):
    """A title and the lines that `build(width)` returns, scrolled by line."""

    def __init__(self, title: str, build: Callable[[int], list[Line]]) -> None:
        super().__init__(id="pager")
        self.title = title
        self.top = 0
        self._build = build

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the page."""
        lines = self._build(width)
        body = max(1, height - 2)
        self.top = max(0, min(self.top, len(lines) - body))
        more = len(lines) - self.top - body
        left = [Span("▌", "accent"), Span(self.title, "accent"), Span(" ")]
        right = [Span(f" ↓ {more} more lines ", "muted")] if more > 0 else []
        title = Line(spread(left, right, width, Span("─", "faint")))
        return [title, line(""), *lines[self.top : self.top + body]]

    def scroll_lines(self, by: int) -> None:
        """Scroll by lines."""
        self.top += by
        self.update_lines()

    def scroll_pages(self, by: int) -> None:
        """Scroll by pages, of which a line of the page before stays in sight."""
        self.scroll_lines(by * max(1, self.size.height - 3))

    def edge(self, side: int) -> None:
        """Scroll to the first line (-1) or the last (1)."""
        self.top = 0 if side < 0 else 1_000_000
        self.update_lines()

    def on_mouse_scroll_down(self) -> None:
        """Scroll with the wheel."""
        self.scroll_lines(3)

    def on_mouse_scroll_up(self) -> None:
        """Scroll with the wheel."""
        self.scroll_lines(-3)
