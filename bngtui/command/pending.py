"""What the prompt shows of a change under trial: told by the engine, counted down here."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Self

from bngtui.engine_socket import Access
from engine.api.client import EngineUnreachable, RequestError
from engine.api.messages import EventFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.engine_socket import EngineSocket
    from engine.api.client import Client
    from engine.api.messages import RunningConfig

_AGAIN_S = 2.0  # between attempts to reach an engine that is away


class Watcher:
    """Follows the engine in a thread of its own, so that another operator's change shows at a prompt that waits.

    `changed` is called from that thread. A context manager; leaving it ends the thread.
    """

    def __init__(self, engine: EngineSocket, changed: Callable[[], None]) -> None:
        self._engine = engine
        self._changed = changed
        self._deadline: float | None = None  # monotonic
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._known = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bngctl-pending", daemon=True)

    def left_s(self, now: float) -> float | None:
        """Return the seconds left to confirm in, at the monotonic time `now`; None: no change is under trial."""
        deadline = self._deadline
        return None if deadline is None or deadline <= now else deadline - now

    def settle(self, timeout_s: float) -> None:
        """Wait for the first answer, so that the first prompt is right already."""
        self._known.wait(timeout_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(1.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._follow(), name="pending")
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(EngineUnreachable, RequestError):
                await self._listen()
            self._set(None)
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self) -> None:
        async with await self._engine.open(Access.LOOK) as client:
            # Subscribed first: what changes while we ask is told again.
            await client.request("subscribe", state=False, events=True)
            await self._ask(client)
            async for frame in client.frames():
                if isinstance(frame, EventFrame) and (frame.event.kind == "config" or frame.gap):
                    await self._ask(client)

    async def _ask(self, client: Client) -> None:
        running: RunningConfig = await client.request("running")
        self._set(None if running.pending is None else time.monotonic() + running.pending.seconds_left)

    def _set(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._known.set()
        self._changed()
