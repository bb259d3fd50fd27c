"""What the console asks of the engine: asked first, done, and the outcome said."""

from __future__ import annotations

import os

import msgspec

from bngtui.dialogs.question import QuestionDialog
from bngtui.screens.dashboard import DashboardScreen
from bngtui.screens.details import DetailsScreen
from engine.api.client import Client
from engine.config.load import load
from engine.domain.errors import OpError
from tests.helpers.config_engine import SEED
from tests.helpers.console_states import make_state
from tests.helpers.driving import answer, ask, console, screen_text, shown, text_of, until
from tests.helpers.fake_engine import FakeEngine


async def test_a_change_is_asked_done_and_reported(engine, run_dir):
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        text = screen_text(pilot.app)
        assert "Disable target 1 web1?" in text
        assert "104 sessions end at once" in text
        assert "server 2 shop keeps" in text
        assert not engine.calls
        await pilot.press("y")
        await until(pilot, lambda: engine.calls)
        args, actor = engine.calls[0]
        assert (args.what, args.action, args.numbers) == ("target", "disable", [1])
        assert actor.pid == os.getpid()
        await until(pilot, lambda: "Done: target 1 web1 is disabled." in screen_text(pilot.app))
        await until(pilot, lambda: "○ disabled   1  web1" in screen_text(pilot.app))
        await pilot.press("d")
        assert "target 1 web1 is disabled already." in screen_text(pilot.app)
        await ask(pilot, "e")
        assert "gets new flows at once" in screen_text(pilot.app)
        await pilot.press("y")
        await until(pilot, lambda: "● up         1  web1" in screen_text(pilot.app))
        await ask(pilot, "r")
        assert "may finish" in screen_text(pilot.app)
        await pilot.press("y")
        await until(pilot, lambda: "◐ draining   1  web1" in screen_text(pilot.app))
        assert [args.action for args, _ in engine.calls] == ["disable", "enable", "drain"]


async def test_servers_are_changed_from_their_panel(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("1", "j", "r")
        assert "only targets drain" in screen_text(pilot.app)
        await ask(pilot, "d")
        assert "172.16.1.11:80 stops serving" in screen_text(pilot.app)
        await pilot.press("2", "enter")
        await until(pilot, lambda: engine.calls)
        args, _ = engine.calls[0]
        assert (args.what, args.action, args.numbers) == ("server", "disable", [2])


async def test_other_panels_have_nothing_to_change(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("3", "d")
        assert "Select a target or a server first" in screen_text(pilot.app)


async def test_a_refusal_is_shown_in_the_engines_words(engine, run_dir):
    engine.refusal = OpError("refused", "a reload is under way")
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        await pilot.press("y")
        await until(pilot, lambda: "Refused: a reload is under way" in screen_text(pilot.app))


async def test_while_frozen_the_question_is_about_now(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("z")
        engine.publish(targets=[msgspec.structs.replace(t, sessions=7777) for t in engine.current.targets])
        await until(pilot, lambda: pilot.app.store.live.targets[0].sessions == 7777)
        await ask(pilot, "d")
        assert "7,777 sessions end at once" in screen_text(pilot.app)


async def test_the_picture_goes_on_behind_the_question(engine, run_dir):
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        engine.publish(hostname="renamed")
        await until(pilot, lambda: " renamed " in screen_text(pilot.app))
        assert "Disable target 1 web1?" in screen_text(pilot.app)


async def test_the_engine_goes_between_question_and_answer(run_dir):
    async with console(run_dir, wait=False) as pilot:
        async with FakeEngine(run_dir, make_state()) as fake:
            await until(pilot, lambda: "● live" in screen_text(pilot.app))
            await ask(pilot, "d")
        await until(pilot, lambda: pilot.app.store.connection == "down")
        await pilot.press("y")
        await until(pilot, lambda: "The engine is not reachable: nothing" in screen_text(pilot.app))
        assert not fake.calls


async def test_read_only(engine, run_dir):
    async with console(run_dir, read_only=True) as pilot:
        text = screen_text(pilot.app)
        assert "READ-ONLY" in text
        for word in ("enable", "disable ", "drain "):
            assert word not in text.splitlines()[-1]
        for key in ("e", "d", "r"):
            await pilot.press(key)
            assert isinstance(pilot.app.screen, DashboardScreen)
            assert "READ-ONLY: nothing can be changed from this console." in screen_text(pilot.app)
        await pilot.press("enter", "d")
        assert isinstance(pilot.app.screen, DetailsScreen)
        assert not engine.calls
        assert pilot.app.connection._client.hello.role == "monitor"


async def test_any_console_counts_down_and_confirms(config_engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        async with await Client.connect(run_dir / "operator.sock") as client:
            await client.request("apply", text=SEED.replace("weight 1", "weight 7"), confirm_within_s=60)
        await shown(pilot, "▲ revision 2 on trial: back to 1 in ")
        await pilot.press("f8")
        await shown(pilot, "Confirmed: revision 2 stays, and is in the file.")
        await shown(pilot, "revision 2 confirmed")
        await pilot.press("f9")
        await shown(pilot, "No change waits to be confirmed.")


async def test_a_trial_is_counted_down_in_a_read_only_console_without_keys(config_engine, run_dir):
    async with console(run_dir, read_only=True) as pilot:
        async with await Client.connect(run_dir / "operator.sock") as client:
            await client.request("apply", text=SEED.replace("weight 1", "weight 7"), confirm_within_s=60)
        await shown(pilot, "▲ revision 2 on trial: back to 1 in ")
        assert "F8" not in text_of(pilot)
        await pilot.press("f8", "f9")
        assert config_engine.transactions.trial is not None


async def test_what_differs_from_the_file_is_shown_and_saved(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("W")
        await shown(pilot, "Nothing to save")
        config_engine.overridden[2] = "disabled"
        config_engine.publish()
        await shown(pilot, "▲ target 2 disabled (file: enabled); W saves")
        await pilot.press("colon", *"operational state")
        await shown(pilot, "write operational state into its file")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
        assert "target 2 disabled (file: enabled)" in text_of(pilot)
        await answer(pilot, "y")
        await shown(pilot, "Saved: the file is revision 2.")
        saved = load(config_engine.file.read_text(), "bng.conf").config
        assert [target.enabled for target in saved.targets] == [True, False]
        assert "// two web servers" in config_engine.file.read_text()
