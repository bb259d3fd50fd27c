"""The question before a target or a server is changed."""

from __future__ import annotations

import pytest

from bngtui.dialogs.confirm import ConfirmDialog
from bngtui.dialogs.dialog import GUARD_S
from bngtui.screens.dashboard import DashboardScreen
from tests.helpers.console_states import make_server, make_target
from tests.helpers.driving import ask, console, screen_text, until


@pytest.mark.parametrize(
    "keys", [["enter"], ["escape"], ["n"], ["q"], ["ctrl+c"], ["right", "left", "enter"]]
)
async def test_cancel_is_the_default(engine, run_dir, keys):
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(pilot.app.screen, DashboardScreen))
        assert "Nothing was changed: target 1 web1 stays as it is." in screen_text(pilot.app)
        await pilot.pause(0.1)
        assert not engine.calls


@pytest.mark.parametrize("keys", [["y"], ["right", "enter"], ["tab", "enter"]])
async def test_ways_to_confirm(engine, run_dir, keys):
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        await pilot.press(*keys)
        await until(pilot, lambda: engine.calls)


@pytest.mark.parametrize("trigger", ["e", "d", "r"])
async def test_the_opening_key_never_confirms(engine, run_dir, trigger):
    targets = [make_target(1, [1], admin="draining" if trigger == "e" else "enabled"), make_target(2, [1])]
    engine.publish(targets=targets, servers=[make_server(1, [1, 2], targets)])
    async with console(run_dir) as pilot:
        await ask(pilot, trigger)
        await pilot.press(*[trigger] * 5)
        assert isinstance(pilot.app.screen, ConfirmDialog)
        assert not engine.calls


async def test_keys_that_come_too_soon_are_no_answer(engine, run_dir):
    now = 100.0
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        dialog = pilot.app.screen
        dialog.guard._clock = lambda: now
        dialog.guard.close()
        await pilot.press("y", "enter", "escape")
        assert pilot.app.screen is dialog
        now += GUARD_S
        # The opening key repeats: the finger is still on it, so the pause begins again.
        await pilot.press("d", "y")
        assert pilot.app.screen is dialog
        now += GUARD_S - 0.01
        await pilot.press("y")
        assert pilot.app.screen is dialog
        now += 0.02
        await pilot.press("y")
        await until(pilot, lambda: engine.calls)


async def test_the_last_healthy_target_wants_its_number(engine, run_dir):
    targets = [make_target(1, [1], health="down"), make_target(12, [1])]
    engine.publish(targets=targets, servers=[make_server(1, [1, 12], targets)])
    async with console(run_dir) as pilot:
        await pilot.press("j")
        await ask(pilot, "d")
        assert "server 1 www keeps NO healthy target" in screen_text(pilot.app)
        await pilot.press("y", "right")
        assert isinstance(pilot.app.screen, ConfirmDialog)
        await pilot.press("1", "enter")
        assert "1 is not 12: nothing was done" in screen_text(pilot.app)
        await pilot.press("1", "3", "backspace", "2")
        await pilot.pause(0.1)
        assert not engine.calls
        await pilot.press("enter")
        await until(pilot, lambda: engine.calls)
        assert engine.calls[0][0].numbers == [12]


async def test_the_last_healthy_target_is_kept_where_nothing_is_typed(engine, run_dir):
    targets = [make_target(1, [1])]
    engine.publish(targets=targets, servers=[make_server(1, [1], targets)])
    async with console(run_dir) as pilot:
        await ask(pilot, "r")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DashboardScreen))
        assert not engine.calls
