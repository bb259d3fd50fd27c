"""Flows from one table into another: with other buckets, another generation, another number of workers."""

from __future__ import annotations

import numpy as np
import pytest

from engine.datapath.contract import FLOW_RECORD
from engine.datapath.flow_records import of_worker, records_of, write_records
from engine.datapath.flow_states import LONGEST_S, FlowState
from engine.datapath.flowtable import WAYS, FlowTable, is_live, rules_of, table_bytes
from engine.datapath.keys import flow_hash, swap16
from engine.datapath.shared_memory import SharedMemory
from engine.datapath.table import Compiler
from engine.domain.address import Address
from engine.io import packet_filter
from tests.helpers import bpf
from tests.helpers.frames import VIP, compiled, frame, server

NOW = 70_000
RULES = rules_of(compiled(server(), server(2, port=443, by_port=True, idle_s=90)))


@pytest.fixture
def tables():
    made = []

    def make(buckets: int = 16) -> FlowTable:
        memory = SharedMemory.create("test-flows", table_bytes(buckets))
        made.append(memory)
        return FlowTable(memory.view, buckets)

    yield make
    for memory in made:
        memory.close()


def records(*flows: tuple) -> np.ndarray:
    """Make records of (client, port, server, target, idle_s, state)."""
    made = np.zeros(len(flows), FLOW_RECORD)
    for record, (client, port, number, target, idle_s, state) in zip(made, flows, strict=True):
        record["client"] = np.void(bytes(Address.parse(client)))
        record["port"], record["server"], record["target"] = port, number, target
        record["idle_s"], record["state"] = idle_s, state
    return made


FLOWS = [
    ("192.0.2.1", 0, 1, 1, 0, FlowState.OPEN),
    ("192.0.2.2", 0, 1, 2, 10, FlowState.HALF_OPEN),
    ("192.0.2.2", 40_000, 2, 1, 30, FlowState.CLOSING),
    ("2001:db8::5", 0, 1, 2, 7, FlowState.OPEN),
]


def told(found: np.ndarray) -> list[tuple]:
    return sorted(
        (str(Address(r["client"].tobytes())), *(int(r[f]) for f in FLOW_RECORD.names[1:-1])) for r in found
    )


def test_a_record_is_32_bytes_without_gaps():
    assert FLOW_RECORD.itemsize == 32
    assert [FLOW_RECORD.fields[n][1] for n in FLOW_RECORD.names] == [0, 16, 18, 20, 22, 24, 25]


def test_flows_come_out_as_they_went_in_and_are_where_frames_look_for_them(tables):
    table = tables()
    written, replaced = write_records(table, records(*FLOWS), NOW, RULES)
    assert len(written) == 4
    assert len(replaced) == 0
    assert told(records_of(table, NOW, RULES)) == sorted(FLOWS)
    for client, port, number, target, idle_s, state in FLOWS:
        index = table.find(flow_hash(Address.parse(client), swap16(port), number), number)
        assert index >= 0
        assert is_live(table.flat[index], NOW, RULES)
        assert table.flat[index] & 0x7FF == target
        end = NOW + min({1: 600, 2: 60}[number], LONGEST_S.get(state, 600)) - idle_s
        assert is_live(table.flat[index], end, RULES)
        assert not is_live(table.flat[index], end + 1, RULES)


def test_a_table_of_another_size_at_another_time_takes_them(tables):
    first, second = tables(16), tables(1)
    write_records(first, records(*FLOWS), NOW, RULES)
    write_records(second, records_of(first, NOW, RULES), 5, RULES)
    assert told(records_of(second, 5, RULES)) == sorted(FLOWS)


def test_what_the_table_in_force_does_not_allow_is_left_out(tables):
    table = tables()
    wrong = [
        ("192.0.2.9", 0, 1, 3, 0, FlowState.OPEN),  # not the server's
        ("192.0.2.9", 0, 3, 1, 0, FlowState.OPEN),  # no such server
        ("192.0.2.9", 0, 513, 1, 0, FlowState.OPEN),  # no number of a server
        ("192.0.2.9", 0, 600, 1, 0, FlowState.OPEN),
        ("192.0.2.9", 0, 1, 5000, 0, FlowState.OPEN),
        ("192.0.2.9", 0, 1, 1, 0, 4),  # no such state
        ("192.0.2.9", 0, 1, 1, 601, FlowState.OPEN),  # over
        ("192.0.2.9", 1, 2, 1, 61, FlowState.CLOSING),
        ("192.0.2.9", 1, 2, 1, 11, FlowState.HALF_OPEN),
    ]
    written, replaced = write_records(table, records(*wrong), NOW, RULES)
    assert len(written) == len(replaced) == 0
    assert not table.entries.any()


