"""The two lines at the top."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from bngtui.render.header import paint_header
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from bngtui.render.text import Line
    from bngtui.widgets.application import Application


class Header(LineView):
    """Who this is, how fresh the picture is, what flows, and what is wrong."""

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the header."""
        store = cast("Application", self.app).store
        now = time.monotonic()
        trial = store.trial(now)
        return paint_header(store.shown, store.freshness(now), width, trial, live=store.live)[:height]
