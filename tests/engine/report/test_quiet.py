"""Interfaces that were busy and hear nothing any more."""

from __future__ import annotations

import pytest

from engine.report.quiet import BUSY_S, GAP_S, QUIET_S, QuietWatch


class Play:
    def __init__(self):
        self.watch, self.now, self.count, self.news = QuietWatch(), 0.0, 0, []
        self.able = True

    def run(self, seconds, every=0.0):
        """Let seconds pass, with a frame in so many of them (0: none)."""
        for _ in range(int(seconds)):
            self.now += 1
            self.count += bool(every) and self.now % every == 0
            found = self.watch.look({1: self.count} if self.able else {}, self.now)
            self.news += [(self.now, quiet) for _, quiet in found.items()]


def test_a_busy_interface_that_falls_silent_is_told_once_and_so_is_its_end():
    play = Play()
    play.run(BUSY_S + 5, every=1)
    since = play.now
    play.run(300)
    assert play.news == [(since + QUIET_S, True)]
    play.run(300, every=5)
    assert [quiet for _, quiet in play.news] == [True, False]


@pytest.mark.parametrize("every", [GAP_S + 1, 60])
def test_an_interface_with_gaps_is_not_busy(every):
    play = Play()
    play.run(3000, every=every)
    play.run(3000)
    assert play.news == []


def test_traffic_that_dwindles_at_night_raises_nothing():
    play = Play()
    play.run(3600, every=1)
    for every in range(1, 120):
        play.run(120, every=every)
    play.run(6 * 3600)
    assert play.news == []


def test_an_interface_that_has_just_begun_is_not_busy():
    play = Play()
    play.run(BUSY_S - 30, every=1)
    play.run(1000)
    assert play.news == []


def test_a_link_that_is_off_or_a_node_that_does_not_serve_is_not_judged_and_takes_the_alarm_back():
    play = Play()
    play.run(BUSY_S + 5, every=1)
    play.able = False
    play.run(300)
    assert play.news == []
    play.able = True
    play.run(300)
    assert play.news == []
    play.run(BUSY_S + 5, every=1)
    play.run(QUIET_S + 5)
    assert [quiet for _, quiet in play.news] == [True]
    play.able = False
    play.run(1)
    assert [quiet for _, quiet in play.news] == [True, False]


def test_it_takes_as_long_again_to_be_busy_again():
    play = Play()
    play.run(BUSY_S + 5, every=1)
    for _ in range(20):
        play.run(QUIET_S + 5)
        play.run(20, every=1)
    assert [quiet for _, quiet in play.news] == [True, False]


def test_counters_that_begin_anew_are_no_silence():
    play = Play()
    play.run(BUSY_S + 5, every=1)
    play.count = 0
    play.run(1000)
    assert play.news == []