def test_the_generation_is_the_takers(tables):
    compiler = Compiler()
    compiled(server(), compiler=compiler)
    compiled(server(new=(2,), keep=(2,)), compiler=compiler)
    later = rules_of(compiled(server(), compiler=compiler))
    table = tables()
    write_records(table, records(FLOWS[0]), NOW, later)
    assert told(records_of(table, NOW, later)) == [FLOWS[0]]
    assert told(records_of(table, NOW, RULES)) == []


def test_a_flow_that_is_known_stays_as_it_is(tables):
    table = tables()
    write_records(table, records(("192.0.2.1", 0, 1, 2, 5, FlowState.OPEN)), NOW, RULES)
    write_records(table, records(FLOWS[0], FLOWS[0]), NOW, RULES)
    assert told(records_of(table, NOW, RULES)) == [("192.0.2.1", 0, 1, 2, 5, FlowState.OPEN)]


def test_of_two_records_of_a_flow_the_first_counts(tables):
    table = tables()
    twice = records(("192.0.2.1", 0, 1, 2, 5, FlowState.OPEN), FLOWS[0])
    written, _ = write_records(table, twice, NOW, RULES)
    assert len(written) == 1
    assert told(records_of(table, NOW, RULES)) == [("192.0.2.1", 0, 1, 2, 5, FlowState.OPEN)]


def test_flows_in_use_are_never_evicted_and_void_ones_make_room(tables):
    table = tables(1)
    flows = [(f"192.0.2.{n}", 0, 1, 1, 0, FlowState.OPEN) for n in range(WAYS + 3)]
    written, replaced = write_records(table, records(*flows), NOW, RULES)
    assert (len(written), len(replaced)) == (WAYS, 0)
    assert told(records_of(table, NOW, RULES)) == sorted(flows[:WAYS])
    later = NOW + 601  # all of them are over
    more = [(f"198.51.100.{n}", 0, 1, 2, 0, FlowState.OPEN) for n in range(2)]
    written, replaced = write_records(table, records(*more), later, RULES)
    assert (len(written), len(replaced)) == (2, 2)
    assert told(records_of(table, later, RULES)) == sorted(more)


def test_a_void_entry_of_the_flow_itself_is_replaced(tables):
    table = tables(1)
    write_records(table, records(("192.0.2.7", 0, 1, 2, 0, FlowState.OPEN), FLOWS[0]), NOW, RULES)
    later = NOW + 601
    write_records(table, records(FLOWS[0]), later, RULES)
    used = table.entries[table.entries != 0]
    assert len(used) == 2
    assert table.find(flow_hash(Address.parse("192.0.2.1"), 0, 1), 1) == 1
    assert told(records_of(table, later, RULES)) == [FLOWS[0]]


def test_a_free_place_is_as_good_as_a_void_entry(tables):
    table = tables(1)
    write_records(table, records(*[(f"192.0.2.{n}", 0, 1, 1, 0, FlowState.OPEN) for n in (7, 8)]), NOW, RULES)
    table.entries[0] = 0
    written, replaced = write_records(table, records(FLOWS[0]), NOW + 601, RULES)
    assert (len(written), len(replaced)) == (1, 0)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_record_belongs_to_the_worker_that_gets_its_clients_packets(workers):
    clients = [f"192.0.{n}.{n * 7 % 256}" for n in range(60)]
    all_of_them = records(*[(client, 0, 1, 1, 0, FlowState.OPEN) for client in clients])
    seen = []
    for index in range(workers):
        program = packet_filter.for_addresses({0: [Address.parse(VIP)]}, (index, workers))
        mine = [client for client, *_ in told(of_worker(all_of_them, index, workers))]
        assert sorted(mine) == sorted(c for c in clients if bpf.run(program, frame(src=c)))
        seen += mine
    assert sorted(seen) == sorted(clients)


def test_many_go_in_quickly_and_all_of_them(tables):
    table = tables(1 << 14)
    many = np.zeros(20_000, FLOW_RECORD)
    clients = np.zeros((20_000, 16), np.uint8)
    clients[:, 10:12] = 255
    clients[:, 12:16] = np.arange(20_000, dtype=">u4").view(np.uint8).reshape(-1, 4)
    many["client"] = clients.view("V16").ravel()
    many["server"], many["target"] = 1, 2
    written, _ = write_records(table, many, NOW, RULES)
    assert len(written) == 20_000
    assert len(records_of(table, NOW, RULES)) == 20_000
