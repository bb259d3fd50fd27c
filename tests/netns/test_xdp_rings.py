"""Rings that decide, in the program: what the slow words say of each segment it does, and no connection is broken."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from engine.datapath.contract import DropReason
from engine.datapath.keys import flow_hash, hash_slot, swap16
from engine.datapath.table import Compiler, ServerInput, TargetInput
from engine.datapath.xdp.rings import Rings
from engine.domain.address import Address
from tests.conftest import lacking
from tests.helpers.xdp_run import TX, Run, refusal
from tests.reference.build import OWN, ether, ip, padded, segment, target_mac
from tests.reference.tracked import BUCKETS, IDLE_S, TARGETS, A, History, S

VIP, CLIENT = bytes((172, 16, 1, 10)), bytes((192, 0, 2, 1))
SERVER = 1


@pytest.fixture(scope="module", autouse=True)
def _program_allowed():
    if reason := refusal():
        lacking(reason)


def a_table(**changes):
    """A server by hash with every target; the ring and who may keep flows are the test's."""
    numbers = tuple(range(1, TARGETS + 1))
    server = ServerInput(
        SERVER, Address.of(VIP), 80, "tcp", "hash", by_port=True, idle_s=IDLE_S, new=numbers, keep=numbers
    )
    targets = [TargetInput(n, f"10.0.0.{n}:80", target_mac(n)) for n in numbers]
    made = Compiler().compile(
        [server], targets, virtual=[server.address], own_mac=[OWN], blocked_mac=[], mtu=1500
    )
    return replace(made, **changes)


class InProgram:
    """The program in place of the slow words."""

    def __init__(self, lines: int = 1024) -> None:
        self.run = Run(lines, rings_decide=True)
        self.run.program.rings = Rings(BUCKETS)
        self._flows: dict[int, int] = {}  # ports

    def begin(self, target, members):
        self.follow(target, members, 1000)
        return self

    def follow(self, target, members, now_s):
        member = np.full_like(a_table().member, 0xFF)
        member[SERVER, : len(members)] = members
        length = np.array([len(target) if target.any() else 0], np.uint32)
        table = a_table(buckets=target[: length[0]], bucket_len=length, member=member)
        self.run.program.install(table, now_s)

    def settle(self, _buckets, now_s):
        self.run.program.settle(now_s)

    def segment(self, flow, bucket, flags, now_s):
        if flow not in self._flows:
            self._flows[flow] = next(p for p in count(flow * 64) if place(p) == bucket)
        frame = padded(ether(ip(CLIENT, VIP, 6, segment(self._flows[flow], 80, flags))))
        action, out = self.run.decide(frame, now_s)
        return out[5] if action == TX else 0


def place(port):
    return hash_slot(flow_hash(Address.of(CLIENT), swap16(port), SERVER), BUCKETS)


@pytest.fixture
def program():
    one = InProgram()
    yield one
    one.run.close()


@pytest.mark.parametrize("seed", range(1, 31))
def test_the_program_does_what_the_slow_words_say(program, seed):
    slow, fast = History(seed), History(seed, program.begin)
    assert slow.play(60) == fast.play(60)
    assert fast.went == slow.went


def ring(*targets):
    return np.array(targets, np.uint16)


def members(*numbers):
    found = np.full(TARGETS + 1, 0xFF, np.uint8)
    found[list(numbers)] = 0
    return found


def entries(program):
    return int(np.count_nonzero(program.run.program.flows.entries))


def test_in_the_steady_state_nothing_is_written_down(program):
    program.begin(ring(1, 2, 3, 1, 2), members(1, 2, 3))
    for flow in range(1, 200):
        program.segment(flow, flow % BUCKETS, S, 1000)
    assert entries(program) == 0


def test_a_flood_of_syns_fills_nothing_but_what_is_in_transition(program):
    program.begin(ring(1, 1, 1, 1, 1), members(1, 2))
    program.follow(ring(2, 1, 1, 1, 1), members(1, 2), 1001)
    for flow in range(1, 101):
        program.segment(flow, flow % BUCKETS, S, 1001)
    assert entries(program) == 20


def test_without_room_a_new_connection_stays_with_those_that_have_no_entry():
    program = InProgram(lines=1)
    try:
        program.begin(ring(*[1] * BUCKETS), members(1, 2))
        program.follow(ring(*[2] * BUCKETS), members(1, 2), 1001)
        went = [program.segment(flow, flow % BUCKETS, S, 1001) for flow in range(1, 21)]
        assert went == [2] * 8 + [1] * 12
        assert [program.segment(flow, flow % BUCKETS, A, 1002) for flow in range(1, 21)] == went
        assert program.run.program.counters().unrecorded == 24
    finally:
        program.run.close()


def test_errors_go_where_their_flow_is(program):
    program.begin(ring(*[1] * BUCKETS), members(1, 2))
    program.follow(ring(*[2] * BUCKETS), members(1, 2), 1001)
    began = program.segment(1, 0, S, 1001)

    def error(flow):
        port = program._flows[flow].to_bytes(2, "big")
        quote = ip(VIP, CLIENT, 6, b"\0\x50" + port + bytes(4))
        message = padded(ether(ip(bytes((198, 51, 100, 1)), VIP, 1, b"\x03\x04" + bytes(6) + quote)))
        action, out = program.run.decide(message, 1001)
        return out[5] if action == TX else action

    program._flows[2] = next(p for p in count(5000) if place(p) == 1)
    assert [began, error(1), error(2)] == [2, 2, 1]
    assert entries(program) == 1


def test_a_ring_without_targets_keeps_what_it_had(program):
    program.begin(ring(*[1] * BUCKETS), members(1))
    program.follow(ring(*[0] * BUCKETS), members(1), 1001)
    assert program.segment(1, 0, A, 1001) == 1
    assert program.segment(2, 0, S, 1001) == 0
    assert program.run.program.counters().dropped[DropReason.NO_TARGET] == 1


def test_a_ring_that_begins_finds_what_has_entries_elsewhere(program):
    """A server that went by the table until now: its flows are where their entries say."""
    kept = program.run.program
    kept.rings = None
    program.begin(ring(1, 2, 3, 1, 2), members(1, 2, 3))
    began = [program.segment(flow, flow % BUCKETS, S, 1000) for flow in range(1, 50)]
    kept.rings = Rings(BUCKETS)
    program.follow(ring(3, 3, 3, 3, 3), members(1, 2, 3), 1001)
    assert [program.segment(flow, flow % BUCKETS, A, 1002) for flow in range(1, 50)] == began
