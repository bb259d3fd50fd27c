"""How long a share that was too large is called so."""

from __future__ import annotations

import numpy as np

from engine.report.shares import Limits, ShareWatch, Span

HOLD_S = 60.0


def test_what_has_begun_stays_for_its_time_and_not_a_second_longer():
    watch = ShareWatch(2, 1, [Span(10.0, 1.0, 1)], Limits(high=0.5, low=0.25, hold_s=HOLD_S))
    good = bad = 0
    began = ended = None
    for now in map(float, range(200)):
        good, bad = (good, bad + 9) if began is None else (good + 9, bad)
        begun, over = watch.look(np.array([0, good]), np.array([[0], [bad]]), {1}, now)
        began = now if begun[1, 0] else began
        ended = now if over[1, 0] else ended
        assert bool(watch.wrong[1, 0]) == (began is not None and ended is None)
    assert ended - began == HOLD_S
