"""What the clients of one role may cost together."""

from __future__ import annotations

import asyncio
import struct
import time

import pytest

from engine.api import limits
from engine.api.limits import BURST_S, SMALL_BYTES, Budget, Costs, Share
from engine.api.server import Server


async def until(said):
    async with asyncio.timeout(5):
        while not said():  # noqa: ASYNC110 - what is waited for happens inside the server
            await asyncio.sleep(0.01)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def test_what_is_spent_is_waited_for_by_who_comes_next():
    clock = Clock()
    share = Share(0.2, clock)
    share.spend(BURST_S)
    await asyncio.wait_for(share.turn(), 0.05)
    share.spend(0.01)
    begun = time.monotonic()
    await share.turn()
    assert 0.045 <= time.monotonic() - begun < 1, "0.01 s at a fifth"
    clock.now = 1.0
    share.spend(BURST_S)
    await asyncio.wait_for(share.turn(), 0.05)


async def test_the_time_of_a_block_is_spent_and_operators_never_wait():
    share = Share(0.2)
    with share.spending():
        end = time.thread_time() + BURST_S + 0.02
        while time.thread_time() < end:
            pass
    begun = time.monotonic()
    await share.turn()
    assert time.monotonic() - begun > 0.05
    unlimited = Costs("operator").share
    unlimited.spend(1_000)
    await asyncio.wait_for(unlimited.turn(), 0.05)


async def test_large_frames_wait_for_room_in_their_order_and_small_ones_do_not():
    budget, order = Budget(10 * SMALL_BYTES), []

    async def take(name, size):
        await budget.take(size)
        order.append(name)

    await take("first", 8 * SMALL_BYTES)
    waiting = [asyncio.create_task(take(n, s * SMALL_BYTES)) for n, s in (("large", 5), ("later", 2))]
    await asyncio.sleep(0.01)
    await take("small", SMALL_BYTES)
    assert order == ["first", "small"]
    budget.give_back(8 * SMALL_BYTES)
    await asyncio.gather(*waiting)
    assert order == ["first", "small", "large", "later"]
    for size in (5, 2):
        budget.give_back(size * SMALL_BYTES)
    assert budget.left == 10 * SMALL_BYTES
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await budget.take(11 * SMALL_BYTES)
    await asyncio.wait_for(take("after it", 10 * SMALL_BYTES), 1)


async def test_frames_of_all_clients_together_are_bounded_and_room_comes_back(
    raw, backend, tmp_path, monkeypatch
):
    monkeypatch.setitem(limits.INCOMING_BYTES, "monitor", 1024 * 1024)
    server = Server(backend, tmp_path / "run", frame_s=2.0)
    await server.start()
    room = server._costs["monitor"].incoming
    async with raw("monitor") as one, raw("monitor") as two, raw() as operator:
        for peer in (one, two, operator):
            await peer.frame()
        await one.send(struct.pack(">I", 900_000) + b"x")
        await until(lambda: room.left == 1024 * 1024 - 900_000)
        two.writer.write(raw.framed({"id": 1, "op": "check", "args": {"text": "x" * 500_000}}))
        await asyncio.sleep(0.05)
        assert room.left == 1024 * 1024 - 900_000  # the second waits
        assert (await operator.ask({"id": 1, "op": "version"}))["ok"]
        refusal = await one.frame()
        assert "not complete within" in refusal["error"]["message"]
        assert (await two.frame())["id"] in {0, 1}
    await until(lambda: room.left == 1024 * 1024)
    states = {s.role: s for s in server.sockets()}
    assert states["monitor"].refused["malformed"] >= 1
    assert states["operator"].refused == {}
    assert states["operator"].requests == 1
    await server.close()


async def test_of_those_who_take_nothing_the_slowest_goes_where_too_much_waits(
    raw, backend, tmp_path, monkeypatch
):
    monkeypatch.setitem(limits.OUTGOING_BYTES, "monitor", 100)
    monkeypatch.setattr("engine.api.server.IDLE_S", 0.05)
    server = Server(backend, tmp_path / "run")
    await server.start()
    async with raw("monitor") as deaf, raw("monitor") as good, raw() as operator:
        for peer in (deaf, good, operator):
            await peer.frame()
        deaf.writer.transport.pause_reading()
        for number in range(400):
            deaf.writer.write(raw.framed({"id": number, "op": "state"}))
        async with asyncio.timeout(5):
            while sum(s.disconnected for s in server.sockets()) == 0:
                server.keep_within_bounds()
                await asyncio.sleep(0.02)
        assert (await good.ask({"id": 1, "op": "version"}))["ok"]
        assert (await operator.ask({"id": 1, "op": "version"}))["ok"]
    assert {s.role: s.disconnected for s in server.sockets()} == {"operator": 0, "monitor": 1}
    await server.close()


async def test_an_order_whose_client_has_gone_is_not_begun(raw, server, backend):
    begun = asyncio.Event()

    async def call(op, _args, actor):
        begun.set()
        await asyncio.sleep(0.1)
        return actor.left()

    backend.call = call
    async with raw() as peer:
        await peer.frame()
        await peer.send(raw.framed({"id": 1, "op": "save"}) + raw.framed({"id": 2, "op": "confirm"}))
        await begun.wait()
    await asyncio.sleep(0.3)
    (operator,) = [s for s in server.sockets() if s.role == "operator"]
    assert operator.requests <= 2
    assert operator.refused.get("refused", 0) == operator.requests - 1
