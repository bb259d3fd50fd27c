"""What a decision costs, without a network: by case of tests/fixtures, and for batches of known and of new flows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.scalar import Scalar
from engine.datapath.afpacket.tables import Tables
from engine.datapath.afpacket.vector import NOT_PLAIN
from engine.datapath.afpacket.vector_flows import VectorFlows
from engine.datapath.counters import CounterBlock
from engine.datapath.flow_states import FIN, SEGMENT, SYN
from engine.datapath.flowtable import FlowTable, table_bytes
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory
from tests.helpers.conformance import Bench
from tests.helpers.frames import columns, compiled, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.datapath.keys import U64
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
        vid = (case.vlan or 0) & 0x0FFF
        batch = columns([case.frame[:1500]] * BATCH, vlan=case.vlan)
        one, many = [], []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            for _ in range(BATCH):
                scalar.decide(data, size, case.now_s, vid)
            one.append((time.perf_counter() - begin) / BATCH * 1e6)
            begin = time.perf_counter()
            verdicts, _ = vector.decide(batch, case.now_s)
            took = (time.perf_counter() - begin) / BATCH * 1e6
            many.append(took + (min(one) if verdicts[0] == NOT_PLAIN else 0))
        return min(one), min(many)
    finally:
        bench.close()


FLOWS, BUCKETS = 512, 1 << 16
"""Frames of a batch, each of a flow of its own, and the size of their table."""

_OPEN, _FIN, _SYN = SEGMENT, SEGMENT | FIN, SEGMENT | SYN


class _Flood:
    """Batches for one server, whose flows are known or new."""

    def __init__(self, method: str) -> None:
        self.memory = SharedMemory.create("bench-flows", table_bytes(BUCKETS))
        self.block = CounterBlock.create()
        table = compiled(server(method=method, by_port=True))
        tables = Tables(Lookup(table), FlowTable(self.memory.view, BUCKETS), self.block)
        self.flows = VectorFlows(tables, Scalar(tables))
        self.rows = np.zeros(FLOWS, np.intp)
        self.clients = np.arange(1, FLOWS + 1, dtype=np.uint64)

    def us(self, flags: U64, *, new: bool) -> float:
        """Microseconds that one batch takes."""
        if new:
            self.clients = self.clients + np.uint64(FLOWS)
        begin = time.perf_counter()
        self.flows.targets(self.rows, self.clients, self.clients, flags, 1000)
        return (time.perf_counter() - begin) * 1e6

    def close(self) -> None:
        self.memory.close()
        self.block.memory.close()


def flows_us() -> Iterator[tuple[str, float]]:
    """Yield what finding the targets of a batch costs, in microseconds; the fastest of some rounds."""
    some_end = np.full(FLOWS, _OPEN, np.uint64)
    some_end[::20] = _FIN
    kinds = [("known flows, data alone", "rr", np.full(FLOWS, _OPEN, np.uint64), False)]
    kinds += [("known flows, 5 % of them end", "rr", some_end, False)]
    kinds += [
        (f"new flows, by {method}", method, np.full(FLOWS, _SYN, np.uint64), True)
        for method in ("rr", "random", "hash", "session", "first")
    ]
    for name, method, flags, new in kinds:
        flood = _Flood(method)
        try:
            flood.us(np.full(FLOWS, _SYN, np.uint64), new=False)
            flood.us(np.full(FLOWS, _OPEN, np.uint64), new=False)
            yield name, min(flood.us(flags, new=new) for _ in range(ROUNDS * 4))
        finally:
            flood.close()
