"""What the console costs, measured on a real pty with a real process: bytes to the terminal and CPU time."""

from __future__ import annotations

import asyncio
import random
import signal

import msgspec
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from bngtui.terminal.partial_updates import ExactUpdate
from tests.helpers.console_states import busy_state, move
from tests.helpers.driving import Pty, cpu_s
from tests.helpers.fake_engine import FakeEngine

WARM_S = 3.0
MEASURE_S = 8.0


async def cost(engine, console, advance):
    """Return bytes/s to the terminal and the share of a core, with a new state every second."""
    await console.until(lambda: "● live" in console.text() and "Trend" in console.text())
    loop = asyncio.get_running_loop()
    start = None
    began = loop.time()
    for beat in range(1, round(WARM_S + MEASURE_S) + 1):
        new = advance(engine.current)
        engine.publish(**{name: getattr(new, name) for name in new.__struct_fields__})
        await asyncio.sleep(began + beat - loop.time())
        if start is None and beat >= WARM_S:
            start = loop.time(), console.received, cpu_s(console.pid)
    passed = loop.time() - start[0]
    return (console.received - start[1]) / passed, (cpu_s(console.pid) - start[2]) / passed


def older(state):
    return msgspec.structs.replace(state, uptime_s=state.uptime_s + 1)


@pytest.mark.slow
@pytest.mark.terminal
async def test_forty_targets_that_change_every_second(run_dir):
    chance = random.Random(7)
    async with FakeEngine(run_dir, busy_state(40)) as engine, Pty("--run-dir", str(run_dir)) as console:
        sent, cpu = await cost(engine, console, lambda state: move(state, chance))
        print(f"moving: {sent:.0f} B/s, {cpu:.2%} of a core")
        assert 0 < sent < 10 * 1024
        assert cpu < 0.05
        # The cells sent one by one are the same picture as the whole screen sent at once.
        await asyncio.sleep(1.5)
        piecemeal = console.text()
        console.screen.reset()
        console.type("\x0c")
        await console.until(lambda: "● live" in console.text() and "q quit" in console.text())
        await asyncio.sleep(0.3)
        assert console.text() == piecemeal
        assert "web1 " in piecemeal


@pytest.mark.slow
@pytest.mark.terminal
async def test_nothing_changes(run_dir):
    async with FakeEngine(run_dir, busy_state(40)) as engine, Pty("--run-dir", str(run_dir)) as console:
        sent, cpu = await cost(engine, console, older)
        print(f"still: {sent:.0f} B/s, {cpu:.2%} of a core")
        assert sent < 1024
        assert cpu < 0.05


@pytest.mark.terminal
async def test_a_stopped_terminal_delays_nobody_and_catches_up(run_dir):
    chance = random.Random(7)
    async with FakeEngine(run_dir, busy_state(40)) as engine, Pty("--run-dir", str(run_dir)) as console:
        await console.until(lambda: "● live" in console.text())
        console.read(on=False)
        loop = asyncio.get_running_loop()
        slowest = 0.0
        for _ in range(400):
            before = loop.time()
            engine.publish(targets=move(engine.current, chance).targets)
            slowest = max(slowest, loop.time() - before)
            await asyncio.sleep(0.002)
        assert slowest < 0.05
        engine.publish(hostname="caught-up")
        console.read(on=True)
        await console.until(lambda: "caught-up" in console.text())


@pytest.mark.terminal
async def test_a_console_that_cannot_write_still_ends_on_sigterm(run_dir):
    async with FakeEngine(run_dir, busy_state(40)) as engine, Pty("--run-dir", str(run_dir)) as console:
        await console.until(lambda: "● live" in console.text())
        console.read(on=False)
        # Every theme is a whole screen; soon neither the pty nor Textual's queue takes more.
        for _ in range(60):
            console.type("t")
            engine.publish()
            await asyncio.sleep(0.02)
        import os

        os.kill(console.pid, signal.SIGTERM)
        assert await console.exit_code() == 143


def test_an_update_sends_the_cells_of_its_spans_and_no_others():
    red, blue = Style(color="red"), Style(color="blue")
    chops = [{0: Strip([Segment("abc", red), Segment("def", blue)]), 6: Strip([Segment("ghij", blue)])}]
    update = ExactUpdate(chops, [(0, 2, 8)], [[6, 10]])
    out = update.render_segments(Console(force_terminal=True, color_system="truecolor"))
    assert out == "\x1b[1;3H\x1b[0;31mc\x1b[0;34mdef\x1b[0m\x1b[1;7H\x1b[0;34mgh\x1b[0m"
