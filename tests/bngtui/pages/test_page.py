"""What every page does with keys that come in a burst, and with answers that come late."""

from __future__ import annotations

import pytest
from textual import events

from bngtui.dialogs.confirm import ConfirmDialog
from bngtui.dialogs.dialog import GUARD_S
from bngtui.dialogs.line_input import LineInput
from bngtui.dialogs.palette import PaletteDialog
from bngtui.dialogs.question import QuestionDialog
from bngtui.render.dialog import Answer, Question
from bngtui.screens.dashboard import DashboardScreen
from bngtui.screens.details import DetailsScreen
from bngtui.screens.editor import EditorScreen
from bngtui.screens.help import HelpScreen
from bngtui.screens.review import ReviewScreen
from tests.helpers.driving import ask, console, shown, until
from tests.helpers.editing import open_editor, review, set_weight

QUESTION = Question("Now?", (), (Answer("n", "No", ""), Answer("y", "Yes", "yes")))


async def burst(pilot, *keys):
    """Press keys as a slow line brings them: all of them before the first is looked at."""
    for key in keys:
        pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
    await pilot.pause()


def names(pilot):
    return [type(screen).__name__ for screen in pilot.app.screen_stack]


@pytest.mark.parametrize("keys", [("n", "n", "n"), ("escape", "y"), ("y", "y")])
async def test_a_dialog_is_answered_once(engine, run_dir, keys):
    async with console(run_dir) as pilot:
        await pilot.press("enter")
        await ask(pilot, "d")
        await burst(pilot, *keys)
        assert names(pilot) == ["DashboardScreen", "DetailsScreen"]
        await until(pilot, lambda: len(engine.calls) == (keys[0] == "y"))


async def test_a_dialog_over_the_dashboard_is_answered_once(engine, run_dir):
    async with console(run_dir) as pilot:
        for key, dialog in (("colon", PaletteDialog), ("d", ConfirmDialog)):
            await pilot.press(key)
            await until(pilot, lambda dialog=dialog: isinstance(pilot.app.screen, dialog))
            await pilot.pause(GUARD_S)
            await burst(pilot, "escape", "escape", "escape")
            assert isinstance(pilot.app.screen, DashboardScreen)


async def test_a_key_held_down_in_the_editor_opens_one_page(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await burst(pilot, "f1", "f1", "f1")
        assert names(pilot) == ["DashboardScreen", "EditorScreen", "HelpScreen"]
        await pilot.press("escape")
        await burst(pilot, "escape", "escape", "escape")
        assert names(pilot) == ["DashboardScreen"]


async def test_a_page_leaves_from_under_another_one_and_is_left_once(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("enter", "question_mark")
        _, details, help_ = pilot.app.screen_stack
        assert isinstance(help_, HelpScreen)
        details.leave()
        assert names(pilot) == ["DashboardScreen"]
        details.leave()
        help_.leave()
        assert names(pilot) == ["DashboardScreen"]
        pilot.app.screen.leave()
        assert names(pilot) == ["DashboardScreen"]


async def test_something_may_be_said_on_a_page_that_is_not_there_yet_or_no_more(engine, run_dir):
    async with console(run_dir) as pilot:
        row = pilot.app.screen.panel.view.row
        pilot.app.open("details", row)
        pilot.app.say("said early")
        await shown(pilot, "said early")
        details = pilot.app.screen
        assert isinstance(details, DetailsScreen)
        details.leave()
        details.say("said late", "text")
        details.renew()
        await pilot.pause()
        assert isinstance(pilot.app.screen, DashboardScreen)


async def test_help_opens_nothing(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await pilot.press("f1", "C", "H", "W", "colon", "enter")
        assert names(pilot) == ["DashboardScreen", "EditorScreen", "HelpScreen"]


async def test_a_question_that_comes_late_waits_for_the_line_that_is_typed(config_engine, run_dir):
    async with console(run_dir) as pilot:
        editor = await open_editor(pilot)
        await pilot.press("ctrl+f")
        answers = []
        editor.ask(QUESTION, {"yes": lambda: answers.append("yes")})
        assert isinstance(pilot.app.screen, LineInput)
        await pilot.press("y", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
        assert not answers
        await pilot.pause(GUARD_S + 0.05)
        await pilot.press("y")
        await until(pilot, lambda: answers == ["yes"])


async def test_the_keys_stay_with_the_text(config_engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        editor = await open_editor(pilot)
        editor.set_focus(None)
        assert pilot.app.focused is editor.area


async def test_a_conflict_is_told_also_where_the_review_was_left(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 3)
        screen = await review(pilot)
        screen.candidate.base = 7
        await burst(pilot, "a", "escape")
        await shown(pilot, "Not applied: made from revision 7")
        assert isinstance(pilot.app.screen, EditorScreen)


async def test_what_came_of_an_apply_is_said_also_where_the_review_was_left(config_engine, run_dir):
    async with console(run_dir) as pilot:
        editor = await open_editor(pilot)
        await set_weight(pilot, 3)
        await review(pilot)
        assert isinstance(pilot.app.screen, ReviewScreen)
        await burst(pilot, "a", "escape")
        await shown(pilot, "Revision 2 runs on trial")
        assert isinstance(pilot.app.screen, EditorScreen)
        assert editor.edited.candidate.base == 2
