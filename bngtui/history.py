"""Packet rates of the last minutes, kept by the console: the engine publishes only the present."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from engine.api.messages import State

KEEP = 180
"""Readings kept: three minutes at one a second, more than the widest column shows."""

MISSED_FACTOR = 2.5
"""A reading this many intervals late leaves a hole; less is the engine's and the network's jitter."""


class History:
    """Series of packet rates by key, on the engine's clock, with holes where nothing was read."""

    def __init__(self, interval_s: float = 1.0) -> None:
        self.interval_s = interval_s
        self._series: dict[Hashable, deque[float | None]] = {}
        self._last_s: float | None = None

    def clear(self) -> None:
        """Forget everything: the engine was restarted."""
        self._series.clear()
        self._last_s = None

    def copy(self) -> History:
        """Return the series as they are now, for a picture that stands still."""
        still = History(self.interval_s)
        still._series = {key: deque(series) for key, series in self._series.items()}
        return still

    def take(self, state: State) -> None:
        """Add a reading; one that comes within half an interval of the last one is not a new one."""
        now_s = state.uptime_s
        missed = 0
        if self._last_s is not None:
            passed = now_s - self._last_s
            if passed < self.interval_s / 2:
                return
            if passed > self.interval_s * MISSED_FACTOR:
                missed = min(KEEP, round(passed / self.interval_s) - 1)
        self._last_s = now_s
        rates: dict[Hashable, float] = {("target", t.number): t.pps for t in state.targets}
        rates.update({("server", s.number): s.pps for s in state.servers})
        self._series = {key: self._series.get(key) or deque(maxlen=KEEP) for key in rates}
        for key, rate in rates.items():
            self._series[key].extend([None] * missed)
            self._series[key].append(rate)

    def of(self, what: str, number: int) -> list[float | None]:
        """Return the series of a "target" or "server", oldest first; empty where nothing was read."""
        return list(self._series.get((what, number), ()))
