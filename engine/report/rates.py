"""Packets and bits a second, from counters and the monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.contract import Counters


def _zeros(rows: int) -> NDArray[np.float64]:
    return np.zeros(rows, np.float64)


@dataclass
class Rates:
    """Rates between the last two readings; zero until there are two."""

    target_pps: NDArray[np.float64] = field(default_factory=lambda: _zeros(TARGET_ROWS))
    target_bps: NDArray[np.float64] = field(default_factory=lambda: _zeros(TARGET_ROWS))
    server_pps: NDArray[np.float64] = field(default_factory=lambda: _zeros(SERVER_ROWS))
    server_bps: NDArray[np.float64] = field(default_factory=lambda: _zeros(SERVER_ROWS))
    received_pps: float = 0.0
    forwarded_pps: float = 0.0
    dropped_pps: float = 0.0
    _last: Counters | None = None
    _last_at: float = 0.0

    def update(self, counters: Counters, now: float) -> None:
        """Take a reading at `now`, monotonic seconds."""
        last, seconds = self._last, now - self._last_at
        self._last, self._last_at = counters, now
        if last is None or seconds <= 0:
            return
        self.target_pps = (counters.target_packets - last.target_packets) / seconds
        self.target_bps = (counters.target_bytes - last.target_bytes) * 8 / seconds
        self.server_pps = (counters.server_packets - last.server_packets) / seconds
        self.server_bps = (counters.server_bytes - last.server_bytes) * 8 / seconds
        self.received_pps = (counters.received - last.received) / seconds
        self.forwarded_pps = (counters.forwarded - last.forwarded) / seconds
        dropped = int(counters.dropped.sum()) + counters.ring_lost
        before = int(last.dropped.sum()) + last.ring_lost
        self.dropped_pps = (dropped - before) / seconds
