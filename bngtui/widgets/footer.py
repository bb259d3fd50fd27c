"""The last line: keys, the latest message, or the filter being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.footer import paint_filter, paint_hints, paint_message
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.timer import Timer

    from bngtui.actions import Action
    from bngtui.render.text import Line, Role

MESSAGE_S = 8.0
"""How long a message is shown in place of the keys."""


class Footer(LineView):
    """One line with three uses. The filter takes precedence over a message, and a message over the keys."""

    def __init__(self) -> None:
        super().__init__()
        self._actions: Sequence[Action] = ()
        self._message: tuple[str, Role] | None = None
        self._filter: tuple[str, str] | None = None
        self._timer: Timer | None = None

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the footer."""
        del height
        if self._filter is not None:
            return [paint_filter(*self._filter, width)]
        if self._message is not None:
            return [paint_message(*self._message, width)]
        return [paint_hints(self._actions, width)]

    def offer(self, actions: Sequence[Action]) -> None:
        """Show the keys of these actions."""
        self._actions = actions
        self.update_lines()

    def say(self, text: str, role: Role) -> None:
        """Show a message for MESSAGE_S."""
        self._message = (text, role)
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(MESSAGE_S, self.hush)
        self.update_lines()

    def hush(self) -> None:
        """Show the keys again."""
        self._message = None
        self.update_lines()

    def show_filter(self, panel: str, needle: str | None) -> None:
        """Show the filter being typed; None ends it."""
        self._filter = None if needle is None else (panel, needle)
        self.update_lines()
