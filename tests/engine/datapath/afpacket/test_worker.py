"""The worker going over to another table, its ring and filter replaced by records of what was asked of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from engine.datapath.afpacket import messages
from engine.datapath.afpacket import worker as module
from engine.datapath.afpacket.worker import Worker
from engine.datapath.contract import FLOW_RECORD
from engine.datapath.counters import GENERATION, word
from engine.datapath.flowtable import pack
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory, store_table
from engine.datapath.table import Compiler
from engine.domain.address import Address
from tests.helpers.frames import compiled, server


@pytest.fixture
def swapped(worker_tables, monkeypatch):
    """Return a worker at which a frame always waits, and what it did, in order."""
    did: list[object] = []
    monkeypatch.setattr(module.packet_filter, "attach", lambda _sock, _program: did.append("filter"))

    def make(table) -> tuple[Worker, list[object]]:
        worker = object.__new__(Worker)
        worker.tables = worker_tables(table)
        worker.counters = worker.tables.counters
        worker.args = types.SimpleNamespace(index=0, workers=1)
        worker.rx = types.SimpleNamespace(sock=None, ready=lambda most: min(1, most))
        worker.forwarder = types.SimpleNamespace(
            frames=lambda count, _now_s: did.append((count, worker.tables.lookup.generation))
        )
        return worker, did

    return make


def hand_over(table) -> int:
    """Return a descriptor that the worker closes."""
    memory = store_table(table)
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
    assert flat[word("swaps")] == 1
    assert 0 < flat[word("swap_last_ns")] == flat[word("swap_longest_ns")]
    worker.swap(hand_over(compiled(server(), compiler=compiler)))
    assert flat[word("swaps")] == 2
    assert flat[word("swap_longest_ns")] >= flat[word("swap_last_ns")]


def test_no_frame_to_a_new_address_meets_the_former_table(swapped):
    compiler = Compiler()
    worker, did = swapped(compiled(server(), compiler=compiler))
    other = compiled(
        server(address=Address.parse("172.16.1.11")), compiler=compiler, virtual=("172.16.1.11",)
    )
    worker.swap(hand_over(other))
    assert did[did.index("filter") + 1] == (1, 2)


def test_a_table_taken_up_in_pieces_is_the_same(worker_tables):
    table = compiled(server(new=(1, 2, 3), keep=(1, 2, 3), by_port=True))
    pieces = []
    parted, whole = Lookup(table, lambda: pieces.append(1)), Lookup(table)
    assert len(pieces) >= 3
    for name, value in vars(whole).items():
        other = getattr(parted, name)
        assert repr(other) == repr(value), name


# -- orders -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ordered(swapped):
    """Return a worker with a control socket, the other end of it, and what it did."""
    ends = []

    def make(index=0, workers=1):
        worker, did = swapped(compiled(server()))
        did.clear()
        ours, worker.control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        worker.control.setblocking(False)
        ends.extend((ours, worker.control))
        worker.args = types.SimpleNamespace(index=index, workers=workers)
        worker._held = worker._breath = 0
        return worker, ours, did

    yield make
    for end in ends:
        end.close()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def send(control, message, memory) -> None:
    socket.send_fds(control, [messages.encode(message)], [memory.fd])
    memory.close()


def test_of_several_tables_that_wait_the_newest_is_taken_up(ordered):
    worker, control, _ = ordered()
    compiler = Compiler(generation=1)
    before = open_files()
    for _ in range(3):
        table = compiled(server(), compiler=compiler)
        send(control, messages.UseTable(table.generation), store_table(table))
    worker.take_orders()
    assert worker.tables.lookup.generation == 4
    assert worker.counters.get("swaps") == 1
    assert worker.counters.flat[GENERATION] == 4
    assert open_files() <= before + 1  # the mapping of the table in use, and nothing of the others
    worker.take_orders()  # nothing waits
    assert worker.counters.get("swaps") == 1


def memory_of(records) -> SharedMemory:
    memory = SharedMemory.create("test-records", records.nbytes)
    memory.map[:] = records.tobytes()
    return memory


def flows_of(*clients: str, target: int = 2) -> np.ndarray:
    records = np.zeros(len(clients), FLOW_RECORD)
    for record, client in zip(records, clients, strict=True):
        record["client"] = np.void(bytes(Address.parse(client)))
        record["server"], record["target"], record["state"] = 1, target, 1
    return records


@pytest.mark.parametrize(("index", "workers", "taken"), [(0, 1, 4), (0, 2, 1), (1, 2, 3)])
def test_flows_of_its_clients_are_taken_over_and_counted(ordered, index, workers, taken):
    worker, control, did = ordered(index, workers)
    records = flows_of("192.0.2.1", "192.0.2.3", "192.0.2.5", "192.0.2.8")
    send(control, messages.TakeFlows(len(records)), memory_of(records))
    worker.take_orders()
    assert worker.counters.target_sessions[2] == worker.counters.server_sessions[1] == taken
    assert np.count_nonzero(worker.tables.flows.entries) == taken
    assert did  # frames that waited were forwarded meanwhile


def test_flows_come_after_the_table_that_was_handed_over_before(ordered):
    worker, control, _ = ordered()
    compiler = Compiler(generation=1)
    table = compiled(server(new=(3,), keep=(3,)), compiler=compiler)
    send(control, messages.UseTable(table.generation), store_table(table))
    records = flows_of("192.0.2.1", target=3)
    send(control, messages.TakeFlows(1), memory_of(records))
    worker.take_orders()
    assert worker.tables.lookup.generation == 2
    assert worker.counters.target_sessions[3] == 1


def test_flows_that_are_replaced_are_off_the_counts(ordered):
    worker, control, _ = ordered()
    worker.tables.flows.lines[:] = pack(1, 1, 1, 9, 0, 0)  # void: of another generation
    worker.tables.recount()
    all_of_them = worker.counters.target_sessions[1]
    send(control, messages.TakeFlows(1), memory_of(flows_of("192.0.2.1")))
    worker.take_orders()
    assert worker.counters.target_sessions[1] == all_of_them - 1
    assert worker.counters.target_sessions[2] == 1


def test_when_the_other_end_is_closed_the_worker_ends(ordered, monkeypatch):
    class EndedError(Exception):
        pass

    def end(code):
        raise EndedError(code)

    worker, control, _ = ordered()
    monkeypatch.setattr(module.os, "_exit", end)
    control.close()
    with pytest.raises(EndedError, match="0"):
        worker.take_orders()


def test_messages_are_told_apart_by_their_tags():
    assert messages.decode_to_worker(messages.encode(messages.UseTable(7))) == messages.UseTable(7)
    assert messages.decode_to_worker(messages.encode(messages.TakeFlows(7))) == messages.TakeFlows(7)
    assert messages.decode_from_worker(messages.encode(messages.Ready(7))) == messages.Ready(7)
    assert len(messages.encode(messages.TakeFlows(2**63))) < messages.MESSAGE_BYTES


def test_a_worker_starts_without_what_only_the_control_process_needs():
    code = "import sys, engine.datapath.afpacket.worker; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"ipaddress", "asyncio", "scapy", "pyroute2", "engine.datapath.table"} & set(
        run.stdout.split()
    )
