"""Tables in shared memory: what one process stores another views."""

from __future__ import annotations

import os

import numpy as np
import pytest

from engine.datapath.contract import ForwardingTable
from engine.datapath.declare import Array, declared
from engine.datapath.shared_memory import SharedMemory, load_table, store_table
from tests.helpers.frames import compiled, server


@pytest.mark.parametrize(
    "table",
    [ForwardingTable.empty(), compiled(server(), server(2, port=443, new=(3,)))],
    ids=["empty", "two"],
)
def test_a_table_comes_back_as_it_was_and_cannot_be_written(table):
    memory = store_table(table)
    again = load_table(SharedMemory.attach(memory.fd))
    assert (again.generation, again.mtu) == (table.generation, table.mtu)
    for name, one in declared(ForwardingTable, Array).items():
        found = getattr(again, name)
        assert np.array_equal(found, getattr(table, name)), name
        assert found.dtype == np.dtype(one.dtype), name
        assert not found.flags.writeable, name
        assert not found.size or found.ctypes.data % 64 == 0, name  # a cache line of its own
    memory.close()


def test_memory_is_zero_and_shared_by_who_maps_it():
    memory = SharedMemory.create("test-memory", 4096)
    other = SharedMemory.attach(os.dup(memory.fd))
    assert other.size == memory.size == 4096
    assert not any(other.view)
    memory.view[7] = 9
    assert other.view[7] == 9
    memory.close()
    assert other.view[7] == 9  # the mapping goes with its last view
    other.close()
