"""What the clients of one role may cost together: time of the loop, and memory for what they send and do not take."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.api.messages import Role

MONITORS_SHARE = 0.2
"""Of the loop's time, for the requests of all monitors together; operators have as much as they ask for."""

BURST_S = 0.1
"""Time that may be spent at once: some dozens of requests."""

CROWDED = 4
"""How much longer a block may count than the processor worked on it."""

BYTES_S = 2.5e-9
"""Time of the loop that a byte of a request takes before it is a request."""

SMALL_BYTES = 64 * 1024
"""A frame up to this size needs no leave: 64 clients have 4 MiB of them."""

INCOMING_BYTES: dict[Role, int] = {"monitor": 12 * 1024 * 1024, "operator": 64 * 1024 * 1024}
"""For larger frames of all clients of a role together, from their announcement to their answer."""

OUTGOING_BYTES: dict[Role, int] = {"monitor": 24 * 1024 * 1024, "operator": 128 * 1024 * 1024}
"""For what waits for all clients of a role; over it the one that has taken nothing for longest is disconnected."""


class Share:
    """A share of the loop's time for whoever passes by, in the order in which they come."""

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`share`: of one second each second; 1 or more: no limit."""
        self._share = share
        self._clock = clock
        self._owing_s = 0.0
        self._at = clock()
        self._turn = asyncio.Lock()

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time of the block, in which nothing is waited for.

        On a host that is busy with other things the loop has less time, too: then a block counts for longer.
        """
        begin, worked = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            worked = time.thread_time() - worked
            self.spend(min(time.perf_counter() - begin, CROWDED * worked))

    def spend(self, seconds: float) -> None:
        """Count time that was spent."""
        self._settle()
        self._owing_s += seconds

    async def turn(self) -> None:
        """Wait until there is time left to spend."""
        if self._share >= 1:
            return
        async with self._turn:
            self._settle()
            if self._owing_s > BURST_S:
                await asyncio.sleep((self._owing_s - BURST_S) / self._share)

    def _settle(self) -> None:
        now = self._clock()
        self._owing_s = max(0.0, self._owing_s - (now - self._at) * self._share)
        self._at = now


class Budget:
    """Bytes that may be had at a time. Whoever wants more than are left waits, in the order in which they come."""

    def __init__(self, size: int) -> None:
        self.left = size
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    async def take(self, size: int) -> None:
        """Wait until `size` bytes are left, and take them. A small frame is let through at once."""
        if size <= SMALL_BYTES:
            return
        async with self._turn:
            while self.left < size:
                self._freed.clear()
                await self._freed.wait()
            self.left -= size

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        if size > SMALL_BYTES:
            self.left += size
            self._freed.set()


class Costs:
    """What the consoles of one role cost together, and how often they were refused, by the code of the error."""

    def __init__(self, role: Role) -> None:
        self.share = Share(MONITORS_SHARE if role == "monitor" else 1.0)
        self.incoming = Budget(INCOMING_BYTES[role])
        self.requests = 0
        self.refused: Counter[str] = Counter()
        self.disconnected = 0
