"""What `Forwarding` does without a network: the preparation of tables."""

from __future__ import annotations

import asyncio

from engine.datapath import table
from engine.datapath.table import ServerInput, TargetInput
from engine.forwarding import Forwarding

TARGETS = [TargetInput(n, f"10.0.0.{n}:80", bytes([2, 0, 0, 0, 0, n])) for n in range(1, 41)]


def hashing(number: int) -> ServerInput:
    pair = (2 * number - 1, 2 * number)
    return ServerInput(number, f"10.9.0.{number}", 80, "tcp", "hash", False, 600, pair, pair)


async def test_maglev_tables_are_made_beforehand_and_others_have_their_turns_meanwhile(monkeypatch):
    table._maglev.cache_clear()
    forwarding = object.__new__(Forwarding)
    forwarding._datapaths = {1: None}
    monkeypatch.setattr(forwarding, "_targets", lambda: TARGETS)
    monkeypatch.setattr(forwarding, "_servers", lambda _number, _decisions: map(hashing, range(1, 21)))
    turns = 0

    async def somebody_else():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(somebody_else(), name="somebody else")
    await forwarding.prepare({})
    other.cancel()
    assert table._maglev.cache_info().currsize == 20
    assert turns >= 10  # each table takes longer than the others may have to wait
    misses = table._maglev.cache_info().misses
    await forwarding.prepare({})
    assert table._maglev.cache_info().misses == misses
