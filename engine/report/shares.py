"""When a part of a whole is too large for long enough: figures over sliding times, with hysteresis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.report.window import Window

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray


class Span(NamedTuple):
    """A time to judge over, where there is so much of the whole in it; a reading is kept every `step_s`."""

    span_s: float
    step_s: float
    least: int


class Limits(NamedTuple):
    """From `high` on a share is wrong, below `low` it is right again, and what is wrong is so for `hold_s` at least."""

    high: float
    low: float
    hold_s: float


class ShareWatch:
    """Parts of wholes, in rows (servers, targets) and columns (reasons). Row 0 is never judged.

    `wrong` is [rows, columns]; `part` [rows, columns], `whole` [rows] and `span_s` [rows] are the figures behind it, as
    of the last time that they told enough.
    """

    def __init__(self, rows: int, columns: int, spans: Sequence[Span], limits: Limits) -> None:
        self._spans = [(Window(span.span_s, span.step_s), span.least) for span in spans]  # the shortest first
        self._limits = limits
        self._since = np.full((rows, columns), -math.inf)
        self.wrong = np.zeros((rows, columns), np.bool_)
        self.part = np.zeros((rows, columns), np.int64)
        self.whole = np.zeros(rows, np.int64)
        self.span_s = np.zeros(rows)

    def look(
        self,
        rest: NDArray[np.int64],
        part: NDArray[np.int64],
        judged: Collection[int],
        now: float,
        level: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Take counters, `rest` [rows] and `part` [rows, columns], as of `now` in monotonic seconds.

        What stands at `level` [rows, columns] is a part, too, and of the whole. Only rows in `judged` can be wrong; where there is none, all readings are forgotten. Returns what has become
        wrong and what is no longer, [rows, columns] each.
        """
        if judged:
            wrong = self._judge(np.column_stack((rest, part)), level, judged, now)
        else:
            for window, _ in self._spans:
                window.clear()
            wrong = np.zeros_like(self.wrong)
        begun, ended = wrong & ~self.wrong, self.wrong & ~wrong
        self._since[begun] = now
        self.wrong = wrong
        return begun, ended

    def _judge(
        self,
        values: NDArray[np.int64],
        level: NDArray[np.int64] | None,
        judged: Collection[int],
        now: float,
    ) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.whole), np.bool_)
        mask[list(judged)] = True
        mask[0] = False
        told = np.zeros_like(mask)
        for window, least in self._spans:
            window.take(values, now)
            if not window.full:
                continue
            growth = window.growth()
            if level is not None:
                growth[:, 1:] += level
            whole = growth.sum(axis=1)
            here = ~told & (whole >= least)
            self.part[here], self.whole[here], self.span_s[here] = (
                growth[here, 1:],
                whole[here],
                window.span_s,
            )
            told |= here
        share = self.part / np.maximum(self.whole, 1)[:, None]
        limit = np.where(self.wrong, self._limits.low, self._limits.high)
        wrong: NDArray[np.bool_] = (share >= limit) & told[:, None]
        wrong |= self.wrong & (now - self._since < self._limits.hold_s)
        return wrong & mask[:, None]
