"""Compilation: large configurations are quick, tables survive the way through shared memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

from engine.datapath.contract import NOT_MEMBER, ForwardingTable, Pick
from engine.datapath.declare import Array, declared
from engine.datapath.shared_memory import load_table, store_table
from engine.datapath.table import Compiler, ServerInput, TargetInput, buckets
from engine.domain.address import Address
from tests.helpers.frames import compiled, server


def everything(method: str) -> tuple[list[ServerInput], list[TargetInput]]:
    targets = [
        TargetInput(n, f"10.0.{n >> 8}.{n & 255}:80", bytes([2, 0, 0, 0, n >> 8, n & 255]))
        for n in range(1, 1025)
    ]
    servers = [
        ServerInput(
            n,
            Address.parse(f"10.1.{n >> 8}.{n & 255}"),
            80,
            "tcp",
            method,
            False,
            600,
            (2 * n - 1, 2 * n),
            (2 * n - 1, 2 * n),
        )
        for n in range(1, 513)
    ]
    return servers, targets


@pytest.mark.parametrize("method", ["rr", "random", "first", "session"])
def test_512_servers_and_1024_targets_compile_in_under_a_second(method):
    servers, targets = everything(method)
    start = time.perf_counter()
    table = Compiler().compile(
        servers,
        targets,
        virtual=[s.address for s in servers],
        own_mac=[b"\2" * 6],
        blocked_mac=[t.mac for t in targets],
        mtu=1500,
    )
    memory = store_table(table)
    took = time.perf_counter() - start
    memory.close()
    assert took < 1.0
    assert len(table.server_number) == 512


def test_a_table_comes_back_from_shared_memory_as_it_was():
    table = compiled(server(), server(2, port=443, new=(3,), keep=(3, 4)))
    memory = store_table(table)
    again = load_table(memory)
    assert (again.generation, again.mtu) == (table.generation, table.mtu)
    for name in declared(ForwardingTable, Array):
        assert np.array_equal(getattr(again, name), getattr(table, name)), name
    memory.close()


def test_generations_move_on_when_a_target_loses_its_flows():
    compiler = Compiler()
    first = compiled(server(new=(1, 2), keep=(1, 2)), compiler=compiler)
    away = compiled(server(new=(2,), keep=(2,)), compiler=compiler)
    back = compiled(server(new=(1, 2), keep=(1, 2)), compiler=compiler)
    assert away.member[1, 1] == NOT_MEMBER
    assert first.member[1, 1] != back.member[1, 1]
    assert first.member[1, 2] == away.member[1, 2] == back.member[1, 2]


def test_weighted_turns_are_spread_not_bunched():
    two = [TargetInput(1, "a", b"\2" * 6, 2), TargetInput(2, "b", b"\2" * 6, 1)]
    assert buckets("rr", two).tolist() == [1, 2, 1]


def test_one_target_is_one_bucket_whatever_the_method():
    for method in ("rr", "random", "hash", "session", "first"):
        assert buckets(method, [TargetInput(7, "a:80", bytes(6), 3)]).tolist() == [7]


def test_weight_zero_gets_nothing_and_huge_weights_stay_small():
    def pair(one: int, other: int) -> list[TargetInput]:
        return [TargetInput(1, "a", b"\2" * 6, one), TargetInput(2, "b", b"\2" * 6, other)]

    assert set(buckets("rr", pair(0, 1)).tolist()) == {2}
    assert len(buckets("rr", pair(0, 0))) == 0
    large = buckets("rr", pair(65535, 1))
    assert len(large) < 5000
    assert set(large.tolist()) == {1, 2}


def test_a_table_says_of_each_server_what_its_input_said():
    table = compiled(
        server(
            7, port=0, protocol="any", by_port=True, idle_s=33, method="session", new=(3, 1), keep=(1, 3, 5)
        ),
        server(9, port=443, method="random", new=(2,), keep=()),
        server(11, port=8080, method="hash", new=(), keep=(4,)),
    )
    assert table.server_number.tolist() == [7, 9, 11]
    assert table.server_port.tolist() == [0, 443, 8080]
    assert table.server_protocol.tolist() == [0, 6, 6]
    assert table.server_by_port.tolist() == [1, 0, 0]
    assert table.idle_s[table.server_number].tolist() == [33, 600, 600]
    assert table.server_pick.tolist() == [Pick.LEAST, Pick.RANDOM, Pick.HASH]
    assert table.bucket_start.tolist() == [0, 2, 3]
    assert table.bucket_len.tolist() == [2, 1, 0]
    assert table.buckets.tolist() == [3, 1, 2]
    members = np.argwhere(table.member != NOT_MEMBER).tolist()
    assert members == [[7, 1], [7, 3], [7, 5], [11, 4]]
    assert table.target_weight[[0, 1, 1024]].tolist() == [1, 1, 1]
    assert not table.target_mac[9:].any()
    assert table.generation == 1


def test_a_generation_goes_round_after_sixteen_losses():
    compiler = Compiler()
    seen = []
    for _ in range(17):
        seen.append(int(compiled(server(new=(1,), keep=(1,)), compiler=compiler).member[1, 1]))
        compiled(server(new=(2,), keep=(2,)), compiler=compiler)
    assert seen == [*range(16), 0]


def test_a_target_with_another_identity_is_another_target():
    compiler = Compiler()

    def member(identity: str) -> int:
        table = compiler.compile(
            [server(new=(1,), keep=(1,))],
            [TargetInput(1, identity, bytes(6))],
            virtual=[],
            own_mac=[],
            blocked_mac=[],
            mtu=1500,
        )
        return int(table.member[1, 1])

    assert [member("a:80"), member("a:80"), member("b:80"), member("b:80")] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("weights", "turns"),
    [
        ([1, 1], [1, 2]),
        ([4, 2], [1, 2, 1]),
        ([3, 1], [1, 1, 2, 1]),
        ([0, 2, 2], [2, 3]),
        ([5], [1]),
    ],
)
def test_a_round_is_as_short_as_weights_allow(weights, turns):
    made = [TargetInput(n, f"{n}", bytes(6), weight) for n, weight in enumerate(weights, 1)]
    assert buckets("rr", made).tolist() == turns
    assert buckets("random", made).tolist() == turns


def test_a_round_of_4096_turns_is_kept_and_a_longer_one_is_shared():
    def turns(one: int, other: int) -> list[int]:
        made = [TargetInput(1, "a", bytes(6), one), TargetInput(2, "b", bytes(6), other)]
        return np.bincount(buckets("rr", made), minlength=3).tolist()[1:]

    assert turns(4095, 1) == [4095, 1]
    assert turns(8192, 1) == [4095, 1]
    assert turns(10_000, 5_001) == [2730, 1365]


def test_buckets_by_session_and_first_are_the_targets_themselves():
    made = [TargetInput(n, f"{n}", bytes(6), 3) for n in (5, 2, 9)]
    assert buckets("session", made).tolist() == [5, 2, 9]
    assert buckets("first", made).tolist() == [5, 2, 9]
    hashed = buckets("hash", made)
    assert len(hashed) == 65537
    assert set(hashed.tolist()) == {2, 5, 9}


def test_a_server_that_is_disabled_and_enabled_again_keeps_its_flows():
    compiler = Compiler()
    generations = []
    for answers in (True, False, True):
        table = compiled(server(answers=answers), compiler=compiler)
        assert table.server_number.tolist() == ([1] if answers else [])
        assert table.idle_s[1] == 600
        generations.append(table.member[1, 1:3].tolist())
    assert generations[0] == generations[1] == generations[2]
    away = compiled(server(answers=False, new=(2,), keep=(2,)), compiler=compiler)
    assert away.member[1, 1] == NOT_MEMBER
    back = compiled(server(), compiler=compiler)
    assert back.member[1, 1] != generations[0][0]  # its target lost them meanwhile
