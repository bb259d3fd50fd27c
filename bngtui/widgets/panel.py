"""A table on the screen: rows in, lines out, the selection on a row's identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from textual.message import Message

from bngtui.render.table import body_height, paint_table
from bngtui.render.view import Spec, View
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events

    from bngtui.render.text import Line, Span

Row = TypeVar("Row")


class Panel(LineView, Generic[Row]):
    """One table. `summary` draws what follows the title from all rows, also those that a filter hides."""

    class Chosen(Message):
        """The pointer chose this panel."""

        def __init__(self, panel: Panel[Any]) -> None:
            super().__init__()
            self.panel = panel

    def __init__(self, spec: Spec[Row], summary: Callable[[Sequence[Row]], list[Span]]) -> None:
        super().__init__(id=spec.id)
        self.view: View[Row] = View(spec)
        self.active = False  # it has the keys; Textual's focus is not used, it would repaint the whole widget
        self.tabs: Sequence[Span] = ()
        self.stale = False
        self.empty: str | None = None
        self._summary = summary
        self._rows: Sequence[Row] = ()

    def take(self, rows: Sequence[Row], *, stale: bool, empty: str | None) -> None:
        """Show these rows; `stale`: they are of the past; `empty`: what to say where there is none."""
        self._rows = rows
        self.stale = stale
        self.empty = empty
        self.renew()

    def renew(self) -> None:
        """Filter and order again, and paint what changed."""
        self.view.take(self._rows)
        self.update_lines()

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the table."""
        return paint_table(
            self.view,
            width,
            height,
            active=self.active,
            summary=self._summary(self._rows) if self._rows else (),
            tabs=self.tabs,
            stale=self.stale,
            empty=self.empty if self.empty and not self._rows else None,
        )

    @property
    def page(self) -> int:
        """Rows on the screen."""
        return body_height(self.view, self.size.height)

    def move(self, by: int) -> None:
        """Move the selection by rows."""
        self.view.move(by)
        self.update_lines()

    def edge(self, side: int) -> None:
        """Select the first row (-1) or the last (1)."""
        self.view.select(0 if side < 0 else len(self.view.rows) - 1)
        self.update_lines()

    def set_active(self, *, on: bool) -> None:
        """Say whether this panel has the keys."""
        if on != self.active:
            self.active = on
            self.update_lines()

    def on_click(self, event: events.Click) -> None:
        """Take the keys, and select the row under the pointer."""
        self.post_message(self.Chosen(self))
        first = self.size.height - body_height(self.view, self.size.height)
        if event.y >= first:
            self.view.select(self.view.top + event.y - first)
            self.update_lines()

    def on_mouse_scroll_down(self) -> None:
        """Move the selection down with the wheel."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move the selection up with the wheel."""
        self.move(-3)
