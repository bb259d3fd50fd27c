"""Lines that a function draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.render.text import Line


class Painted(LineView):
    """What `draw` returns for the width and height there are."""

    def __init__(self, draw: Callable[[int, int], list[Line]]) -> None:
        super().__init__()
        self._draw = draw

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw it."""
        return self._draw(width, height)
