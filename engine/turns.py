"""When each duty has its next turn: as soon as it is due, and at rest no more often than that.

A turn begins what is due. What has to wait for something is a task of its own, which no turn waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.report.duties import Duty

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


class Every:
    """Due every `period_s` seconds; what is begun in one turn is due in one turn again, so that the engine wakes once."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._next = -math.inf

    def __call__(self, now: float) -> float:
        """Return when it is due next; at once at first."""
        return now if self._next == -math.inf else self._next

    def begun(self, now: float) -> None:
        """Note that it was begun in the turn of `now`."""
        self._next = now + self._period_s


class Rota:
    """Duties with what does them. `ended` is called when one that waited is over: another turn may be due."""

    def __init__(self) -> None:
        self.ended: Callable[[], None] = lambda: None
        self._entries: list[tuple[Duty, Callable[[float], Awaitable[None] | None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, duty: Duty, work: Callable[[float], Awaitable[None] | None]) -> None:
        """Have `work` called with the time of the turn where the duty is due; what is a coroutine may wait."""
        self._entries.append((duty, work))

    def turn(self, now: float) -> None:
        """Begin what is due. Nothing is waited for, and nothing is raised."""
        for duty, work in self._entries:
            if duty.next_due(now) > now:
                continue
            if isinstance(duty.due, Every):
                duty.due.begun(now)
            if not inspect.iscoroutinefunction(work):
                with duty.attempt():
                    work(now)
                continue
            task = asyncio.get_running_loop().create_task(self._do(duty, work, now), name=f"duty {duty.name}")
            self._tasks.add(task)
            task.add_done_callback(self._over)

    def next_due(self, now: float) -> float:
        """Return when something is due next, in monotonic seconds."""
        return min((duty.next_due(now) for duty, _ in self._entries), default=math.inf)

    async def stop(self) -> None:
        """End what is waited for."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @staticmethod
    async def _do(duty: Duty, work: Callable[[float], Awaitable[None] | None], now: float) -> None:
        with duty.attempt():
            waiting = work(now)
            if waiting is not None:
                await waiting

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.ended()
