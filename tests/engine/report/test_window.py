"""How much counters have grown over a sliding time."""

from __future__ import annotations

import numpy as np

from engine.report.window import Window


def test_growth_is_over_the_time_and_no_more():
    window = Window(10, 1)
    for now in range(31):
        window.take(np.array([now * now, 5]), float(now))
        assert window.full == (now >= 10)
    assert window.growth().tolist() == [30 * 30 - 20 * 20, 0]


def test_few_readings_are_kept():
    window = Window(300, 10)
    for now in range(2000):
        window.take(np.array([now]), float(now))
    assert len(window._kept) <= 32
    assert 300 <= window.growth()[0] <= 310


def test_counters_that_begin_anew_begin_anew():
    window = Window(10, 1)
    for now in range(20):
        window.take(np.array([1000 + now, now]), float(now))
    window.take(np.array([3, 20]), 20.0)
    assert not window.full
    assert window.growth().tolist() == [0, 0]
