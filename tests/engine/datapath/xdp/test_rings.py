"""Rings that decide: buckets in transition, and the theorem that no connection is broken, over random histories."""

from __future__ import annotations

import numpy as np
import pytest

from engine.datapath.contract import NOT_MEMBER
from engine.datapath.table import Compiler, ServerInput, TargetInput
from engine.datapath.xdp.rings import IN_TRANSITION, Ring, Rings, decides
from engine.domain.address import Address
from tests.reference.tracked import BrokenError, History

HISTORIES = range(1, 401)
"""A hundred thousand: python -m tests.reference.tracked --histories 100000."""


def members(*numbers, generation=0):
    found = np.full(8, NOT_MEMBER, np.uint8)
    found[list(numbers)] = generation
    return found


def ring(*target, keep=(1, 2, 3)):
    return Ring(np.array(target, np.uint16), 30, members(*keep))


def follow(one, *target, keep=(1, 2, 3), now_s=100.0, generation=0):
    one.follow(np.array(target, np.uint16), 30, members(*keep, generation=generation), now_s)


def test_a_bucket_that_changes_while_its_target_keeps_flows_is_in_transition():
    one = ring(1, 1, 2)
    follow(one, 1, 3, 2)
    assert one.buckets().tolist() == [1, 3 | IN_TRANSITION, 2]
    assert one.before.tolist() == [0, 1, 0]


def test_a_bucket_whose_target_is_down_goes_over_at_once():
    one = ring(1, 1, 2)
    follow(one, 3, 3, 2, keep=(2, 3))
    assert one.buckets().tolist() == [3, 3, 2]
    assert not one.before.any()


def test_of_changes_that_overlap_the_first_target_stays_the_one_before():
    one = ring(1, 2)
    follow(one, 2, 2, now_s=100.0)
    follow(one, 3, 2, now_s=110.0)
    assert one.before.tolist() == [1, 0]
    assert one.since_s[0] == 100.0
    follow(one, 3, 2, keep=(2, 3), now_s=120.0)
    assert one.before.tolist() == [0, 0]  # it went down: what has no entry goes by the ring
    assert one.marked.tolist() == [True, False]  # and entries may differ from that


def test_a_target_that_failed_and_came_back_is_not_the_one_before():
    one = ring(1, 1)
    follow(one, 1, 2)
    follow(one, 1, 2, generation=1)
    assert not one.before.any()


def test_a_transition_ends_after_one_idle_time_and_the_mark_when_nothing_differs():
    one = ring(1, 1)
    follow(one, 2, 1, now_s=100.0)
    none = np.zeros(0, np.intp)
    assert not len(one.expire(130.0))
    assert one.settle(none).tolist() == []
    assert one.expire(133.0).tolist() == [0]
    assert one.settle(np.array([0])).tolist() == []
    assert one.settle(none).tolist() == [0]
    assert one.buckets().tolist() == [2, 1]


def table(*servers):
    targets = [
        TargetInput(n, f"10.0.0.{n}:80", bytes((2, 0, 0, 0, 1, n)), limit=5 * (n == 3)) for n in (1, 2, 3)
    ]
    made = [
        ServerInput(
            number=n,
            address=Address.parse(f"172.16.1.{n}"),
            port=80,
            protocol=protocol,
            method=method,
            by_port=by_port,
            idle_s=30,
            new=new,
            keep=new,
            answers=answers,
        )
        for n, (protocol, method, by_port, new, answers) in enumerate(servers, start=1)
    ]
    return Compiler().compile(
        made, targets, virtual=[s.address for s in made], own_mac=[bytes(6)], blocked_mac=[], mtu=1500
    )


def test_only_where_a_syn_tells_a_new_flow_the_ring_decides():
    found = table(
        ("tcp", "hash", True, (1, 2), True),
        ("tcp", "hash", False, (1, 2), True),
        ("udp", "hash", True, (1, 2), True),
        ("any", "hash", True, (1, 2), True),
        ("tcp", "rr", True, (1, 2), True),
        ("tcp", "hash", True, (1, 2, 3), True),
    )
    assert [decides(found, row) for row in range(6)] == [True, False, False, False, False, False]


def test_a_ring_outlives_a_server_that_does_not_answer():
    rings = Rings()
    rings.follow(table(("tcp", "hash", True, (1, 2), True)), 100)
    first = rings.by_number[1]
    rings.follow(table(("tcp", "hash", True, (1, 2), False)), 101)
    assert rings.by_number[1] is first
    rings.follow(table(("tcp", "hash", True, (1, 2), True)), 102)
    assert rings.by_number[1] is first
    assert not first.marked.any()
    rings.follow(table(("tcp", "rr", True, (1, 2), True)), 103)
    assert not rings.by_number


def test_no_connection_is_broken():
    assert sum(History(seed).play(60) for seed in HISTORIES) > 10_000


def _too_soon(right):
    def expire(self, now_s):
        return right(self, now_s + 20)

    return expire


def _blind(right):
    def settle(self, _):
        return right(self, np.zeros(0, np.intp))

    return settle


def _the_latest_before(right):
    """Take the target of the last change for the one before, also where changes overlap."""

    def follow(self, target, idle_s, generation, now_s):
        self.before[:] = 0
        right(self, target, idle_s, generation, now_s)

    return follow


@pytest.mark.parametrize(
    ("name", "fault"),
    [("expire", _too_soon), ("settle", _blind), ("follow", _the_latest_before)],
)
def test_a_ring_that_is_wrong_breaks_some(name, fault, monkeypatch):
    monkeypatch.setattr(Ring, name, fault(getattr(Ring, name)))

    def play_all() -> None:
        for seed in HISTORIES:
            History(seed).play(60)

    with pytest.raises(BrokenError):
        play_all()
