"""What a decision costs by kind of frame: the cases of tests/fixtures, without a network."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.datapath.afpacket.vector import NOT_PLAIN
from tests.helpers.conformance import Bench
from tests.helpers.frames import columns

if TYPE_CHECKING:
    from tests.helpers.fixtures import Case

BATCH, ROUNDS = 256, 20


def costs_us(case: Case) -> tuple[float, float]:
    """Microseconds a frame, one by one and in a batch of it alone; the fastest of some rounds.

    What a vector leaves to the other path costs both.
    """
    bench = Bench(case)
    try:
        data, size = memoryview(bytearray(case.virtio + case.frame)), len(case.frame)
        scalar, vector = bench.forwarder.scalar, bench.forwarder.vector
        batch = columns([case.frame[:1500]] * BATCH)
        one, many = [], []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            for _ in range(BATCH):
                scalar.decide(data, size, case.now_s)
            one.append((time.perf_counter() - begin) / BATCH * 1e6)
            begin = time.perf_counter()
            verdicts, _ = vector.decide(batch, case.now_s)
            took = (time.perf_counter() - begin) / BATCH * 1e6
            many.append(took + (min(one) if verdicts[0] == NOT_PLAIN else 0))
        return min(one), min(many)
    finally:
        bench.close()
