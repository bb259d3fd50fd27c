"""What waits to be written to one console: bounded, and never waited for by whoever puts it there.

A console that reads slowly, or not at all, costs one state, a bounded number of events and one answer; the engine's
loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from engine.api.codec import encode_frame
from engine.api.messages import EventFrame

if TYPE_CHECKING:
    from engine.api.messages import Event

MAX_EVENTS_WAITING = 1024
"""Events kept for a console that does not read; older ones are dropped and counted in the next one's `gap`."""

STALL_S = 30.0
"""A console that takes not one byte for so long, while something waits for it, is disconnected."""


class StalledError(Exception):
    """The console took nothing for `stall_s` seconds."""

    def __init__(self, stall_s: float) -> None:
        super().__init__(f"took nothing for {stall_s:g} s")


class Outbox:
    """Frames on their way to one console. `run` writes them: answers first, then events, then the latest state."""

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        *,
        stall_s: float = STALL_S,
        max_events: int = MAX_EVENTS_WAITING,
    ) -> None:
        self._writer = writer
        self._stall_s = stall_s
        self._max_events = max_events
        self._answers: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._events: deque[tuple[Event, bytes]] = deque()
        self._gap = 0
        self._last_event_id = 0
        self._state: bytes | None = None
        self._news = asyncio.Event()
        self._sending: asyncio.Future[None] | None = None
        self._ended = False
        self._kept_bytes = 0  # of answers and events that wait; a state is everybody's
        self._moved_at = time.monotonic()
        # With a high-water mark of 0 drain() returns when the kernel has everything, so that at most one frame
        # is in the transport's own buffer.
        writer.transport.set_write_buffer_limits(high=0)

    @property
    def waiting_bytes(self) -> int:
        """How much waits for this console alone."""
        return self._kept_bytes + self._writer.transport.get_write_buffer_size()

    @property
    def idle_s(self) -> float:
        """For how long the console has taken nothing of what waits; 0 where nothing does."""
        return time.monotonic() - self._moved_at if self.waiting_bytes else 0.0

    def end(self) -> None:
        """Disconnect the console at once."""
        self._writer.transport.abort()

    def offer_state(self, frame: bytes) -> None:
        """Replace the state that waits, if any, by this encoded frame."""
        self._state = frame
        self._news.set()

    def offer_event(self, event: Event, frame: bytes) -> None:
        """Add an event and its encoded frame (gap 0); one that was offered already is skipped."""
        if event.id <= self._last_event_id:
            return
        self._last_event_id = event.id
        if len(self._events) >= self._max_events:
            self._kept_bytes -= len(self._events.popleft()[1])
            self._gap += 1
        self._events.append((event, frame))
        self._kept_bytes += len(frame)
        self._news.set()

    def forget_state(self) -> None:
        """Drop the state that waits."""
        self._state = None

    def forget_events(self) -> None:
        """Drop the events that wait, and the memory of those sent."""
        self._kept_bytes -= sum(len(frame) for _, frame in self._events)
        self._events.clear()
        self._gap = 0
        self._last_event_id = 0

    async def answer(self, frame: bytes) -> None:
        """Put an answer first in the row, and wait until the kernel has it. Raises ConnectionResetError."""
        if self._ended:
            raise ConnectionResetError
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers.append((frame, sent))
        self._kept_bytes += len(frame)
        self._news.set()
        await sent

    async def run(self) -> None:
        """Write until cancelled, or until the console goes (OSError) or stalls (StalledError)."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while (item := self._next()) is not None:
                    frame, self._sending = item
                    self._writer.write(frame)
                    await self._flush()
                    if self._sending is not None and not self._sending.done():
                        self._sending.set_result(None)
        finally:
            self._ended = True
            for sent in (self._sending, *(sent for _, sent in self._answers)):
                if sent is not None and not sent.done():
                    sent.set_exception(ConnectionResetError())
            # The reader of this console sees the end of the stream, and ends the conversation.
            self._writer.transport.abort()

    def _next(self) -> tuple[bytes, asyncio.Future[None] | None] | None:
        if self._answers:
            self._kept_bytes -= len(self._answers[0][0])
            return self._answers.popleft()
        if self._events:
            event, frame = self._events.popleft()
            self._kept_bytes -= len(frame)
            if self._gap:
                frame = encode_frame(EventFrame(event=event, gap=self._gap))
                self._gap = 0
            return frame, None
        if self._state is not None:
            frame, self._state = self._state, None
            return frame, None
        return None

    async def _flush(self) -> None:
        transport = self._writer.transport
        left = transport.get_write_buffer_size()
        self._moved_at = time.monotonic()
        step_s = self._stall_s / 10
        idle_s = 0.0
        while idle_s < self._stall_s:
            try:
                async with asyncio.timeout(step_s):
                    await self._writer.drain()
            except TimeoutError:
                size = transport.get_write_buffer_size()
                if size != left:
                    self._moved_at = time.monotonic()
                idle_s = idle_s + step_s if size == left else 0.0
                left = size
            else:
                return
        raise StalledError(self._stall_s)
