"""States that fit a frame, and what is left of those that do not."""

from __future__ import annotations

import logging

import msgspec
import pytest

from engine.api import state_frames
from engine.api.messages import CheckState, StateFrame
from engine.api.state_frames import CHECKS_KEPT, StateFrames, fitting, trimmed
from tests.helpers.states import state, target


def check(number, health):
    return CheckState(
        kind="vip", port=number, state=health, last_ok_s=None, rtt_ms=None, error=None, address="172.16.1.10"
    )


def with_checks(*counts):
    return state(
        targets=[target(n, checks=[check(i, "up") for i in range(c)]) for n, c in enumerate(counts, 1)]
    )


def test_failing_checks_are_kept_first_in_their_order_and_an_alarm_says_so():
    states = ["up", "down", "up", "unknown", *["up"] * 10, "down"]
    full = state(targets=[target(1, checks=[check(i, s) for i, s in enumerate(states)]), target(2)])
    cut = trimmed(full)
    assert [(c.port, c.state) for c in cut.targets[0].checks] == [
        (1, "down"),
        (3, "unknown"),
        (14, "down"),
        (0, "up"),
        (2, "up"),
        (4, "up"),
        (5, "up"),
        (6, "up"),
    ]
    assert CHECKS_KEPT == 8
    assert cut.targets[1] == full.targets[1]
    assert cut.alarms[:-1] == full.alarms
    assert cut.alarms[-1].severity == "warning"
    assert len(full.targets[0].checks) == 15, "the state itself stays as it is"


def test_a_state_with_few_checks_is_not_even_measured(monkeypatch):
    monkeypatch.setattr(state_frames, "_CHECKS_THAT_FIT", 10)
    monkeypatch.setattr(state_frames, "MAX_FRAME_BYTES", 100)
    few, many = with_checks(4, 5), with_checks(5, 5)
    assert fitting(few) is few
    assert fitting(many) is not many


@pytest.mark.parametrize(("spare", "fits"), [(64, False), (65, True)])
def test_an_answer_has_room_for_what_stands_around_the_state(monkeypatch, spare, fits):
    monkeypatch.setattr(state_frames, "_CHECKS_THAT_FIT", 0)
    whole = with_checks(20)
    monkeypatch.setattr(state_frames, "MAX_FRAME_BYTES", len(msgspec.msgpack.encode(whole)) + spare)
    assert (fitting(whole) is whole) is fits


def test_a_state_that_fits_is_sent_as_it_is(caplog):
    whole = with_checks(20)
    frame = StateFrames().frame(whole)
    assert msgspec.msgpack.decode(frame[4:], type=StateFrame).state == whole
    assert caplog.text == ""


def test_one_that_does_not_fit_is_trimmed_and_the_log_says_it_once(monkeypatch, caplog):
    caplog.set_level(logging.WARNING, logger="engine.api")
    whole = with_checks(400)
    size = len(msgspec.msgpack.encode(trimmed(whole))) + 100
    monkeypatch.setattr("engine.api.codec.MAX_FRAME_BYTES", size)
    frames = StateFrames()
    for _ in range(2):
        sent = msgspec.msgpack.decode(frames.frame(whole)[4:], type=StateFrame).state
        assert sent == trimmed(whole)
    assert caplog.text.count("consoles see part of every target's checks") == 1
    monkeypatch.setattr("engine.api.codec.MAX_FRAME_BYTES", 100)
    assert frames.frame(whole) is None
