"""Targets whose flows never open: whom it is told of, and when it is a flood that all of them share."""

from __future__ import annotations

import pytest

from engine.datapath.contract import Counters
from engine.report.unopened import SPANS, UnopenedWatch

MINUTE, TEN = (int(span.span_s) for span in SPANS)


class Play:
    """Counters of a datapath, read once a second; `rates` are (opened, unanswered) flows a second by target."""

    def __init__(self, targets_of=None):
        self.watch = UnopenedWatch()
        self.targets_of = {1: (1, 2)} if targets_of is None else targets_of
        self.now, self.begun, self.over, self.sums = 1000.0, [], [], {}

    def run(self, seconds, rates, half_open=lambda _: {}):
        """Let seconds pass; `half_open` says how many flows are so by target, of the second."""
        for _ in range(int(seconds)):
            self.now += 1
            counters = Counters()
            for target, both in rates.items():
                had = self.sums.setdefault(target, [0.0, 0.0])
                had[0] += both[0]
                had[1] += both[1]
            for target, (opened, unanswered) in self.sums.items():
                counters.target_opened[target] = int(opened)
                counters.target_unanswered[target] = int(unanswered)
            for target, count in half_open(self.now).items():
                counters.target_half_open[target] = count
            begun, over = self.watch.look(counters, self.targets_of, self.now)
            self.begun += begun
            self.over += over


def test_a_target_without_a_way_back_is_named():
    play = Play()
    play.run(90, {1: (2, 0), 2: (2, 0)})
    play.run(90, {1: (2, 0), 2: (0, 2)})
    assert [told.subject for told in play.begun] == ["target 2"]
    (told,) = play.watch.standing()
    assert told.message.startswith("in the last minute ")
    assert "of target 2 never got beyond SYN" in told.message
    assert "its default route, its firewall?" in told.message
    assert "flood" not in told.message
    play.run(200, {1: (2, 0), 2: (2, 0)})
    assert [told.subject for told in play.over] == ["target 2"]
    assert play.watch.standing() == []


def test_clients_that_keep_trying_from_one_address_each_are_seen_though_their_flows_never_end():
    play = Play()
    play.run(90, {1: (0.5, 0)}, lambda _: {2: 25})
    (told,) = play.watch.standing()
    assert told.message.startswith("in the last minute 25 of 25 flows of target 2 never got beyond SYN")


def test_flows_that_are_half_open_for_a_moment_only_tell_nothing():
    play = Play()
    play.run(300, {1: (5, 0), 2: (5, 0)}, lambda now: {2: 200 if now % 10 < 8 else 0})
    assert play.begun == []


def test_a_target_with_few_flows_is_judged_over_ten_minutes():
    play = Play()
    play.run(TEN + 60, {1: (0.1, 0), 2: (0, 1 / 40)})
    (told,) = play.watch.standing()
    assert told.message.startswith("in the last 10 minutes 1")


def test_all_targets_of_a_server_alike_are_a_flood_or_share_the_way_back():
    play = Play({1: (1, 2), 2: (3,)})
    play.run(120, {1: (2, 200), 2: (2, 210), 3: (2, 0)})
    assert [told.subject for told in play.begun] == ["server 1"]
    assert "a SYN flood, or what all of them have in common" in play.begun[0].message


def test_the_only_target_of_a_server_may_be_flooded():
    play = Play({1: (1,), 2: (2, 3)})
    play.run(120, {1: (0, 200), 2: (2, 0), 3: (2, 0)})
    assert [told.subject for told in play.begun] == ["target 1"]
    assert "or a SYN flood" in play.begun[0].message


@pytest.mark.parametrize(
    ("why", "rates"),
    [
        ("clients that go away", {1: (5, 1), 2: (5, 1)}),
        ("hardly a flow", {1: (0, 1 / 100), 2: (0, 1 / 100)}),
        ("nothing", {}),
        ("a share below the limit", {1: (5, 4.5), 2: (5, 4.5)}),
    ],
)
def test_nothing_is_told_of(why, rates):
    play = Play()
    play.run(1500, rates)
    assert play.begun == [], why


def test_a_backup_and_a_target_out_of_service_have_nothing_wrong():
    play = Play({1: (1, 2)})
    rates = {2: (0, 5), 1: (5, 0)}
    play.run(120, rates)
    assert len(play.begun) == 1
    play.targets_of = {1: (1,)}
    play.run(1, rates)
    assert [told.subject for told in play.over] == ["target 2"]
    play.targets_of = {}
    play.run(30, rates)
    play.targets_of = {1: (1, 2)}
    play.run(MINUTE - 5, rates)
    assert len(play.begun) == 1  # as at a start


def test_a_share_that_hovers_raises_no_storm():
    play = Play()
    for _ in range(40):
        play.run(61, {1: (5, 0), 2: (5, 6)})
        play.run(61, {1: (5, 0), 2: (5, 4)})
    assert len(play.begun) == 1


def test_many_targets_are_one_alarm():
    numbers = tuple(range(1, 101))
    play = Play({1: numbers})
    play.run(120, dict.fromkeys(numbers, (0, 2)) | {100: (2, 0)})
    assert [told.subject for told in play.watch.standing()] == ["99 targets"]
    message = play.watch.standing()[0].message
    assert "target 1, target 2, target 3, and 96 more never got beyond SYN" in message
