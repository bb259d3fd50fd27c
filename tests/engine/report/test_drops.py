"""Servers most of whose frames are dropped: when it is told, of whom, and when it is over."""

from __future__ import annotations

import time

import pytest

from engine.datapath.contract import Counters, DropReason
from engine.report.drops import CURES, LIMITS, SPANS, DropWatch

SHORT_S, LONG_S = (int(span.span_s) for span in SPANS)
LOOP, NO_TARGET = DropReason.LOOP, DropReason.NO_TARGET


class Play:
    """Counters of a datapath, read once a second."""

    def __init__(self, served=(1,)):
        self.watch = DropWatch()
        self.counters = Counters()
        self.served = set(served)
        self.now = 1000.0
        self.raised = []
        self.over = []
        self.run(1)

    def run(self, seconds, *, forwarded=0, server=1, **dropped):
        """Let seconds pass with so many frames a second of a server; below one, one in so many seconds."""
        for _ in range(int(seconds)):
            self.now += 1
            self.counters = Counters(
                server_packets=self.counters.server_packets.copy(),
                server_dropped=self.counters.server_dropped.copy(),
            )
            self.counters.server_packets[server] += self.each(forwarded)
            for reason, rate in dropped.items():
                self.counters.server_dropped[server, DropReason[reason]] += self.each(rate)
            news = self.watch.look(self.counters, self.served, self.now)
            self.raised += news.raised
            self.over += [(reason, servers) for reason, servers in news.over.items()]

    def each(self, rate):
        if rate >= 1 or not rate:
            return int(rate)
        return int(self.now % round(1 / rate) == 0)


def test_a_server_that_loses_its_frames_is_named_with_reason_share_and_mend():
    play = Play()
    play.run(30, forwarded=100)
    play.run(15, LOOP=98, forwarded=2)
    (told,) = play.raised
    assert (told.severity, told.subject, told.servers, told.reason) == ("error", "server 1", (1,), LOOP)
    (now,) = play.watch.standing()
    assert now.message.startswith("server 1: 98% of the frames were dropped as loop (980 of 1000 in 10 s): ")
    assert LOOP.help in now.message
    assert CURES[LOOP] in now.message
    assert play.watch.about(1) == [now.message]
    assert play.watch.about(2) == []
    play.run(60, forwarded=100)
    assert play.over == [(LOOP, (1,))]
    assert play.watch.standing() == []


@pytest.mark.parametrize(
    ("why", "rates"),
    [
        ("a few drops beside traffic", {"forwarded": 100, "LOOP": 3}),
        ("a scanner at a busy server", {"forwarded": 100, "MALFORMED": 80}),
        ("a frame a minute", {"LOOP": 1 / 60}),
        ("nothing", {}),
    ],
)
def test_no_alarm_for(why, rates):
    play = Play()
    play.run(1200, **rates)
    assert play.raised == [], why


def test_a_server_with_little_traffic_is_judged_over_a_longer_time():
    play = Play()
    play.run(LONG_S + 20, NO_TARGET=1 / 10)
    (told,) = play.raised
    assert (
        "100% of the frames were dropped as no-target (30 of 30 in 300 s)" in play.watch.standing()[0].message
    )
    assert told.severity == "error"


def test_nothing_is_told_at_a_start_nor_of_what_was_counted_before_it():
    play = Play()
    play.counters.server_dropped[1, LOOP] = 10**9  # taken over from the engine before
    play.watch = DropWatch()
    play.run(SHORT_S - 1, LOOP=100)
    assert play.raised == []


def test_counters_that_begin_anew_raise_and_clear_nothing():
    play = Play()
    play.run(40, forwarded=100)
    play.counters.server_packets[1] = 0
    play.run(40, forwarded=100)
    assert play.raised == []


def test_a_backup_and_a_disabled_server_have_nothing_wrong():
    play = Play()
    play.run(20, LOOP=100)
    assert len(play.raised) == 1
    play.served = {2}
    play.run(1, LOOP=100)
    assert play.over == [(LOOP, (1,))]
    play.served = set()
    play.run(30, LOOP=100)
    assert len(play.raised) == 1
    play.served = {1}
    play.run(SHORT_S - 1, LOOP=100)
    assert len(play.raised) == 1  # as at a start
    play.run(5, LOOP=100)
    assert len(play.raised) == 2


@pytest.mark.parametrize("limit", [0.5, 0.25])
def test_a_share_that_hovers_about_a_limit_raises_no_storm_of_events(limit):
    play = Play()
    for _ in range(60):
        play.run(11, LOOP=limit * 100 + 4, forwarded=100 - limit * 100 - 4)
        play.run(11, LOOP=limit * 100 - 4, forwarded=100 - limit * 100 + 4)
    assert len(play.raised) <= 1
    assert len(play.over) <= 1


def test_an_alarm_stands_for_a_while_even_where_the_share_swings():
    play = Play()
    for _ in range(60):
        play.run(11, LOOP=100)
        play.run(11, forwarded=100)
    assert len(play.raised) <= 60 * 22 / LIMITS.hold_s


def test_many_servers_are_one_alarm_and_one_event_for_a_reason_and_cost_little():
    play = Play(range(1, 513))
    play.run(20)
    for _ in range(20):
        play.now += 1
        play.counters = Counters(server_dropped=play.counters.server_dropped.copy())
        play.counters.server_dropped[1:513, LOOP] += 10
        play.counters.server_dropped[1:513, NO_TARGET] += 1
        begin = time.process_time()
        news = play.watch.look(play.counters, play.served, play.now)
        play.watch.standing()
        took = time.process_time() - begin
        play.raised += news.raised
    assert took < 0.02
    (told,) = play.raised
    assert (told.subject, len(told.servers)) == ("512 servers", 512)
    assert told.message.startswith("server 1, server 2, server 3, and 509 more: 91% of the frames")


def test_what_senders_bring_about_is_a_warning():
    play = Play()
    play.run(20, MARTIAN=100)
    assert [told.severity for told in play.raised] == ["warning"]


def test_every_reason_has_its_mend():
    assert set(CURES) == set(DropReason)
