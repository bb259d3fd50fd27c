from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS, Counters, DropReason
from engine.report.rates import Rates


def counters(**changes) -> Counters:
    targets, servers = np.zeros(TARGET_ROWS, np.int64), np.zeros(SERVER_ROWS, np.int64)
    empty = Counters(
        received=0,
        forwarded=0,
        passed=0,
        ring_lost=0,
        dropped=np.zeros(len(DropReason), np.int64),
        target_packets=targets,
        target_bytes=targets,
        target_sessions=targets,
        server_packets=servers,
        server_bytes=servers,
        server_sessions=servers,
    )
    return replace(empty, **changes)


def test_rates_are_differences_over_the_clock():
    rates = Rates()
    rates.update(counters(), 10.0)
    assert rates.received_pps == 0
    packets = np.zeros(TARGET_ROWS, np.int64)
    packets[3] = 500
    rates.update(
        counters(received=1000, target_packets=packets, target_bytes=packets * 100, ring_lost=20), 12.0
    )
    assert rates.received_pps == 500
    assert rates.target_pps[3] == 250
    assert rates.target_bps[3] == 250 * 100 * 8
    assert rates.dropped_pps == 10


def test_a_clock_that_stands_still_changes_nothing():
    rates = Rates()
    rates.update(counters(), 10.0)
    rates.update(counters(received=5), 10.0)
    assert rates.received_pps == 0
