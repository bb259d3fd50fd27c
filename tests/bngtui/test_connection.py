"""The engine goes and comes, and who may only watch is told."""

from __future__ import annotations

import asyncio
import ctypes
import re
import struct

import pytest

from bngtui.screens.dashboard import DashboardScreen
from tests.helpers.console_states import make_state
from tests.helpers.driving import console, make_app, screen_text, until
from tests.helpers.fake_engine import FakeEngine

CAP_DAC_OVERRIDE = 1
_CAPABILITIES = struct.Struct(
    "=6I"
)  # effective, permitted, inheritable, the low words and then the high ones


def capabilities(call: str, data: ctypes.Array[ctypes.c_char]) -> None:
    header = struct.pack("=Ii", 0x2008_0522, 0)  # version 3, this thread (capget(2))
    assert getattr(ctypes.CDLL(None), call)(ctypes.create_string_buffer(header), data) == 0


@pytest.fixture
def no_privilege(run_dir):
    """Be a user who may open monitor.sock only: one that files' modes hold for, as they do not for root."""
    before = ctypes.create_string_buffer(_CAPABILITIES.size)
    capabilities("capget", before)

    def become() -> None:
        (run_dir / "operator.sock").chmod(0)
        (run_dir / "monitor.sock").chmod(0o666)
        effective, *others = _CAPABILITIES.unpack(before.raw[: _CAPABILITIES.size])
        less = _CAPABILITIES.pack(effective & ~(1 << CAP_DAC_OVERRIDE), *others)
        capabilities("capset", ctypes.create_string_buffer(less, len(less)))

    yield become
    capabilities("capset", before)


async def test_who_may_not_operate_is_told_and_may_watch(engine, run_dir, no_privilege):
    no_privilege()
    async with console(run_dir) as pilot:
        await until(
            pilot, lambda: "operator.sock is not permitted to you: READ-ONLY." in screen_text(pilot.app)
        )
        assert "READ-ONLY" in screen_text(pilot.app).splitlines()[0]
        await pilot.press("d")
        assert isinstance(pilot.app.screen, DashboardScreen)


async def test_it_starts_before_the_engine(run_dir):
    async with console(run_dir, (80, 24), wait=False) as pilot:
        await until(pilot, lambda: "The engine is not reachable." in screen_text(pilot.app))
        text = screen_text(pilot.app)
        assert f"{run_dir}/operator.sock: no such socket" in text
        assert "bng-engine run" in text
        async with FakeEngine(run_dir, make_state()):
            await until(pilot, lambda: "● live" in screen_text(pilot.app))
            assert "web2" in screen_text(pilot.app)


async def test_it_says_when_the_engine_is_gone_and_picks_it_up_again(run_dir):
    async with console(run_dir, wait=False) as pilot:
        async with FakeEngine(run_dir, make_state()):
            await until(pilot, lambda: "● live" in screen_text(pilot.app))
        await until(pilot, lambda: "engine not reachable, last seen 12:00:30" in screen_text(pilot.app))
        assert "web2" in screen_text(pilot.app)
        await pilot.press("d")
        assert "The engine is not reachable: nothing can be changed." in screen_text(pilot.app)
        async with FakeEngine(run_dir, make_state(boot_id="boot-2", uptime_s=2.0), events=[]):
            await until(pilot, lambda: "● live" in screen_text(pilot.app), timeout_s=10)
            await until(pilot, lambda: "The engine was restarted" in screen_text(pilot.app))
            assert pilot.app.store.events == []
            assert len(pilot.app.store.history.of("target", 1)) == 1


async def test_an_engine_that_falls_silent_is_told_by_the_age(engine, run_dir):
    async with console(run_dir) as pilot:
        engine.silent = True
        pilot.app.store._read_at -= 7
        await until(pilot, lambda: re.search(r"data (?:[7-9]|\d\d) s old", screen_text(pilot.app)))
        engine.publish()
        await until(pilot, lambda: "● live" in screen_text(pilot.app))


async def test_the_pause_between_attempts_grows_to_a_limit(run_dir, monkeypatch):
    app = make_app(run_dir)
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr("bngtui.connection.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await app.connection.run()
    assert waits == [0.25, 0.5, 1, 2, 4, 5, 5, 5]
