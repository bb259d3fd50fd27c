"""Counters are laid out, added up and published as they are declared."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from engine.datapath import counters as module
from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS, Counters, DropReason, ForwardingTable
from engine.datapath.counters import GENERATION, HEARTBEAT_NS, CounterBlock, numbers, total, word
from engine.datapath.declare import Array, Counter, declared

ALL = declared(Counters, Counter)


@pytest.fixture
def block():
    made = CounterBlock.create()
    yield made
    made.memory.close()


def test_every_field_is_declared_with_a_meaning():
    assert set(ALL) == {f.name for f in fields(Counters)}
    assert all(one.meaning for one in ALL.values())
    arrays = declared(ForwardingTable, Array)
    assert set(arrays) | {"generation", "mtu"} == {f.name for f in fields(ForwardingTable)}
    assert all(one.meaning for one in arrays.values())
    assert declared(ForwardingTable, Counter) == {}


def test_no_two_share_a_word_and_arrays_have_cache_lines_of_their_own():
    taken = [GENERATION, HEARTBEAT_NS]
    for name, one in ALL.items():
        taken += range(word(name), word(name) + one.words)
        if one.shape:
            assert word(name) % 8 == 0
    assert len(taken) == len(set(taken))
    assert max(taken) == module._WORDS - 1


def test_what_is_written_by_words_is_read_by_names(block):
    expected = {}
    for value, (name, one) in enumerate(ALL.items(), 1):
        block.flat[word(name) + one.words - 1] = value
        expected[name] = value
    read = block.read()
    for name, one in ALL.items():
        value = getattr(read, name)
        if one.shape:
            assert value[-1] == expected[name]
            assert value.sum() == expected[name]
            assert getattr(block, name)[-1] == expected[name]
        else:
            assert value == block.get(name) == expected[name]
    block.flat[word("received")] += 1
    block.flat[word("dropped")] += 1
    assert read.received == expected["received"]  # a copy
    assert read.dropped[0] == 0


def test_shapes_are_as_declared(block):
    assert block.dropped.shape == (len(DropReason),)
    assert block.target_bytes.shape == (TARGET_ROWS,)
    assert Counters().server_sessions.shape == (SERVER_ROWS,)
    assert Counters().received == 0
    with pytest.raises(AttributeError):
        _ = block.no_such_counter


def test_sums_maxima_and_what_has_ended():
    def one(value: int) -> Counters:
        rows = np.full(TARGET_ROWS, value)
        return Counters(received=value, swaps=value, target_packets=rows, target_sessions=rows)

    added = total([one(1), one(5), one(3)], [one(100)])
    assert added.received == 109
    assert added.swaps == 5
    assert added.target_packets[[0, -1]].tolist() == [109, 109]
    assert added.target_sessions[7] == 9
    nothing = total([])
    assert nothing.received == nothing.swaps == nothing.target_packets.sum() == 0


def test_an_array_may_be_combined_by_its_maximum():
    one = Counter("", (2,), combine="max", now=False)
    assert one.together([np.array([1, 5]), np.array([4, 2])]).tolist() == [4, 5]
    assert one.together([]).tolist() == [0, 0]


def test_numbers_are_published_by_name():
    found = numbers(Counters(received=3, unrecorded=1))
    assert (found["received"], found["unrecorded"]) == (3, 1)
    assert set(found) == {name for name, one in ALL.items() if not one.shape}


def test_drop_reasons_are_numbered_labelled_and_explained():
    assert [int(reason) for reason in DropReason] == list(range(len(DropReason)))
    assert DropReason.NO_SERVER.label == "no-server"
    assert DropReason.ICMP_NO_FLOW.label == "icmp-no-flow"
    assert all(reason.help for reason in DropReason)
    assert DropReason(2) is DropReason.LOOP


def test_the_empty_table_has_its_fixed_rows_and_nothing_else():
    table = ForwardingTable.empty()
    assert table.generation == table.mtu == 0
    assert table.member.shape == (SERVER_ROWS, 2048)
    assert (table.member == 0xFF).all()
    assert (table.target_weight == 1).all()
    assert table.target_mac.shape == (TARGET_ROWS, 6)
    assert len(table.server_number) == len(table.virtual_addr) == len(table.own_mac) == 0
    for name, one in declared(ForwardingTable, Array).items():
        assert getattr(table, name).dtype == np.dtype(one.dtype), name
