"""A small history in one row of blocks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
IDLE = "·"  # a measured zero; nothing measured is a blank


def ceiling(values: Sequence[float | None]) -> float:
    """Return the top of the scale: the next of 1, 2, 5 times a power of ten over the largest value, at least 1.

    The scale stands still while traffic wavers, so the graph moves and does not flicker.
    """
    top = max([1.0, *(value for value in values if value is not None)])
    magnitude = 10.0 ** math.floor(math.log10(top))
    return next((step * magnitude for step in (1, 2, 5) if top <= step * magnitude), 10 * magnitude)


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Draw the newest `width` values, newest at the right; None, a second without a reading, is a blank."""
    if width <= 0:
        return ""
    shown = list(values[-width:])
    top = ceiling(shown)
    cells = [_cell(value, top) for value in shown]
    return " " * (width - len(cells)) + "".join(cells)


def _cell(value: float | None, top: float) -> str:
    if value is None:
        return " "
    if value < 0.05:
        return IDLE
    return BLOCKS[min(len(BLOCKS) - 1, int(value / top * len(BLOCKS)))]
