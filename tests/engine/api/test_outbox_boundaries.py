"""One console's outbox by itself: what waits, what is dropped, and what an end means for those who wait."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from engine.api.codec import encode_frame
from engine.api.messages import EventFrame
from engine.api.outbox import Outbox, StalledError
from tests.helpers import states


class Writer:
    """A StreamWriter that keeps what is written."""

    def __init__(self):
        self.transport = self
        self.frames = []
        self.aborted = False

    def set_write_buffer_limits(self, *, high):
        assert high == 0

    def get_write_buffer_size(self):
        return 0

    def write(self, frame):
        self.frames.append(frame)

    async def drain(self):
        return

    def abort(self):
        self.aborted = True


@pytest.fixture
def writer():
    return Writer()


def offer(outbox, *numbers):
    for number in numbers:
        event = states.event(number)
        outbox.offer_event(event, encode_frame(EventFrame(event=event)))


async def written(outbox, writer):
    """What `run` writes of that which waits: (number, gap) of events."""
    pump = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pump.cancel()
    await asyncio.gather(pump, return_exceptions=True)
    frames = [msgspec.msgpack.decode(frame[4:]) for frame in writer.frames]
    return [(frame["event"]["id"], frame.get("gap", 0)) for frame in frames]


async def test_events_wait_up_to_the_limit_and_no_further(writer):
    outbox = Outbox(writer, max_events=3)
    offer(outbox, 1, 2, 3)
    assert await written(outbox, writer) == [(1, 0), (2, 0), (3, 0)]


async def test_the_first_event_after_a_gap_says_how_many_are_missing_and_the_next_does_not(writer):
    outbox = Outbox(writer, max_events=3)
    offer(outbox, 1, 2, 3, 4, 5)
    assert await written(outbox, writer) == [(3, 2), (4, 0), (5, 0)]


async def test_an_event_is_sent_once_until_it_is_forgotten(writer):
    outbox = Outbox(writer)
    offer(outbox, 2, 2, 1, 3)
    outbox.forget_events()
    offer(outbox, 1, 1, 2)
    assert await written(outbox, writer) == [(1, 0), (2, 0)]


async def test_forgetting_forgets_the_gap_too(writer):
    outbox = Outbox(writer, max_events=1)
    offer(outbox, 1, 2, 3)
    outbox.forget_events()
    offer(outbox, 4)
    assert await written(outbox, writer) == [(4, 0)]


async def test_after_the_end_no_answer_is_taken(writer):
    outbox = Outbox(writer)
    assert await written(outbox, writer) == []
    assert writer.aborted
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(outbox.answer(b"answer"), 5)
    assert writer.frames == []


async def test_a_console_that_takes_nothing_is_waited_for_ten_tenths_of_the_stall_time(writer):
    waited = []

    async def drain():
        waited.append(None)
        raise TimeoutError

    writer.drain = drain
    outbox = Outbox(writer, stall_s=30)
    outbox.offer_state(b"state")
    with pytest.raises(StalledError, match="took nothing for 30 s"):
        await outbox.run()
    assert len(waited) == 10
