"""The preparation of tables that take long to make."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from engine.datapath import table
from engine.datapath.table import ServerInput, TargetInput
from engine.domain.address import Address
from engine.forwarding import forwarding as module
from tests.engine.forwarding.conftest import DECISIONS

TARGETS = [TargetInput(n, f"10.0.0.{n}:80", bytes([2, 0, 0, 0, 0, n])) for n in range(1, 41)]


def hashing(number: int) -> ServerInput:
    pair = (2 * number - 1, 2 * number)
    return ServerInput(number, Address.parse(f"10.9.0.{number}"), 80, "tcp", "hash", False, 600, pair, pair)


class Inputs:
    """Twenty servers with tables of their own, all on interface 1."""

    targets = TARGETS

    def __init__(self, *_: object) -> None: ...

    def servers(self, interface: int) -> list[ServerInput]:
        return [hashing(n) for n in range(1, 21)] if interface == 1 else []


async def test_maglev_tables_are_made_beforehand_and_others_have_their_turns_meanwhile(play, monkeypatch):
    play.follow()
    table._maglev.cache_clear()
    monkeypatch.setattr(module, "Inputs", Inputs)
    turns = 0

    async def somebody_else():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(somebody_else(), name="somebody else")
    await play.forwarding.prepare({})
    other.cancel()
    assert table._maglev.cache_info().currsize == 20
    assert turns >= 10  # each table takes longer than the others may have to wait
    misses = table._maglev.cache_info().misses
    await play.forwarding.prepare({})
    assert table._maglev.cache_info().misses == misses


async def test_others_have_a_turn_whenever_it_has_taken_longer_than_they_may_have_to_wait(play, monkeypatch):
    play.follow()
    clock, turns = [1000], []

    def make(_method: str, _targets: list[TargetInput]) -> None:
        clock[0] += 1

    async def sleep(_delay: float) -> None:
        turns.append(clock[0])

    monkeypatch.setattr(module, "Inputs", Inputs)
    monkeypatch.setattr(module, "buckets", make)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(module, "TURN_S", 2)
    await play.forwarding.prepare({})
    assert turns == [1003, 1006, 1009, 1012, 1015, 1018]


async def test_preparation_makes_what_compilation_needs(play):
    play.follow()
    table._maglev.cache_clear()
    await play.forwarding.prepare(DECISIONS)
    misses = table._maglev.cache_info().misses
    assert misses == 1  # of server 1; server 2 has one target
    play.forwarding.compile(DECISIONS)
    assert table._maglev.cache_info().misses == misses
