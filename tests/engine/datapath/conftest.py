from __future__ import annotations

import pytest


@pytest.fixture
def worker_tables():
    """A worker's tables over fresh memory; call it with a forwarding table."""
    from engine.datapath.afpacket.tables import Tables
    from engine.datapath.counters import CounterBlock
    from engine.datapath.flowtable import FlowTable, table_bytes
    from engine.datapath.lookup import Lookup
    from engine.datapath.shared_memory import SharedMemory

    made = []

    def make(table, buckets: int = 1024, beside: tuple[Tables, ...] = ()) -> Tables:
        memory = SharedMemory.create("test-flows", table_bytes(buckets))
        block = CounterBlock.create()
        made.extend((memory, block.memory))
        others = [other.counters for other in beside]
        return Tables(Lookup(table), FlowTable(memory.view, buckets), block, others)

    yield make
    for memory in made:
        memory.close()
