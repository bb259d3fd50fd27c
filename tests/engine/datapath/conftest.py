from __future__ import annotations

import pytest


@pytest.fixture
def worker_state():
    """A worker's state over fresh memory; call it with a table."""
    from engine.datapath.afpacket.state import State
    from engine.datapath.flowtable import FlowTable, table_bytes
    from engine.datapath.lookup import Installed
    from engine.datapath.shared_memory import CounterBlock, SharedMemory

    made = []

    def make(table, buckets: int = 1024) -> State:
        memory = SharedMemory.create("test-flows", table_bytes(buckets))
        block = CounterBlock.create()
        made.extend((memory, block.memory))
        return State(Installed(table), FlowTable(memory.view, buckets), block)

    yield make
    for memory in made:
        memory.close()
