"""The flow table as readers in other processes see it."""

import multiprocessing

import numpy as np

from engine.datapath.flowtable import WAYS, FlowTable, empty_rules, table_bytes
from engine.datapath.shared_memory import SharedMemory

BUCKETS = 1 << 15


def write(descriptor, stop):
    """Fill and clear entries, as a worker under load does."""
    table = FlowTable(SharedMemory.attach(descriptor).view, BUCKETS)
    while not stop.is_set():
        table.entries[:] = 0
        table.entries[:: WAYS // 2] = 1 << 11 | 1


def test_flows_are_listed_while_the_worker_writes():
    memory = SharedMemory.create("test-flows", table_bytes(BUCKETS))
    table = FlowTable(memory.view, BUCKETS)
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    writer = context.Process(target=write, args=(memory.fd, stop))
    writer.start()
    try:
        seen = set()
        for _ in range(300):
            assert list(table.flows(0, empty_rules(), 10, None, None)) == []  # by these rules none is live
            assert table.pairs(0, empty_rules()) == {}
            seen.add(int(np.count_nonzero(table.entries != 0)))
        assert len(seen) > 1  # it did change meanwhile
    finally:
        stop.set()
        writer.join()
        memory.close()
