"""The worker going over to another table, its ring and filter replaced by records of what was asked of them."""

from __future__ import annotations

import os
import types

import pytest

from engine.datapath import shared_memory
from engine.datapath.afpacket import worker as module
from engine.datapath.afpacket.worker import Worker
from engine.datapath.lookup import Installed
from engine.datapath.table import Compiler
from tests.helpers.frames import compiled, server


@pytest.fixture
def swapped(worker_state, monkeypatch):
    """Return a worker at which a frame always waits, and what it did, in order."""
    did: list[object] = []
    monkeypatch.setattr(module.packet_filter, "attach", lambda _sock, _program: did.append("filter"))

    def make(table) -> tuple[Worker, list[object]]:
        worker = object.__new__(Worker)
        worker.state = worker_state(table)
        worker.counters = worker.state.counters
        worker.args = types.SimpleNamespace(index=0, workers=1)
        worker.rx = types.SimpleNamespace(sock=None, ready=lambda most: min(1, most))
        worker.few = lambda count, _now_s: did.append((count, worker.state.installed.generation))
        return worker, did

    return make


def hand_over(table) -> int:
    """Return a descriptor that the worker closes."""
    memory = shared_memory.store_table(table)
    descriptor = os.dup(memory.fd)
    memory.close()
    return descriptor


def test_frames_are_forwarded_by_the_former_table_while_the_next_is_taken_up(swapped):
    compiler = Compiler()
    worker, did = swapped(compiled(server(), compiler=compiler))
    worker.swap(hand_over(compiled(server(new=(2,), keep=(2,)), compiler=compiler)))
    assert did.count((1, 1)) >= 4  # in between, again and again
    assert did[-1] == (1, 2)  # and at once when it is in use
    assert did == sorted(did)  # and never again by the former one
    flat = worker.counters.flat
    assert flat[shared_memory.SWAPS] == 1
    assert 0 < flat[shared_memory.SWAP_LAST] == flat[shared_memory.SWAP_LONGEST]
    worker.swap(hand_over(compiled(server(), compiler=compiler)))
    assert flat[shared_memory.SWAPS] == 2
    assert flat[shared_memory.SWAP_LONGEST] >= flat[shared_memory.SWAP_LAST]


def test_no_frame_to_a_new_address_meets_the_former_table(swapped):
    compiler = Compiler()
    worker, did = swapped(compiled(server(), compiler=compiler))
    other = compiled(server(address="172.16.1.11"), compiler=compiler, virtual=("172.16.1.11",))
    worker.swap(hand_over(other))
    assert did[did.index("filter") + 1] == (1, 2)


def test_a_table_taken_up_in_pieces_is_the_same(worker_state):
    table = compiled(server(new=(1, 2, 3), keep=(1, 2, 3), by_port=True))
    pieces = []
    parted, whole = Installed(table, lambda: pieces.append(1)), Installed(table)
    assert len(pieces) >= 3
    for name, value in vars(whole).items():
        other = getattr(parted, name)
        assert repr(other) == repr(value), name
