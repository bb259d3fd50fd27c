"""A widget made of lines that repaints only the cells that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from bngtui.render.text import Line, changed_runs, fit_spans

if TYPE_CHECKING:
    from textual import events

    from bngtui.theme import Palette
    from bngtui.widgets.application import Application


class LineView(Widget):
    """Base of every region of the screen. A subclass gives `paint`; what has news calls `update_lines`."""

    DEFAULT_CSS: ClassVar[str] = "LineView { background: $background; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the lines to show, pure of any terminal."""
        raise NotImplementedError

    @property
    def palette(self) -> Palette:
        """The colours of the theme in use."""
        return cast("Application", self.app).palette

    def update_lines(self) -> None:
        """Paint again, and send the terminal the cells that are not as they were."""
        if not self.is_attached:
            return
        width, height = self.size
        if not width or not height:
            return
        new = [Line(fit_spans(row.spans, width), row.tone) for row in self.paint(width, height)[:height]]
        blank = Line(fit_spans((), width))
        new += [blank] * (height - len(new))
        old, self._lines = self._lines, new
        if len(old) != height or (old and sum(len(span.text) for span in old[0].spans) == 0):
            self.refresh()
            return
        regions = [
            Region(x, y, length, 1)
            for y, (was, now) in enumerate(zip(old, new, strict=True))
            for x, length in changed_runs(was, now)
        ]
        if regions:
            self.refresh(*regions)

    def repaint(self) -> None:
        """Send every cell again: the colours changed, or the terminal lost something."""
        self._lines = []
        self.update_lines()

    def on_resize(self, _event: events.Resize) -> None:
        """Paint for the new size."""
        self.repaint()

    def render_line(self, y: int) -> Strip:
        """Return line `y` in the theme's colours."""
        palette = self.palette
        if y >= len(self._lines):
            return Strip.blank(self.size.width, palette.styles["text", "plain"])
        spans, tone = self._lines[y]
        return Strip(
            [Segment(palette.text(span.text), palette.styles[span.role, tone]) for span in spans if span.text]
        )

    def text_lines(self) -> list[str]:
        """Return what is shown as plain text, for copying and for tests."""
        return [row.text for row in self._lines]
