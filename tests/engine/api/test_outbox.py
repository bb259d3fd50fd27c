"""What waits for a console: in its order, bounded, and given up when nothing is taken."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from engine.api.codec import encode_frame
from engine.api.messages import EventFrame
from engine.api.outbox import MAX_EVENTS_WAITING, Outbox, StalledError
from tests.helpers.states import event


class Writer:
    """Takes what is written; while `blocked`, drain waits and `size` bytes stand in the buffer."""

    def __init__(self):
        self.transport = self
        self.written = []
        self.open = asyncio.Event()
        self.open.set()
        self.size = 0
        self.high = None
        self.aborted = False

    def set_write_buffer_limits(self, *, high):
        self.high = high

    def write(self, data):
        self.written.append(data)

    def get_write_buffer_size(self):
        return self.size

    async def drain(self):
        await self.open.wait()

    def abort(self):
        self.aborted = True


@pytest.fixture
async def writer():
    return Writer()


def offer(outbox, number):
    it = event(number)
    outbox.offer_event(it, encode_frame(EventFrame(event=it)))


def seen(writer):
    """Events as (id, gap), other frames as they are."""
    found = []
    for frame in writer.written:
        try:
            message = msgspec.msgpack.decode(frame[4:], type=EventFrame)
        except msgspec.MsgspecError:
            found.append(frame)
        else:
            found.append((message.event.id, message.gap))
    return found


async def run_dry(outbox):
    """Have everything written that waits."""
    running = asyncio.create_task(outbox.run())
    for _ in range(20):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_answers_go_first_then_events_then_the_latest_state(writer):
    outbox = Outbox(writer)
    assert writer.high == 0, "drain waits until the kernel has everything"
    outbox.offer_state(b"old")
    outbox.offer_state(b"new")
    offer(outbox, 1)
    offer(outbox, 2)
    answers = [asyncio.create_task(outbox.answer(text)) for text in (b"one", b"two")]
    await asyncio.sleep(0)
    await run_dry(outbox)
    assert seen(writer) == [b"one", b"two", (1, 0), (2, 0), b"new"]
    assert await asyncio.gather(*answers) == [None, None]


async def test_the_oldest_events_give_way_and_the_next_one_counts_them(writer):
    outbox = Outbox(writer, max_events=3)
    for number in range(1, 4):
        offer(outbox, number)
    await run_dry(outbox)
    assert seen(writer) == [(1, 0), (2, 0), (3, 0)]
    writer.written.clear()
    again = Outbox(writer, max_events=3)
    for number in range(1, 6):
        offer(again, number)
    await run_dry(again)
    assert seen(writer) == [(3, 2), (4, 0), (5, 0)]


async def test_1024_events_wait_and_not_one_more(writer):
    outbox = Outbox(writer)
    for number in range(1, MAX_EVENTS_WAITING + 2):
        offer(outbox, number)
    assert MAX_EVENTS_WAITING == 1024
    await run_dry(outbox)
    assert len(writer.written) <= 1024
    assert seen(writer)[0] == (2, 1)


async def test_an_event_offered_twice_is_sent_once_and_an_older_one_not_at_all(writer):
    outbox = Outbox(writer)
    for number in (5, 5, 4, 6):
        offer(outbox, number)
    await run_dry(outbox)
    assert seen(writer) == [(5, 0), (6, 0)]


async def test_what_is_forgotten_is_not_sent_and_may_be_offered_anew(writer):
    outbox = Outbox(writer, max_events=1)
    outbox.offer_state(b"state")
    offer(outbox, 5)
    offer(outbox, 6)
    outbox.forget_state()
    outbox.forget_events()
    offer(outbox, 2)
    await run_dry(outbox)
    assert seen(writer) == [(2, 0)]


async def test_an_answer_waits_until_the_kernel_has_it(writer):
    outbox = Outbox(writer)
    writer.open.clear()
    running = asyncio.create_task(outbox.run())
    answer = asyncio.create_task(outbox.answer(b"one"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert writer.written == [b"one"]
    assert not answer.done()
    writer.open.set()
    await asyncio.wait_for(answer, 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_when_it_ends_every_answer_ends_and_no_other_is_taken(writer):
    outbox = Outbox(writer)
    writer.open.clear()
    running = asyncio.create_task(outbox.run())
    answers = [asyncio.create_task(outbox.answer(text)) for text in (b"sending", b"waiting")]
    for _ in range(10):
        await asyncio.sleep(0)
    assert not writer.aborted
    running.cancel()
    ends = await asyncio.wait_for(asyncio.gather(running, *answers, return_exceptions=True), 1)
    assert [type(end) for end in ends[1:]] == [ConnectionResetError, ConnectionResetError]
    assert writer.aborted
    with pytest.raises(ConnectionResetError):
        await outbox.answer(b"late")


async def test_a_console_that_takes_nothing_is_given_up_after_the_stall_time(writer):
    outbox = Outbox(writer, stall_s=0.2)
    writer.open.clear()
    writer.size = 10
    outbox.offer_state(b"state")
    began = asyncio.get_running_loop().time()
    with pytest.raises(StalledError, match=r"took nothing for 0\.2 s"):
        await asyncio.wait_for(outbox.run(), 2)
    assert 0.19 <= asyncio.get_running_loop().time() - began < 0.6
    assert writer.aborted


async def test_a_byte_now_and_then_is_not_a_stall(writer):
    outbox = Outbox(writer, stall_s=0.2)
    writer.open.clear()
    writer.size = 100
    outbox.offer_state(b"state")
    running = asyncio.create_task(outbox.run())
    for _ in range(10):
        await asyncio.sleep(0.05)
        writer.size -= 1
    assert not running.done()
    writer.open.set()
    await asyncio.sleep(0.01)
    offer(outbox, 1)
    await asyncio.sleep(0.01)
    assert seen(writer) == [b"state", (1, 0)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_stopped_after_taking_some_has_the_whole_stall_time_again(writer):
    outbox = Outbox(writer, stall_s=0.3)
    writer.open.clear()
    writer.size = 100
    outbox.offer_state(b"state")
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0.2)
    writer.size = 50
    await asyncio.sleep(0.2)
    assert not running.done()
    with pytest.raises(StalledError):
        await asyncio.wait_for(running, 1)
