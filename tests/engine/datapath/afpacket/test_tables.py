"""What a worker keeps: choice for new flows, the sweep, session counts."""

from __future__ import annotations

import numpy as np
import pytest

from engine.datapath.afpacket import slot
from engine.datapath.afpacket import tables as module
from engine.datapath.counters import GENERATION
from engine.datapath.flow_states import FlowState
from engine.datapath.flowtable import pack
from engine.datapath.lookup import Lookup
from engine.datapath.table import Compiler
from tests.helpers.frames import OWN, compiled, mac, server

METHODS = ["rr", "random", "hash", "session", "first"]


def test_the_next_in_turn_is_counted_by_server_and_survives_a_change_of_table(worker_tables):
    compiler = Compiler()
    two = (server(), server(2, port=443))
    tables = worker_tables(compiled(*two, compiler=compiler))
    assert [tables.pick(0, 0) for _ in range(3)] == [1, 2, 1]
    assert [tables.pick(1, 0) for _ in range(2)] == [1, 2]
    tables.install(Lookup(compiled(*two, compiler=compiler)))
    assert tables.pick(0, 0) == 2
    assert tables.counters.flat[GENERATION] == 2


def test_every_target_has_its_turn(worker_tables):
    tables = worker_tables(compiled(server(new=(1, 2, 3), keep=())))
    assert [tables.pick(0, 0) for _ in range(4)] == [1, 2, 3, 1]


def test_hash_and_what_is_not_recorded_go_by_the_hash(worker_tables):
    tables = worker_tables(
        compiled(server(method="hash", new=(1, 2, 3), keep=(1, 2, 3)), server(2, port=443))
    )
    buckets = tables.lookup.table.buckets
    assert tables.pick(0, 5 << 20) == tables.pick_by_hash(0, 5 << 20) == buckets[5]
    assert tables.pick_by_hash(1, 0 << 20) == 1
    assert tables.pick_by_hash(1, 1 << 20) == 2
    assert tables.turn == [0] * len(tables.turn)


def test_random_takes_every_bucket(worker_tables):
    tables = worker_tables(compiled(server(method="random", new=(1, 2, 3), keep=())))
    assert {tables.pick(0, 0) for _ in range(200)} == {1, 2, 3}


@pytest.mark.parametrize("method", METHODS)
def test_without_targets_there_is_nothing_to_pick(worker_tables, method):
    tables = worker_tables(compiled(server(method=method, new=(), keep=())))
    assert tables.pick(0, 7) == tables.pick_by_hash(0, 7) == 0


def test_the_fewest_sessions_for_its_weight(worker_tables):
    tables = worker_tables(compiled(server(method="session", new=(2, 1), keep=()), weights={2: 3}))
    tables.counters.target_sessions[1:3] = (1, 4)  # 2/1 and 5/3 with the new one
    assert tables.pick(0, 0) == 2
    tables.counters.target_sessions[1:3] = (1, 6)  # 2/1 and 7/3
    assert tables.pick(0, 0) == 1
    tables.counters.target_sessions[1:3] = (0, 2)  # equal: the first of the two
    assert tables.pick(0, 0) == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_full_target_is_passed_over_and_where_all_are_there_is_none(worker_tables, method):
    three = server(method=method, new=(1, 2, 3), keep=())
    tables = worker_tables(compiled(three, limits={1: 5, 2: 1, 3: 2}))
    sessions = tables.counters.target_sessions
    sessions[1:4] = (4, 1, 2)
    assert {tables.pick(0, n << 20) for n in range(40)} == {1}
    sessions[1] = 5
    assert {tables.pick(0, n << 20) for n in range(40)} == {0}
    sessions[3] = 1
    assert {tables.pick(0, n << 20) for n in range(40)} == {3}


def test_a_full_target_leaves_its_turns_to_the_next(worker_tables):
    tables = worker_tables(compiled(server(new=(1, 2, 3), keep=()), limits={2: 1}))
    tables.counters.target_sessions[2] = 1
    assert [tables.pick(0, 0) for _ in range(6)] == [1, 3, 3, 1, 3, 3]


