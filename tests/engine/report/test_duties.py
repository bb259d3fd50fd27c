"""What is told of a duty: when it last succeeded, what it fails by, and that it waits."""

from __future__ import annotations

import math

import pytest

from engine.report.alarms import Alarms
from engine.report.duties import LATE_S, RETRY_S, Duties, Duty
from engine.report.events import EventLog


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def alarms():
    return Alarms(EventLog())


def said(alarms):
    return [(a.subject, a.message) for a in alarms]


def test_a_success_is_told_with_its_age_and_how_long_it_took(alarms, clock):
    duty = Duty("links", "follow links", alarms, clock=clock)
    assert duty.state(100).last_ok_s is None
    with duty.attempt():
        clock.now = 100.25
    with duty.attempt():
        clock.now = 100.3
    state = duty.state(103.3)
    assert (state.name, state.what, state.last_ok_s, state.longest_ms) == ("links", "follow links", 3, 250)
    assert (state.failures, state.fault, state.under_way_s) == (0, None, None)
    assert said(alarms) == []


def test_a_failure_goes_no_further_and_is_an_alarm_until_the_next_success(alarms, clock):
    duty = Duty("links", "follow links", alarms, due=lambda _: 0.0, clock=clock)
    with duty.attempt():
        raise RuntimeError("no such link")
    assert said(alarms) == [("links", "fault in the engine, forwarding goes on: RuntimeError: no such link")]
    assert (duty.state(100).failures, duty.state(100).fault) == (1, "RuntimeError: no such link")
    assert duty.next_due(100) == 100 + RETRY_S
    with duty.attempt():
        pass
    assert (said(alarms), duty.state(100).failures, duty.state(100).fault) == ([], 1, None)


def test_the_end_of_the_engine_goes_further(alarms, clock):
    duty = Duty("links", "follow links", alarms, clock=clock)
    with pytest.raises(KeyboardInterrupt), duty.attempt():
        raise KeyboardInterrupt
    assert not duty.under_way


def test_one_that_waits_for_too_long_is_an_alarm_until_it_is_over(alarms, clock):
    duty = Duty("links", "follow links", alarms, due=lambda _: 0.0, clock=clock)
    with duty.attempt():
        assert duty.next_due(200) == math.inf
        duty.watch(100 + LATE_S)
        assert said(alarms) == []
        duty.watch(100.1 + LATE_S)
        assert said(alarms) == [("links", "follow links: waits for too long; forwarding goes on")]
        assert duty.state(107).under_way_s == 7
    duty.due = lambda _: 101.0
    duty.watch(101)
    assert said(alarms) == []


def test_one_that_was_never_begun_is_late_from_the_start_on(alarms, clock):
    duty = Duty("records", "keep history", alarms, due=lambda _: -math.inf, clock=clock)
    duty.watch(clock.now + LATE_S)
    assert said(alarms) == []
    duty.watch(clock.now + LATE_S + 0.1)
    assert said(alarms) == [("records", "keep history: not done in time; forwarding goes on")]


def test_one_that_is_not_begun_is_an_alarm(alarms, clock):
    duties = Duties(alarms, clock)
    duties.add("links", "follow links", due=lambda _: 100.0)
    duties.add("notices", "follow at once")
    duties.add("late", "take its time", due=lambda _: 100.0, late_s=60)
    duties.watch(100.1 + LATE_S)
    assert said(alarms) == [("links", "follow links: not done in time; forwarding goes on")]
    assert [d.name for d in duties] == [d.name for d in duties.states(0)] == ["links", "notices", "late"]
