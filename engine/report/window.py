"""How much counters have grown over a sliding time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Window:
    """Readings of an array of counters over the last `span_s` seconds, one kept in `step_s`.

    Counters that have fallen begin anew (workers that were replaced, an engine that took others' over), and so do the readings.
    """

    span_s: float
    step_s: float
    _kept: deque[tuple[float, NDArray[Any]]] = field(default_factory=deque)
    _last: tuple[float, NDArray[Any]] | None = None

    def take(self, values: NDArray[Any], now: float) -> None:
        """Take a reading; the array must not change afterwards."""
        if self._last is not None and (values < self._last[1]).any():
            self.clear()
        self._last = (now, values)
        if not self._kept or now - self._kept[-1][0] >= self.step_s:
            self._kept.append(self._last)
        while len(self._kept) > 1 and now - self._kept[1][0] >= self.span_s:
            self._kept.popleft()

    def clear(self) -> None:
        """Forget every reading."""
        self._kept.clear()
        self._last = None

    @property
    def full(self) -> bool:
        """Whether the readings reach back over the whole time."""
        return self._last is not None and self._last[0] - self._kept[0][0] >= self.span_s

    def growth(self) -> NDArray[Any]:
        """Return how much the counters have grown; there must be a reading."""
        assert self._last is not None  # noqa: S101 - for the type checker: callers look at `full`
        grown: NDArray[Any] = self._last[1] - self._kept[0][1]
        return grown
