"""The dashboard: every key that moves, narrows, orders and holds what is seen."""

from __future__ import annotations

import re

import msgspec
import pytest

from bngtui.render.layout import PANELS
from engine.domain.notices import Alarm
from tests.helpers.driving import console, screen_text, until


def panel(pilot, name=None):
    screen = pilot.app.screen_stack[0]
    return screen._panels[name or screen.active]


def selected(pilot):
    return panel(pilot).view.row.target.number


async def test_moving(engine, run_dir):
    async with console(run_dir) as pilot:
        assert selected(pilot) == 1
        for keys, number in [
            (["down"], 2),
            (["j"], 3),
            (["up"], 2),
            (["k"], 1),
            (["k"], 1),
            (["end"], 40),
            (["home"], 1),
            (["G"], 40),
            (["g"], 1),
        ]:
            await pilot.press(*keys)
            assert selected(pilot) == number, keys
        page = panel(pilot).page
        await pilot.press("pagedown")
        assert selected(pilot) == page
        assert "▸" in screen_text(pilot.app)
        await pilot.press("pageup")
        assert selected(pilot) == 1


async def test_selection_stays_on_its_target_when_the_order_changes(engine, run_dir):
    async with console(run_dir, worst_first=True) as pilot:
        assert [row.target.number for row in panel(pilot).view.rows[:6]] == [3, 12, 9, 4, 7, 1]
        await pilot.press("home", *["j"] * 7)
        assert selected(pilot) == 5
        engine.publish(targets=engine.current.targets[::-1])
        await until(pilot, lambda: panel(pilot).view.rows[0].target.number == 12)
        assert selected(pilot) == 5
        line = next(text for text in screen_text(pilot.app).splitlines() if "▸" in text)
        assert "web5 " in line


async def test_filter_is_typed_kept_and_dropped(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("slash", *"web1", "x", "backspace")
        assert "/web1█" in screen_text(pilot.app)
        assert len(panel(pilot).view.rows) == 11
        assert not engine.calls  # "e" and "d" were letters
        await pilot.press("enter")
        text = screen_text(pilot.app)
        assert "/web1 11 of 40" in text
        assert "q quit" in text
        await pilot.press("escape")
        assert len(panel(pilot).view.rows) == 40
        await pilot.press("slash", *"nothing has this")
        assert "Nothing matches /nothing has this; Esc shows all 40." in screen_text(pilot.app)
        await pilot.press("escape")
        assert panel(pilot).view.needle == ""


@pytest.mark.parametrize("key", ["f", "exclamation_mark"])
async def test_faults_only(engine, run_dir, key):
    async with console(run_dir) as pilot:
        await pilot.press(key)
        assert [row.target.number for row in panel(pilot).view.rows] == [3, 4, 7, 9, 12]
        assert "faults only 5 of 40" in screen_text(pilot.app)
        await pilot.press(key)
        assert len(panel(pilot).view.rows) == 40


async def test_order_is_kept_over_news(engine, run_dir):
    async with console(run_dir) as pilot:
        while panel(pilot).view.order != "pps":
            await pilot.press("s")
        assert "pkt/s↓" in screen_text(pilot.app)
        first = panel(pilot).view.rows[0].target.number
        assert first == 40
        targets = [
            msgspec.structs.replace(t, pps=1e9 if t.number == 6 else t.pps) for t in engine.current.targets
        ]
        engine.publish(targets=targets)
        await until(pilot, lambda: panel(pilot).view.rows[0].target.number == 6)
        await pilot.press("o")
        assert "pkt/s↑" in screen_text(pilot.app)
        await pilot.press("S")
        assert panel(pilot).view.order == "address"


@pytest.mark.parametrize("key", ["z", "space"])
async def test_freeze(engine, run_dir, key):
    async with console(run_dir) as pilot:
        await pilot.press(key)
        first = re.search(r"■ frozen (\d+) s", screen_text(pilot.app))
        assert first
        renamed = [msgspec.structs.replace(t, name="other") for t in engine.current.targets]
        alarm = Alarm(severity="error", subject="target 9", message="down: refused")
        engine.publish(targets=renamed, alarms=[alarm])
        await until(pilot, lambda: pilot.app.store.live.targets[0].name == "other")
        await until(pilot, lambda: "✖ 1 alarm, error" in screen_text(pilot.app))
        assert " web1 " in screen_text(pilot.app)
        await until(
            pilot, lambda: int(re.search(r"■ frozen (\d+) s", screen_text(pilot.app))[1]) > int(first[1])
        )
        await pilot.press(key)
        assert " other " in screen_text(pilot.app)
        assert "frozen" not in screen_text(pilot.app).splitlines()[0]


async def test_panels(engine, run_dir):
    for size in ((80, 24), (120, 40), (200, 60)):
        async with console(run_dir, size) as pilot:
            screen = pilot.app.screen
            order = [screen.active]
            for _ in PANELS:
                await pilot.press("tab")
                order.append(screen.active)
                assert screen.active in set(screen.shown_panels())
                assert sum(line.count("▌") for line in screen_text(pilot.app).splitlines()) == 1
            assert order == ["targets", "events", "arp", "node", "servers", "targets"]
            await pilot.press("shift+tab")
            assert screen.active == "servers"
            for number, name in enumerate(PANELS, 1):
                await pilot.press(str(number))
                assert screen.active == name
                assert name in set(screen.shown_panels())
            await pilot.press("2", "m")
            assert set(screen.shown_panels()) == {"targets"}
            await pilot.press("4")
            assert set(screen.shown_panels()) == {"arp"}
            await pilot.press("m")
            assert len(set(screen.shown_panels())) >= 3


async def test_copy(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("j", "j", "c")
        assert pilot.app.clipboard.startswith("✖ down\t3\tweb3\t172.17.2.103:80\t")
        assert "does not accept 172.16.1.10" in pilot.app.clipboard


async def test_resizing(engine, run_dir):
    async with console(run_dir, (200, 60)) as pilot:
        for size in ((80, 24), (40, 10), (120, 40), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.05)
            lines = screen_text(pilot.app).splitlines()
            assert len(lines) == size[1]
            assert lines[0].startswith(" lb1")
            assert "Targets" in screen_text(pilot.app)