def test_half_open_flows_fill_no_target_but_weigh(worker_tables):
    tables = worker_tables(compiled(server(method="session"), limits={1: 3, 2: 3}))
    tables.counters.target_half_open[1:3] = (9, 10)
    assert tables.pick(0, 0) == 1
    tables.counters.target_sessions[1] = 2
    assert tables.pick(0, 0) == 2


def test_the_first_target_with_room_is_the_first(worker_tables):
    tables = worker_tables(compiled(server(method="first", new=(3, 1, 2), keep=()), limits={3: 1}))
    assert [tables.pick(0, n << 20) for n in range(3)] == [3, 3, 3]
    tables.counters.target_sessions[3] = 1
    assert [tables.pick(0, n << 20) for n in range(3)] == [1, 1, 1]
    # What is not recorded goes where its first packet went: whoever was first then.
    assert {tables.pick_by_hash(0, n << 20) for n in range(9)} == {3}


@pytest.mark.parametrize("method", METHODS)
def test_limits_are_of_all_workers_together(worker_tables, method):
    table = compiled(server(method=method, new=(1, 2), keep=()), limits={1: 10, 2: 10})
    other = worker_tables(table)
    tables = worker_tables(table, beside=(other,))
    other.counters.target_sessions[1] = 6
    tables.counters.target_sessions[1:3] = (3, 3)
    assert {tables.pick(0, n << 20) for n in range(40)} & {1}
    tables.counters.target_sessions[1] = 4
    assert {tables.pick(0, n << 20) for n in range(40)} == {2}
    other.counters.target_sessions[2] = 7
    assert tables.pick(0, 0) == 0
    assert tables.sessions(np.array([1, 2])).tolist() == [10, 10]


def flow(state: FlowState, seen: int, target: int = 1, generation: int = 0) -> int:
    return pack(target, 1, state, generation, seen, 0)


@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize(
    ("entry", "now_s", "silent"),
    [
        (flow(FlowState.HALF_OPEN, 100), 111, True),
        (flow(FlowState.HALF_OPEN, 100), 110, False),  # it goes elsewhere before its time is over
        (flow(FlowState.HALF_OPEN, 100, generation=1), 111, False),  # its target went
        (flow(FlowState.HALF_OPEN, 100, target=5), 111, False),
        (flow(FlowState.FRESH, 100), 111, False),
        (flow(FlowState.OPEN, 100), 1000, False),
        (flow(FlowState.CLOSING, 100), 1000, False),
        (flow(FlowState.HALF_OPEN, 65_530), 65_541, True),  # the clock's 16 bits go round
        (flow(FlowState.HALF_OPEN, 65_530), 65_540, False),
    ],
)
def test_flows_that_showed_only_syns_to_their_end_are_counted(worker_tables, vectors, entry, now_s, silent):
    tables = worker_tables(compiled(server(keep=(1, 2))))
    tables.count_session(entry, 1)
    if vectors:
        tables.count_ends(np.array([entry], np.uint64), now_s)
    else:
        tables.count_end(entry, now_s)
    assert tables.counters.target_unanswered[1] == silent
    assert tables.counters.target_unanswered.sum() == silent
    counters = tables.counters
    assert not counters.target_half_open.any()
    assert not counters.target_sessions.any()
    assert not counters.server_half_open.any()


def test_the_sweep_counts_what_nobody_answered_once(worker_tables):
    tables = worker_tables(compiled(server()), buckets=1024)
    for place, state in enumerate((FlowState.HALF_OPEN, FlowState.HALF_OPEN, FlowState.FRESH)):
        tables.flows.entries[place] = flow(state, 100)
    tables.recount()
    for now_s in (110, 111, 112):
        tables.sweep(now_s)
    assert tables.counters.target_unanswered[1] == 2
    assert tables.counters.target_half_open[1] == 0


