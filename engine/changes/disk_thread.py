"""What may wait for a disk, done in a thread of its own: a disk that hangs holds up neither the loop nor the engine's end.

Threads of `asyncio.to_thread` are joined at the end of the process; a write to a file server that is away would keep it
for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


PATIENCE_S = 3.0
"""How long a change waits for a disk; one that takes longer is away, not busy."""


class DiskThread:
    """Does one thing after the other, in the order in which they were asked for."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._jobs: deque[tuple[partial[Any], asyncio.Future[Any]]] = deque()
        self._lock = threading.Lock()
        self._running = False

    async def do(self, call: Callable[P, R], *args: P.args, **more: P.kwargs) -> R:
        """Call it in the thread and return what it returns; raises what it raises.

        Raises OSError (ETIMEDOUT) where the disk does not answer in time. What has not begun then does not begin any
        more; what has, may be done yet, and what is asked for after it is done after it.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._ask(partial(call, *args, **more))
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, "the disk does not answer") from None

    async def _ask(self, job: partial[R]) -> R:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._jobs.append((job, future))
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, name="disk", daemon=True).start()
        return await future

    async def drain(self, timeout_s: float) -> bool:
        """Wait until everything is done that was asked for; False where the disk takes longer than `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ask(partial(int))
        except TimeoutError:
            return False
        return True

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._running = False
                    return
                job, future = self._jobs.popleft()
            if future.done():  # whoever asked has given up
                continue
            try:
                result, error = job(), None
            except BaseException as raised:  # noqa: BLE001 - for whoever asked
                result, error = None, raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(_tell, future, result, error)


def _tell(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
