"""When the modules have their next turn: as soon as something is due, and at rest no more often than that."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_S = 0.02
"""The shortest time between two turns: what becomes due meanwhile is done in one go, a dozen probes where 1,024 targets
are checked every 3 s. A turn costs up to 0.2 ms, so all of them together take 1 % of a core."""


class Turns:
    """Sleeps between turns. `next_due(now)` returns monotonic seconds, or infinity where nothing waits for time."""

    def __init__(
        self, next_due: Callable[[float], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._next_due = next_due
        self._clock = clock
        self._earliest = -math.inf
        self._until = -math.inf
        self._woken = asyncio.Event()
        self.stopped = False

    async def sleep(self, begun: float, latest: float) -> None:
        """Return when the next turn is due, at `latest` at the latest; `begun` is when the last one began."""
        self._earliest = begun + TURN_S
        while not self.stopped:
            now = self._clock()
            self._until = max(self._earliest, min(self._next_due(now), latest))
            if now >= self._until:
                break
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._until - now)
        self._until = -math.inf  # a turn is under way, and looks for itself what is due after it

    def look_again(self) -> None:
        """Sleep less where something is due earlier now: a frame or an answer has come, or an operator has spoken."""
        if max(self._earliest, self._next_due(self._clock())) < self._until:
            self._woken.set()

    def stop(self) -> None:
        """End the sleep, for good."""
        self.stopped = True
        self._woken.set()
