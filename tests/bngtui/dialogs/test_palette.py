"""Every action by its name."""

from __future__ import annotations

from bngtui.screens.dashboard import DashboardScreen
from bngtui.screens.revisions import RevisionsScreen
from tests.helpers.driving import console, shown, until


async def test_the_palette_does_what_is_chosen(config_engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        await pilot.press("colon", *"history")
        await shown(pilot, "its history")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RevisionsScreen))
        await pilot.press("escape", "colon", *"xyzzy")
        await shown(pilot, "nothing here does that")
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, DashboardScreen)
