"""The flow table as readers in other processes see it."""

import multiprocessing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.datapath.contract import Flow
from engine.datapath.flow_states import CLOSING_S, HALF_OPEN_S, FlowState
from engine.datapath.flowtable import (
    PRINT_SHIFT,
    SERVER_SHIFT,
    WAYS,
    FlowTable,
    Rules,
    empty_rules,
    is_live,
    live_mask,
    pack,
    rules_of,
    table_bytes,
)
from engine.datapath.keys import (
    flow_hash,
    flow_hash_v4,
    flow_hash_v4_vector,
    flow_hash_vector,
    hash_slot,
    hash_slot_vector,
    swap16,
)
from engine.datapath.shared_memory import SharedMemory
from engine.domain.address import Address
from tests.helpers.frames import compiled, server

BUCKETS = 1 << 15
HASH_V4, HASH_V6 = 0x5469935CC2198921, 0x817DA6B2B75CBA7D


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


# -- entries ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table():
    memory = SharedMemory.create("test-flows", table_bytes(4))
    yield FlowTable(memory.view, 4)
    memory.close()


def rules(idle_s: int = 600, generation: int = 3) -> Rules:
    """Server 1 may use targets 1..20, whose generation is given; server 2 has a short idle time."""
    found = empty_rules()
    for number in (1, 2):
        found.member[number << SERVER_SHIFT | 1 : number << SERVER_SHIFT | 21] = generation
    found.idle_s[1], found.idle_s[2] = idle_s, 30
    return Rules(found.member, found.idle_s)


def entry(target=1, server=1, state=FlowState.OPEN, generation=3, seen=1000, flow_hash=0) -> int:
    return pack(target, server, state, generation, seen, flow_hash)


def test_an_entry_has_its_fields_where_the_layout_says():
    packed = pack(0x7FF, 0, 0, 0, 0, 0)
    assert packed == 0x7FF
    assert pack(0, 0x3FF, 0, 0, 0, 0) == 0x3FF << 11
    assert pack(0, 0, 3, 0, 0, 0) == 3 << 21
    assert pack(0, 0, 0, 15, 0, 0) == 15 << 23
    assert pack(0, 0, 0, 0, 0x1FFFF, 0) == 0xFFFF << 27
    assert pack(0, 0, 0, 0, 0, (1 << 64) - 1) == 0x1FFFFF << 43


@pytest.mark.parametrize(
    ("changes", "now_s", "live"),
    [
        ({}, 1000, True),
        ({}, 1600, True),
        ({}, 1601, False),
        ({"seen": 65_500}, 65_500 + 600, True),  # the clock's 16 bits go round
        ({"seen": 65_500}, 65_500 + 601, False),
        ({"seen": 0}, 65_536, True),
        ({"state": FlowState.CLOSING}, 1000 + CLOSING_S, True),
        ({"state": FlowState.CLOSING}, 1001 + CLOSING_S, False),
        ({"state": FlowState.HALF_OPEN}, 1000 + HALF_OPEN_S, True),
        ({"state": FlowState.HALF_OPEN}, 1001 + HALF_OPEN_S, False),
        ({"state": FlowState.FRESH}, 1000 + HALF_OPEN_S, True),
        ({"state": FlowState.FRESH}, 1001 + HALF_OPEN_S, False),
        ({"state": FlowState.HALF_OPEN, "seen": 65_530}, 65_530 + HALF_OPEN_S, True),
        ({"state": FlowState.HALF_OPEN, "seen": 65_530}, 65_531 + HALF_OPEN_S, False),
        ({"server": 2}, 1030, True),
        ({"server": 2}, 1031, False),
        ({"server": 2, "state": FlowState.CLOSING}, 1031, False),  # the shorter of the two
        ({"generation": 4}, 1000, False),
        ({"generation": 2}, 1000, False),
        ({"target": 21}, 1000, False),
        ({"server": 3}, 1000, False),
    ],
)
def test_an_entry_lives_by_its_generation_and_its_age(changes, now_s, live):
    made = entry(**changes)
    assert is_live(made, now_s, rules()) is live
    assert live_mask(np.array([made, made], np.uint64), now_s, rules()).tolist() == [live, live]


def test_a_free_entry_is_not_live():
    assert not is_live(0, 0, rules())
    assert live_mask(np.zeros(2, np.uint64), 0, rules()).tolist() == [False, False]
    assert live_mask(np.zeros(0, np.uint64), 0, rules()).tolist() == []


def test_rules_are_taken_from_the_table():
    made = compiled(server(idle_s=500), server(2, port=443, idle_s=40))
    found = rules_of(made)
    assert found.idle_s[[0, 1, 2, 3]].tolist() == [0, 500, 40, 0]
    assert found.limit_s.reshape(4, -1)[:, [1, 2, 3]].tolist() == [
        [10, 10, 0],  # by FlowState
        [500, 40, 0],
        [60, 40, 0],
        [10, 10, 0],
    ]
    assert found.member[1 << SERVER_SHIFT | 1] == made.member[1, 1]


def hash_in(bucket: int, fingerprint: int) -> int:
    return fingerprint << PRINT_SHIFT | bucket


