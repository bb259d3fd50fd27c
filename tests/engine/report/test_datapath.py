"""The datapath as consoles see it."""

from __future__ import annotations

import numpy as np

from engine.datapath.contract import TARGET_ROWS, Counters, DropReason
from engine.datapath.declare import Counter, declared
from engine.report.snapshot import Gatherer
from engine.trends.rates import Rates
from tests.helpers.fake_datapath import Factory


class Running:
    """A forwarding with two interfaces."""

    choice = Factory().choice
    generation = 9

    def describe(self):
        made = Factory()
        return [made("eth0", 1500, 2).describe(), made("eth1", 1500, 3).describe()]


def reading(**changes) -> Counters:
    dropped = np.zeros(len(DropReason), np.int64)
    dropped[DropReason.LOOP], dropped[DropReason.TOO_BIG] = 4, 1
    sessions = np.zeros(TARGET_ROWS, np.int64)
    sessions[[1, 7]] = (20, 3)
    return Counters(dropped=dropped, target_sessions=sessions, ring_lost=6, **changes)


def test_what_forwards_and_how_it_fares():
    rates = Rates()
    rates.update(Counters(), 0.0)
    counters = reading(
        received=100, forwarded=60, passed=30, swaps=2, swap_last_ns=1_500_400, swap_longest_ns=2_000_000
    )
    rates.update(counters, 10.0)
    state = Gatherer(None, None, Running(), rates, None).datapath(counters)
    assert (state.kind, state.workers, state.interfaces) == ("afpacket", 5, ["eth0", "eth1"])
    assert (state.received, state.forwarded, state.passed, state.ring_lost) == (100, 60, 30, 6)
    assert state.dropped == {"loop": 4, "too-big": 1}
    assert (state.received_pps, state.forwarded_pps, state.dropped_pps) == (10.0, 6.0, 1.1)
    assert (state.sessions, state.sessions_max) == (23, 5000)
    assert (state.table_generation, state.swaps) == (9, 2)
    assert (state.swap_last_ms, state.swap_longest_ms) == (1.5, 2.0)
    assert state.why == ["xdp: not on this host"]


def test_every_counter_that_is_one_number_is_published():
    counters = reading(unrecorded=8)
    state = Gatherer(None, None, Running(), Rates(), None).datapath(counters)
    declared_ones = {name for name, one in declared(Counters, Counter).items() if not one.shape}
    assert set(state.counters) == declared_ones
    assert state.counters["unrecorded"] == 8
    assert state.counters["ring_lost"] == 6
