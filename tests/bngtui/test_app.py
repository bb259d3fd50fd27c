"""The application: themes, drawing anew, news at most so often, and the end."""

from __future__ import annotations

import time

import pytest

from bngtui.render import zone
from tests.helpers.driving import console, screen_text, until


async def test_themes_go_round(engine, run_dir):
    async with console(run_dir) as pilot:
        seen = [pilot.app.theme]
        while len(seen) == 1 or seen[-1] != seen[0]:
            await pilot.press("t")
            seen.append(pilot.app.theme)
            assert "Targets 40" in screen_text(pilot.app)
        assert sorted(seen[1:]) == sorted(pilot.app._themes)


async def test_redraw_keeps_the_screen(engine, run_dir):
    async with console(run_dir) as pilot:
        before = screen_text(pilot.app)
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert screen_text(pilot.app) == before


async def test_the_mouse_selects_nothing_that_could_be_copied(engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        await pilot.mouse_down(offset=(5, 8))
        await pilot.hover(offset=(40, 20))
        assert pilot.app.screen.get_selected_text() is None
        await pilot.mouse_up(offset=(40, 20))


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quit(engine, run_dir, key):
    async with console(run_dir) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: pilot.app._exit)
        assert pilot.app.return_code == 0


async def test_news_are_shown_at_most_once_a_refresh(engine, run_dir):
    async with console(run_dir, refresh_s=0.5) as pilot:
        shown = []
        renew = pilot.app.screen.renew
        pilot.app.screen.renew = lambda: (shown.append(1), renew())
        for _ in range(20):
            engine.publish(uptime_s=engine.current.uptime_s + 0.05)
            await pilot.pause(0.05)
        assert 1 <= len(shown) <= 4


async def test_a_key_turns_the_zone_around(engine, run_dir, monkeypatch):
    monkeypatch.setenv("TZ", "XYZ-5:30")
    time.tzset()
    try:
        async with console(run_dir) as pilot:
            assert "12:00:07" in screen_text(pilot.app)
            assert "7, UTC" in screen_text(pilot.app)
            await pilot.press("T")
            assert "17:30:07" in screen_text(pilot.app)
            assert "7, XYZ" in screen_text(pilot.app)
            assert "Times are in XYZ." in screen_text(pilot.app)
            await pilot.press("T")
            assert "7, UTC" in screen_text(pilot.app)
    finally:
        zone.use_local(on=False)
        monkeypatch.undo()
        time.tzset()


async def test_ctrl_q_does_not_leave_by_reflex(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("ctrl+s", "ctrl+q", "enter", "ctrl+q")
        assert not pilot.app._exit
        assert len(pilot.app.screen_stack) == 2
        assert "Ctrl-Q does not leave" in screen_text(pilot.app)
