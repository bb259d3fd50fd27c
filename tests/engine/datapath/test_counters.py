"""Counters are laid out, added up and published as they are declared."""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from typing import get_args, get_type_hints

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.datapath import contract
from engine.datapath import counters as module
from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS, Counters, DropReason, ForwardingTable, Pick
from engine.datapath.counters import GENERATION, HEARTBEAT_NS, CounterBlock, numbers, total, word
from engine.datapath.declare import Array, Counter, declared
from engine.datapath.flowtable import FlowState
from tests.helpers.paths import ROOT

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
            assert value.ravel()[-1] == expected[name]
            assert value.sum() == expected[name]
            assert getattr(block, name).ravel()[-1] == expected[name]
        else:
            assert value == block.get(name) == expected[name]
    block.flat[word("received")] += 1
    block.flat[word("dropped")] += 1
    assert read.received == expected["received"]  # a copy
    assert read.dropped[0] == 0


def test_shapes_are_as_declared(block):
    assert block.dropped.shape == (len(DropReason),)
    assert block.target_bytes.shape == (TARGET_ROWS,)
    assert block.server_dropped.shape == (SERVER_ROWS, len(DropReason))
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


def test_two_reasons_of_one_number_are_an_error():
    assert DropReason.__members__.keys() == {reason.name for reason in DropReason}
    assert Pick.__members__.keys() == {pick.name for pick in Pick}
    assert FlowState.__members__.keys() == {state.name for state in FlowState}


def names_used() -> set[str]:
    """Names that the datapath's code takes as an attribute, or as a counter's word."""
    found = set()
    for path in (ROOT / "engine" / "datapath").rglob("*.py"):
        if path.name in {"contract.py", "table.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case (
                    ast.Attribute(attr=name)
                    | ast.Call(func=ast.Name(id="word"), args=[ast.Constant(value=name)])
                ):
                    found.add(name)
    return found


def test_every_counter_is_counted_and_every_field_of_the_table_read():
    unused = {*ALL, *declared(ForwardingTable, Array)} - names_used()
    assert not unused, "declared in contract.py, and nobody uses it"


def test_the_types_of_arrays_are_those_of_their_annotations():
    names = {"NDArray": NDArray, "Self": object}
    annotated = get_type_hints(ForwardingTable, contract.__dict__ | names)
    for name, one in declared(ForwardingTable, Array).items():
        (element,) = get_args(get_args(annotated[name])[1])
        assert np.dtype(element) == np.dtype(one.dtype), name
    annotated = get_type_hints(Counters, contract.__dict__ | names)
    for name, one in ALL.items():
        assert annotated[name] == (NDArray[np.int64] if one.shape else int), name


@pytest.mark.parametrize(
    ("field", "made", "why"),
    [
        ("server_port", np.zeros(0, np.uint32), r"server_port is declared as uint16 \('S',\).*uint32 \(0,\)"),
        ("server_port", np.zeros((0, 1), np.uint16), r"server_port .*uint16 \(0, 1\)"),
        ("server_port", np.zeros(3, np.uint16), r"server_port .*uint16 \(3,\)"),
        ("own_mac", np.zeros((1, 8), np.uint8), r"own_mac .*uint8 \(1, 8\)"),
        ("idle_s", np.zeros(512, np.uint16), r"idle_s .*uint16 \(512,\)"),
    ],
)
def test_an_array_that_is_not_as_declared_makes_no_table(field, made, why):
    with pytest.raises(TypeError, match=why):
        replace(ForwardingTable.empty(), **{field: made})


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
