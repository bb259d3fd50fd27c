"""Compilation: large configurations are quick, tables survive the way through shared memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

from engine.datapath.contract import ARRAYS, NOT_MEMBER
from engine.datapath.shared_memory import load_table, store_table
from engine.datapath.table import Compiler, ServerInput, TargetInput, buckets
from tests.helpers.frames import compiled, server


def everything(method: str) -> tuple[list[ServerInput], list[TargetInput]]:
    targets = [
        TargetInput(n, f"10.0.{n >> 8}.{n & 255}:80", bytes([2, 0, 0, 0, n >> 8, n & 255]))
        for n in range(1, 1025)
    ]
    servers = [
        ServerInput(
            n,
            f"10.1.{n >> 8}.{n & 255}",
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
    for name, _ in ARRAYS:
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
