"""What was put right, and how often: told while it is news, an alarm where somebody takes it away again and again.

Two programs that undo each other's work at full speed would cost a core and fill every log. So what is contested is put
back at a steady pace and said once, until it has been left alone for a while.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

WINDOW_S = 60.0
"""So long a repair counts, and so long a contested thing has to stand before the alarm goes."""

TOLD = 3
"""So many repairs of one thing are told within `WINDOW_S`; one more, and it is contested.

A network manager that is restarted twice is not contesting anything.
"""

PACE_S = 0.9
"""How often what is contested is put back: at every look that is made once a second, at none of those in between."""


class Repairs:
    """The repairs of the last minute, by what was repaired. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._times: dict[Hashable, deque[float]] = {}
        self._contested: set[Hashable] = set()

    def due(self, thing: Hashable, now: float) -> bool:
        """Tell whether a thing may be put back now."""
        return thing not in self._contested or now - self._times[thing][-1] >= PACE_S

    def done(self, thing: Hashable, now: float) -> bool:
        """Note that a thing was put back; return whether that is worth telling."""
        times = self._times.setdefault(thing, deque(maxlen=TOLD + 1))
        times.append(now)
        if len(times) > TOLD and now - times[0] < WINDOW_S:
            self._contested.add(thing)
        return thing not in self._contested

    def contested(self, now: float) -> set[Hashable]:
        """Return what is taken away again and again; what has been left alone since is forgotten."""
        for thing in [thing for thing, times in self._times.items() if now - times[-1] >= WINDOW_S]:
            del self._times[thing]
            self._contested.discard(thing)
        return set(self._contested)
