"""Two texts side by side, or one below the other."""

from __future__ import annotations

from bngtui.render.diff import SIDE_BY_SIDE


class Beside:
    """How a page shows differences: as the width allows, until the operator turns it."""

    def __init__(self) -> None:
        self._chosen: bool | None = None

    def at(self, width: int) -> bool:
        """Whether the texts stand side by side in so many cells."""
        return width >= SIDE_BY_SIDE if self._chosen is None else self._chosen

    def turn(self, width: int) -> str:
        """Show them the other way; where there is no room for it return why."""
        beside = self.at(width)
        if not beside and width < SIDE_BY_SIDE:
            return f"Side by side wants {SIDE_BY_SIDE} columns; here are {width}."
        self._chosen = not beside
        return ""
