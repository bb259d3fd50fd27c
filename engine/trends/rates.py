"""Packets and bits a second, from counters and the monotonic clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.datapath.contract import Counters
from engine.datapath.declare import Counter, declared

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RUNNING = {name: one for name, one in declared(Counters, Counter).items() if not one.now}
"""Counters that only grow, and so have a rate."""

BITS = 8


class Rates:
    """Rates between the last two readings; zero until there are two."""

    def __init__(self) -> None:
        self._per_s: dict[str, Any] = {name: one.zero() * 1.0 for name, one in _RUNNING.items()}
        self._last: Counters | None = None
        self._last_at = 0.0

    def update(self, counters: Counters, now: float) -> None:
        """Take a reading at `now`, monotonic seconds."""
        last, seconds = self._last, now - self._last_at
        self._last, self._last_at = counters, now
        if last is None or seconds <= 0:
            return
        self._per_s = {
            name: (getattr(counters, name) - getattr(last, name)) / seconds for name in self._per_s
        }

    def scalar(self, name: str) -> float:
        """Return how much a counter that is one number grew in a second."""
        return float(self._per_s[name])

    def array(self, name: str) -> NDArray[Any]:
        """Return how much a counter that is an array grew in a second, by its rows."""
        rates: NDArray[Any] = self._per_s[name]
        return rates

    def target(self, number: int) -> tuple[float, float]:
        """Packets and bits a second to a target."""
        return float(self.array("target_packets")[number]), float(self.array("target_bytes")[number]) * BITS

    def server(self, number: int) -> tuple[float, float]:
        """Packets and bits a second for a server."""
        return float(self.array("server_packets")[number]), float(self.array("server_bytes")[number]) * BITS

    @property
    def lost_pps(self) -> float:
        """Frames dropped in a second, those that found no room in the ring included."""
        return float(self.array("dropped").sum()) + self.scalar("ring_lost")
