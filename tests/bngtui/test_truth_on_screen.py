"""What the console may not say: that all is well while the engine is away, and that a change was not done that was."""

from __future__ import annotations

import asyncio

from bngtui.dialogs.confirm import ConfirmDialog
from engine.api.client import Client
from tests.helpers.console_states import busy_state, make_state
from tests.helpers.driving import ask, console, footer, screen_text, text_of, until
from tests.helpers.fake_engine import FakeEngine


def header(pilot):
    return text_of(pilot).splitlines()[0]


async def test_of_an_engine_that_is_gone_alarms_are_unknown_and_the_role_is_old(run_dir):
    for size in ((80, 24), (120, 40), (200, 60)):
        async with FakeEngine(run_dir, make_state()) as engine, console(run_dir, size) as pilot:
            assert "no alarms" in header(pilot)
            await engine.server.close()
            await until(pilot, lambda: "? alarms unknown" in header(pilot))
            assert "MASTER " in header(pilot)
            assert " ago " in header(pilot)
            assert "✖ engine not reachable" in header(pilot)
            assert "no alarms" not in header(pilot)
            role = next(
                span
                for span in pilot.app.screen.query("Header").first().paint(size[0], 2)[0].spans
                if span.text.startswith("MASTER")
            )
            assert role.role == "muted"


async def test_while_the_data_is_old_no_key_is_offered_that_changes_anything(engine, run_dir):
    async with console(run_dir) as pilot:
        assert "d disable" in footer(pilot)
        engine.silent = True
        await until(pilot, lambda: "d disable" not in footer(pilot))
        assert "▲ data " in header(pilot)
        assert "? alarms unknown, 2 then" in header(pilot)
        await pilot.press("d")
        assert not isinstance(pilot.app.screen, ConfirmDialog)
        assert "nothing can be changed until the engine tells" in footer(pilot)
        engine.publish()
        await until(pilot, lambda: "2 alarms" in header(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "d disable" in footer(pilot))


async def test_an_answer_that_does_not_come_leaves_it_unknown_and_it_is_done_after_all(
    engine, run_dir, monkeypatch
):
    whole = Client.request

    async def hasty(self, op, *, timeout_s=10, **args):
        return await whole(self, op, timeout_s=min(timeout_s, 0.2), **args)

    monkeypatch.setattr(Client, "request", hasty)
    call = engine.call

    async def late(*args):
        await asyncio.sleep(0.6)
        return await call(*args)

    engine.call = late
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        await pilot.press("y")
        await until(pilot, lambda: "Unknown, it may have been done" in footer(pilot))
        await until(pilot, lambda: "○ disabled   1  web1" in text_of(pilot))


async def test_the_picture_is_held_over_a_restart_of_the_engine(run_dir):
    async with FakeEngine(run_dir, busy_state(5)), console(run_dir) as pilot:
        await pilot.press("z")
        assert "Targets 5" in text_of(pilot)
        first = pilot.app.store.shown
        pilot.app.store.take_state(make_state(boot_id="boot-2"), pilot.app.store._read_at)
        pilot.app.screen.renew()
        await pilot.pause()
        assert "Targets 5" in text_of(pilot)
        assert pilot.app.store.shown is first
        await pilot.press("z")
        assert "Targets 2" in text_of(pilot)


async def test_the_keys_of_a_trial_go_when_another_console_confirms_it(config_engine, run_dir):
    text = config_engine.file.read_text()
    async with console(run_dir, (160, 40)) as pilot:
        await pilot.app.connection.ask(
            "apply", text=text.replace("weight 1", "weight 3"), file="bng.conf", confirm_within_s=60
        )
        await until(pilot, lambda: "revision 2 on trial" in screen_text(pilot.app))
        pilot.app.say("Revision 2 runs on trial: F8 keeps it, F9 takes it back.", "warning")
        async with await Client.connect(run_dir / "operator.sock") as other:
            await other.request("confirm")
        await until(pilot, lambda: "The trial is over: revision 2 was confirmed" in footer(pilot))
        assert "F8" not in text_of(pilot)
