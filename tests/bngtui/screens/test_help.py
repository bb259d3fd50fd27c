"""The help page."""

from __future__ import annotations

import pytest

from bngtui.screens.dashboard import DashboardScreen
from bngtui.screens.help import HelpScreen
from tests.helpers.driving import console, screen_text


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help(engine, run_dir, key):
    async with console(run_dir, (80, 24)) as pilot:
        await pilot.press(key)
        assert isinstance(pilot.app.screen, HelpScreen)
        assert "Change (asks before it does)" in screen_text(pilot.app)
        await pilot.press("end")
        assert "↓" not in screen_text(pilot.app).splitlines()[0]
        await pilot.press("d")
        assert isinstance(pilot.app.screen, HelpScreen)
        await pilot.press("q")
        assert isinstance(pilot.app.screen, DashboardScreen)
