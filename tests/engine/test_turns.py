"""How long the engine sleeps between the turns of its modules."""

import asyncio
import math
import time

import pytest

from engine.report.alarms import Alarms
from engine.report.duties import Duties
from engine.report.events import EventLog
from engine.turns import TURN_S, Every, Rota, Turns


class Due:
    at = math.inf

    def __call__(self, _now):
        return self.at


@pytest.fixture
def due():
    return Due()


async def took(sleeping):
    begun = time.monotonic()
    await asyncio.wait_for(sleeping, 5)
    return time.monotonic() - begun


async def test_it_sleeps_until_something_is_due(due):
    now = time.monotonic()
    due.at = now + 0.1
    assert 0.09 <= await took(Turns(due).sleep(now, now + 1)) < 0.5


async def test_it_never_sleeps_longer_than_it_may(due):
    now = time.monotonic()
    assert 0.09 <= await took(Turns(due).sleep(now, now + 0.1)) < 0.5


async def test_two_turns_are_some_time_apart_however_much_is_due(due):
    due.at = -math.inf
    now = time.monotonic()
    assert TURN_S * 0.9 <= await took(Turns(due).sleep(now, now + 1)) < 0.5
    assert await took(Turns(due).sleep(now - 1, now + 1)) < 0.01


async def test_what_is_due_earlier_now_shortens_the_sleep_and_what_is_not_does_not(due):
    turns = Turns(due)
    now = time.monotonic()
    due.at = now + 0.2
    sleeping = asyncio.create_task(turns.sleep(now, now + 3))
    await asyncio.sleep(0.01)
    due.at = now + 0.3
    turns.look_again()
    assert not turns._woken.is_set()
    due.at = now + 0.1
    turns.look_again()
    assert turns._woken.is_set()
    await asyncio.wait_for(sleeping, 1)
    assert 0.09 <= time.monotonic() - now < 0.19


async def test_during_a_turn_nobody_is_woken(due):
    turns = Turns(due)
    due.at = 0.0
    turns.look_again()
    assert not turns._woken.is_set()


async def test_stopping_ends_the_sleep_for_good(due):
    turns = Turns(due)
    assert not turns.stopped
    sleeping = asyncio.create_task(turns.sleep(time.monotonic(), time.monotonic() + 60))
    await asyncio.sleep(0.01)
    turns.stop()
    await asyncio.wait_for(sleeping, 1)
    assert turns.stopped
    assert await took(turns.sleep(time.monotonic(), time.monotonic() + 60)) < 0.1


# -- duties


@pytest.fixture
def duties():
    return Duties(Alarms(EventLog()))


@pytest.fixture
def rota():
    return Rota()


def test_what_is_due_every_second_keeps_its_second():
    every = Every(1.0)
    assert every(100.0) == 100.0
    every.begun(100.0)
    assert every(100.5) == every(101.0) == 101.0
    every.begun(101.02)
    assert every(101.1) == 102.02


async def test_a_duty_has_its_turn_when_it_is_due_and_not_before(duties, rota):
    did = []
    rota.add(duties.add("a", "", due=Every(1.0)), did.append)
    rota.add(duties.add("b", "", due=lambda _: 12.0), lambda now: did.append(-now))
    for now in (10.0, 10.5, 11.0, 12.0):
        rota.turn(now)
    assert did == [10.0, 11.0, 12.0, -12.0]
    assert rota.next_due(12.0) == 12.0


async def test_one_that_raises_keeps_none_of_the_others_and_is_tried_again(duties, rota):
    did = []

    def fail(_now):
        did.append("fail")
        raise RuntimeError("broken")

    async def fail_later(_now):
        raise OSError(5, "Input/output error")

    rota.add(duties.add("bad", "", due=Every(1.0)), fail)
    rota.add(duties.add("later", "", due=Every(1.0)), fail_later)
    rota.add(duties.add("good", "", due=Every(1.0)), lambda _: did.append("good"))
    now = time.monotonic()
    rota.turn(now)
    await asyncio.sleep(0.01)
    rota.turn(now + 0.5)
    assert did == ["fail", "good"]
    rota.turn(now + 1.5)
    assert did == ["fail", "good", "fail", "good"]
    assert [(d.name, d.failures, d.fault) for d in duties.states(now + 2)] == [
        ("bad", 2, "RuntimeError: broken"),
        ("later", 1, "OSError: [Errno 5] Input/output error"),
        ("good", 0, None),
    ]
    await rota.stop()


async def test_one_that_waits_keeps_none_of_the_others_and_is_not_begun_twice(duties, rota):
    begun, done, ended = [], asyncio.Event(), []
    rota.ended = lambda: ended.append(1)

    async def wait(now):
        begun.append(now)
        await done.wait()

    did = []
    rota.add(duties.add("slow", "", due=Every(1.0)), wait)
    rota.add(duties.add("good", "", due=Every(1.0)), did.append)
    now = time.monotonic()
    for second in range(4):
        rota.turn(now + second)
        await asyncio.sleep(0.01)
    assert (len(begun), len(did)) == (1, 4)
    assert duties.states(now + 4)[0].under_way_s == pytest.approx(4, abs=0.3)
    assert rota.next_due(now + 3) == pytest.approx(now + 4)
    done.set()
    await asyncio.sleep(0.01)
    assert ended == [1]
    rota.turn(now + 4)
    await asyncio.sleep(0.01)
    assert len(begun) == 2
    await rota.stop()


async def test_stopping_ends_what_waits(duties, rota):
    over = []

    async def wait(_now):
        try:
            await asyncio.sleep(60)
        finally:
            over.append(1)

    rota.add(duties.add("slow", "", due=Every(1.0)), wait)
    rota.turn(0.0)
    await asyncio.sleep(0.01)
    await rota.stop()
    assert over == [1]
