"""How long the engine sleeps between the turns of its modules."""

import asyncio
import math
import time

import pytest

from engine.turns import TURN_S, Turns


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