def test_a_flow_is_found_by_its_fingerprint_and_server_in_its_bucket(table):
    flow = hash_in(2, 77)
    assert table.find(flow, 1) == -1
    table.flat[2 * WAYS + 5] = entry(flow_hash=flow)
    assert table.find(flow, 1) == 2 * WAYS + 5
    assert table.find(flow, 2) == -1
    assert table.find(hash_in(2, 78), 1) == -1
    assert table.find(hash_in(1, 77), 1) == -1
    table.flat[2 * WAYS + 5] = 0
    table.flat[3 * WAYS] = entry(flow_hash=flow)  # the next bucket is not its own
    assert table.find(flow, 1) == -1


def fill(table, bucket, **changes):
    for way in range(WAYS):
        table.flat[bucket * WAYS + way] = entry(
            seen=1000 + (way + 5) % WAYS, flow_hash=hash_in(bucket, way + 1), **changes
        )


def test_room_is_made_in_the_first_void_entry(table):
    fill(table, 1)
    table.flat[WAYS + 3] = entry(generation=4)
    table.flat[WAYS + 6] = 0
    assert table.victim(hash_in(1, 99), 1010, rules()) == WAYS + 3


@pytest.mark.parametrize("state", FlowState)
def test_what_is_in_use_makes_no_room(table, state):
    fill(table, 1, state=state)
    assert table.victim(hash_in(1, 99), 1010, rules()) == -1


def test_a_seed_is_chosen_once_and_found_by_whoever_maps_the_table():
    memories = [SharedMemory.create("test-flows", table_bytes(8)) for _ in range(2)]
    first, other = (FlowTable(memory.view, 8) for memory in memories)
    assert first.seed == 0
    first.choose_seed()
    other.choose_seed()
    assert FlowTable(memories[0].view, 8).seed == first.seed != other.seed
    client = Address.parse("192.0.2.1")
    assert flow_hash(client, 0, 1, first.seed) != flow_hash(client, 0, 1, other.seed)
    for memory in memories:
        memory.close()


def remember(table, index, client, port, **changes):
    address = Address.parse(client)
    high, low = (int.from_bytes(address[at : at + 8], "little") for at in (0, 8))
    table.flat[index] = entry(**changes)
    table.remember_client(index, high, low, swap16(port))


def test_flows_are_told_for_people(table):
    remember(table, 3, "192.0.2.1", 0, target=2, seen=990)
    remember(table, 9, "2001:db8::7", 443, server=2, state=FlowState.CLOSING, seen=995)
    remember(table, 20, "192.0.2.3", 1234, target=5, seen=900, generation=4)  # void
    got = list(table.flows(1000, rules(), 10, None, None))
    assert got == [
        Flow(1, 2, Address.parse("192.0.2.1"), None, 10, FlowState.OPEN),
        Flow(2, 1, Address.parse("2001:db8::7"), 443, 5, FlowState.CLOSING),
    ]
    assert list(table.flows(1000, rules(), 1, None, None)) == got[:1]
    assert list(table.flows(1000, rules(), 10, 1, None)) == got[:1]
    assert list(table.flows(1000, rules(), 10, None, 1)) == got[1:]
    assert list(table.flows(1000, rules(), 10, None, None, Address.parse("2001:db8::7"))) == got[1:]
    assert list(table.flows(1000, rules(), 10, None, None, Address.parse("2001:db8::8"))) == []
    assert table.pairs(1000, rules()) == {(1, 2): 1, (2, 1): 1}


def test_the_number_of_buckets_is_a_power_of_two():
    memory = SharedMemory.create("test-flows", table_bytes(8))
    with pytest.raises(ValueError, match="power of two"):
        FlowTable(memory.view, 6)
    memory.close()
    assert table_bytes(8) == 8 * (64 + 8 * 18) + 8


# -- by hand ------------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 65535), st.integers(0, 512)
        ),
        min_size=1,
        max_size=20,
    )
)
def test_vectors_of_hashes_are_the_single_ones(flows):
    high, low, port, number = (np.array(part, np.uint64) for part in zip(*flows, strict=True))
    expected = [flow_hash(h.to_bytes(8, "little") + w.to_bytes(8, "little"), p, s) for h, w, p, s in flows]
    assert flow_hash_vector(high, low, port, number).tolist() == expected
    assert hash_slot_vector(np.array(expected, np.uint64), np.uint64(7)).tolist() == [
        hash_slot(h, 7) for h in expected
    ]
    clients = low & np.uint64(0xFFFFFFFF)
    by_hand = [flow_hash_v4(int(c), p, s) for c, (_, _, p, s) in zip(clients, flows, strict=True)]
    assert flow_hash_v4_vector(clients, port, number).tolist() == by_hand
    mapped = [
        flow_hash(Address.of(int(c).to_bytes(4, "little")), p, s)
        for c, (_, _, p, s) in zip(clients, flows, strict=True)
    ]
    assert by_hand == mapped


def test_the_hash_stays_as_it_is():
    """Nodes of different versions must agree, and flows must be found after an upgrade."""
    assert flow_hash(Address.parse("192.0.2.1"), 0, 1) == HASH_V4
    assert flow_hash(Address.parse("2001:db8::1"), 80, 2) == HASH_V6
    assert hash_slot(1 << 20, 65537) == 1
    assert hash_slot(1 << 52, 65537) == 0
    assert swap16(0x1234) == 0x3412