def test_session_counts_go_up_and_down(worker_tables):
    tables = worker_tables(compiled(server()))
    one, other = pack(3, 1, FlowState.OPEN, 0, 0, 0), pack(5, 2, FlowState.CLOSING, 0, 0, 0)
    tables.count_session(one, 1)
    tables.count_sessions(np.array([one, other], np.uint64), 1)
    counters = tables.counters
    assert (counters.target_sessions[3], counters.target_sessions[5]) == (2, 1)
    assert (counters.server_sessions[1], counters.server_sessions[2]) == (2, 1)
    tables.count_sessions(np.array([one], np.uint64), -1)
    tables.count_session(other, -1)
    assert (counters.target_sessions[3], counters.target_sessions[5]) == (1, 0)
    assert (counters.server_sessions[1], counters.server_sessions[2]) == (1, 0)
    tables.flows.entries[7] = other
    tables.recount()
    assert counters.target_sessions.sum() == counters.target_sessions[5] == 1
    assert counters.server_sessions.sum() == counters.server_sessions[2] == 1


def test_a_sweep_takes_a_slice_at_a_time_and_begins_anew_at_the_end(worker_tables):
    tables = worker_tables(compiled(server()), buckets=2 * module._SWEEP_BUCKETS)
    void = pack(1, 1, FlowState.OPEN, 9, 0, 0)
    first, last = 0, len(tables.flows.entries) - 1
    tables.flows.entries[[first, last]] = void
    tables.recount()
    tables.sweep(0)
    assert (tables.flows.entries[first], tables.flows.entries[last]) == (0, void)
    assert tables.counters.target_sessions[1] == 1
    tables.sweep(0)
    assert not tables.flows.entries.any()
    tables.flows.entries[first] = void
    tables.recount()
    tables.sweep(0)
    assert not tables.flows.entries.any()
    assert tables.counters.target_sessions[1] == 0


def test_after_a_change_four_slices_go_at_a_time_until_all_were_looked_at(worker_tables):
    compiler = Compiler()
    tables = worker_tables(compiled(server(), compiler=compiler), buckets=8 * module._SWEEP_BUCKETS)
    tables.install(Lookup(compiled(server(), compiler=compiler)))
    swept = []
    for _ in range(4):
        tables.sweep(0)
        swept.append(tables._swept // module._SWEEP_BUCKETS)
    assert swept == [4, 0, 1, 2]


@pytest.mark.parametrize(("sweeps", "cleared"), [(1, 1), (2, 0)])
def test_before_a_generation_comes_again_every_entry_was_looked_at(
    worker_tables, monkeypatch, sweeps, cleared
):
    """Generations come again after 16 changes: what the sweep between them does not reach is cleared at once."""
    tables = worker_tables(compiled(server()), buckets=8 * module._SWEEP_BUCKETS)
    times = []
    monkeypatch.setattr(tables, "_clear_strangers", times.append)
    for _ in range(module.GENERATIONS - 1):
        tables.install(tables.lookup)
        for _ in range(sweeps):
            tables.sweep(0)
    assert len(times) == cleared


def test_a_live_entry_stays(worker_tables):
    tables = worker_tables(compiled(server()))
    live = pack(1, 1, FlowState.OPEN, tables.generation(1, 1), 10, 0)
    tables.flows.entries[3] = live
    tables.sweep(20)
    assert tables.flows.entries[3] == live


def test_plain_words_are_of_the_table_in_use(worker_tables):
    compiler = Compiler()
    tables = worker_tables(compiled(server(), compiler=compiler))
    own = int.from_bytes(mac(OWN), "little")
    assert tables.plain_words.ravel().tolist() == slot.plain_words(own).ravel().tolist()
    assert tables.plain_words[slot.TO, 0] == (own & 0xFFFF) << 48
    assert tables.plain_words[slot.TO_FROM, 0] == own >> 16
