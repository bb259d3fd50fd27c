"""Everything about one row, live."""

from __future__ import annotations

from bngtui.screens.dashboard import DashboardScreen
from bngtui.screens.details import DetailsScreen
from tests.helpers.driving import ask, console, screen_text, until


async def test_details_of_every_kind_of_row(engine, run_dir):
    async with console(run_dir, (100, 40)) as pilot:
        for key, words in [
            ("2", ["Target 1 web1", "tcpopen 80", "round trip 0.3 ms", "this target is a primary"]),
            ("1", ["Server 1 www", "Backups", "5 web5"]),
            ("3", ["Event 7", "root(0) pid 812"]),
            ("4", ["ARP 172.16.1.10", "net.ipv4.conf.all.arp_ignore=1", "Recent events"]),
            ("5", ["Node", "ARP conflict: 02:00:00:00:02:03 (target 3) answers for it"]),
        ]:
            await pilot.press(key, "enter")
            assert isinstance(pilot.app.screen, DetailsScreen)
            text = screen_text(pilot.app)
            for word in words:
                assert word in text
            await pilot.press("escape")
            assert isinstance(pilot.app.screen, DashboardScreen)


async def test_details_are_live_and_change_from_there(engine, run_dir):
    async with console(run_dir, (100, 45)) as pilot:
        await pilot.press("enter")
        engine.happen(subject="target 1", message="something new")
        engine.publish()
        await until(pilot, lambda: "something new" in screen_text(pilot.app))
        await ask(pilot, "d")
        assert "Disable target 1 web1?" in screen_text(pilot.app)
        await pilot.press("y")
        await until(pilot, lambda: "Done: target 1 web1 is disabled." in screen_text(pilot.app))
        await until(pilot, lambda: "○ disabled" in screen_text(pilot.app))
        engine.publish(targets=engine.current.targets[1:])
        await until(pilot, lambda: "Target 1 is not in the running configuration." in screen_text(pilot.app))
