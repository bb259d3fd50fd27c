"""The guard of every dialog against keys that were not meant for it."""

from __future__ import annotations

import pytest

from bngtui.dialogs.dialog import GUARD_S, Guard


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_what_comes_too_soon_is_no_answer(clock):
    guard = Guard(("d",), clock=clock)
    assert guard.passes("y") is False
    clock.now += GUARD_S - 0.01
    assert guard.passes("y") is False
    clock.now = 100.0 + GUARD_S
    assert guard.passes("y") is True


def test_the_key_that_opened_never_answers_and_begins_the_pause_again(clock):
    guard = Guard(("d", "D"), clock=clock)
    for key in ("d", "D"):
        clock.now += GUARD_S
        assert guard.passes("y") is True
        assert guard.passes(key) is False
        assert guard.passes("y") is False
    clock.now += GUARD_S
    assert guard.passes("y") is True


def test_the_pause_is_shorter_than_a_second_thought_and_longer_than_a_repeat():
    assert 0.05 < GUARD_S < 0.5
