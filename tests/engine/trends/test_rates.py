from __future__ import annotations

import numpy as np
import pytest

from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS, Counters, DropReason
from engine.trends.rates import Rates


def rows(length: int, at: int, value: int) -> np.ndarray:
    made = np.zeros(length, np.int64)
    made[at] = value
    return made


def test_rates_are_differences_over_the_clock():
    rates = Rates()
    rates.update(Counters(received=500), 10.0)
    assert rates.scalar("received") == 0
    rates.update(
        Counters(
            received=1500,
            forwarded=40,
            unrecorded=6,
            target_packets=rows(TARGET_ROWS, 3, 500),
            target_bytes=rows(TARGET_ROWS, 3, 50_000),
            server_packets=rows(SERVER_ROWS, 2, 100),
            server_bytes=rows(SERVER_ROWS, 2, 6_000),
            dropped=rows(len(DropReason), DropReason.LOOP, 8),
            ring_lost=20,
        ),
        12.0,
    )
    assert rates.scalar("received") == 500
    assert rates.scalar("forwarded") == 20
    assert rates.scalar("unrecorded") == 3
    assert rates.target(3) == (250, 250 * 100 * 8)
    assert rates.server(2) == (50, 50 * 60 * 8)
    assert rates.target(4) == rates.server(1) == (0, 0)
    assert rates.lost_pps == (8 + 20) / 2


def test_what_tells_of_the_present_has_no_rate():
    rates = Rates()
    with pytest.raises(KeyError):
        rates.scalar("swaps")
    with pytest.raises(KeyError):
        rates.array("target_sessions")


def test_a_clock_that_stands_still_changes_nothing():
    rates = Rates()
    rates.update(Counters(), 10.0)
    rates.update(Counters(received=5), 10.0)
    assert rates.scalar("received") == 0
    rates.update(Counters(received=9), 14.0)
    assert rates.scalar("received") == 1  # since the last reading, whatever it was good for


def test_without_two_readings_all_rates_are_zero():
    rates = Rates()
    assert rates.target(1) == rates.server(1) == (0.0, 0.0)
    assert rates.lost_pps == rates.scalar("received") == 0.0
