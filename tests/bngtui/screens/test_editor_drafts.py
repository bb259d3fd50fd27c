"""No text is lost: drafts, two consoles at once, an engine that goes and comes."""

from __future__ import annotations

import stat

from bngtui.dialogs.question import QuestionDialog
from bngtui.screens.dashboard import DashboardScreen
from tests.helpers.config_engine import SEED, ConfigEngine
from tests.helpers.driving import answer, console, make_app, shown, text_of, until
from tests.helpers.editing import (
    apply,
    go,
    open_editor,
    other_applies,
    set_weight,
)


async def test_who_has_typed_nothing_is_shown_what_runs(config_engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        await go(pilot, 20, 5)
        await other_applies(run_dir, SEED.replace("weight 1", "weight 7"))
        await until(pilot, lambda: "weight 7" in screen.area.text)
        await shown(pilot, "Shown now: revision 2 by root")
        assert screen.area.cursor_location == (19, 4)


async def test_two_consoles_keep_two_drafts(config_engine, run_dir, state_home):
    async with console(run_dir) as one:
        await open_editor(one)
        await set_weight(one, 3)
        two = make_app(run_dir)
        async with two.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: two.store.shown is not None)
            await open_editor(pilot)
            await set_weight(pilot, 4)
            drafts = state_home / "bngtui" / "drafts"
            await until(pilot, lambda: len(list(drafts.glob("*.draft"))) == 2)


async def test_a_text_survives_its_console_and_is_offered_again(config_engine, run_dir, state_home):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 42)
        await until(pilot, lambda: list((state_home / "bngtui" / "drafts").glob("*.draft")))
    (kept,) = (state_home / "bngtui" / "drafts").glob("*.draft")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    async with console(run_dir) as pilot:
        await pilot.press("C")
        await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
        assert "a text of" in text_of(pilot)
        assert "made from revision 1" in text_of(pilot)
        await answer(pilot, "g")
        screen = pilot.app.screen
        await until(pilot, lambda: "weight 42" in screen.area.text)
        await pilot.press("x")  # the text has the keys
        assert "          weight 42x\n" in screen.area.text  # and the cursor is where it was
        await pilot.press("ctrl+z")
        await apply(pilot)
        await until(pilot, lambda: not kept.exists())


async def test_leaving_asks_and_the_text_can_be_kept_or_discarded(config_engine, run_dir, state_home):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        await set_weight(pilot, 42)
        await pilot.press("escape")
        await answer(pilot, "enter")
        assert pilot.app.screen is screen
        await pilot.press("escape")
        await answer(pilot, "k")
        await until(pilot, lambda: isinstance(pilot.app.screen, DashboardScreen))
        assert list((state_home / "bngtui" / "drafts").glob("*.draft"))
        await pilot.press("C")
        await answer(pilot, "g")
        await until(pilot, lambda: "weight 42" in pilot.app.screen.area.text)
        await pilot.press("ctrl+q")
        assert pilot.app.screen.area.text
        await pilot.press("escape")
        await answer(pilot, "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, DashboardScreen))
        assert not list((state_home / "bngtui" / "drafts").glob("*.draft"))


async def test_nothing_typed_nothing_asked(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await pilot.press("x", "backspace", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DashboardScreen))


async def test_the_engine_goes_and_comes_and_the_text_stays(run_dir):
    async with console(run_dir, wait=False) as pilot:
        async with ConfigEngine(run_dir):
            await until(pilot, lambda: "● live" in text_of(pilot))
            screen = await open_editor(pilot)
            await set_weight(pilot, 3)
        await until(pilot, lambda: pilot.app.store.connection == "down")
        await pilot.press("1")
        async with ConfigEngine(run_dir) as config_engine:
            await until(pilot, lambda: pilot.app.store.connection == "up", timeout_s=10)
            assert "weight 31" in screen.area.text
            await shown(pilot, "checked by the engine")
            await apply(pilot)
            assert "weight 31" in config_engine.transactions.running.text
