"""How far drains have come."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engine.datapath.contract import Counters
from engine.domain.drain import Drain
from engine.report.drained import Drained, left


def counters(sessions=0, half_open=0, packets=0):
    def of(value):
        row = np.zeros(2000, np.int64)
        row[4] = value
        return row

    return Counters(target_sessions=of(sessions), target_half_open=of(half_open), target_packets=of(packets))


@pytest.fixture
def world():
    return SimpleNamespace(drains={4: Drain(since=0.0, by="root(0) pid 812")})


@pytest.fixture
def drained(world):
    return Drained(world)


def told(drained, now, **of):
    return [(n.kind, n.severity, n.subject, n.message) for n in drained.look(counters(**of), now)]


NOTHING = ("admin", "info", "target 4", "target 4 drained: nothing left")


def test_the_end_is_told_once(drained):
    assert told(drained, 1, sessions=3) == []
    assert told(drained, 2, sessions=0, half_open=1) == []
    assert told(drained, 3) == [NOTHING]
    assert told(drained, 4) == []


def test_who_has_nothing_to_drain_hears_it_at_once(drained):
    assert told(drained, 1) == [NOTHING]


def test_a_flow_that_comes_back_is_drained_again(drained):
    told(drained, 1)
    assert told(drained, 2, sessions=1) == []
    assert told(drained, 3) == [NOTHING]


def test_a_drain_that_is_over_and_begun_again_is_told_again(drained, world):
    told(drained, 1)
    begun, world.drains = world.drains, {}
    assert told(drained, 2) == []
    assert drained.quiet_s(4, 2) is None
    world.drains = begun
    assert told(drained, 3) == [NOTHING]


def test_the_last_packet_ages_until_another_one_comes(drained):
    assert drained.quiet_s(4, 9.0) is None
    for now, packets in ((10.0, 7), (11.0, 8), (12.0, 8), (13.0, 8)):
        told(drained, now, sessions=1, packets=packets)
    assert drained.quiet_s(4, 13.5) == 2.5
    assert drained.quiet_s(5, 13.5) is None


def test_half_open_flows_are_left_too():
    assert left(counters(sessions=2, half_open=3), 4) == 5
