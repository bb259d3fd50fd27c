"""The review: what would change, applied on trial or for good, and when somebody else was faster."""

from __future__ import annotations

import time

import pytest

from bngtui.dialogs.line_input import LineInput
from bngtui.dialogs.question import QuestionDialog
from bngtui.screens.dashboard import DashboardScreen
from bngtui.screens.editor import EditorScreen
from engine.domain.actor import Actor
from tests.helpers.config_engine import ACTOR, SEED
from tests.helpers.driving import answer, console, footer, shown, text_of, until
from tests.helpers.editing import (
    apply,
    go,
    line_of,
    open_editor,
    other_applies,
    review,
    set_weight,
)


async def test_a_change_from_typing_to_the_rollback(config_engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 3)
        await shown(pilot, "■ changed")
        await apply(pilot)
        await shown(pilot, "▲ revision 2 on trial: back to 1 in ")
        assert "F8 keep  F9 take back" in text_of(pilot).splitlines()[1]
        assert "weight 3" in config_engine.transactions.running.text
        assert config_engine.file.read_text() == SEED
        await pilot.press("f8")
        await shown(pilot, "Confirmed: revision 2 stays")
        assert "weight 3" in config_engine.file.read_text()
        await until(pilot, lambda: "on trial" not in text_of(pilot).splitlines()[1])
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DashboardScreen))
        await pilot.press("H")
        await shown(pilot, "● revision 2 runs")
        await shown(pilot, "weight 1 → 3")
        await pilot.press("down")
        await shown(pilot, "weight 3 → 1")
        await pilot.press("b")
        await answer(pilot, "y")
        await shown(pilot, "▲ revision 3 on trial: back to 2 in ")
        assert config_engine.transactions.running.text == SEED
        await pilot.press("f8")
        await shown(pilot, "Confirmed: revision 3 stays")
        assert config_engine.file.read_text() == SEED


async def test_taking_back_keeps_the_text_as_a_change(config_engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        await set_weight(pilot, 3)
        await apply(pilot)
        await shown(pilot, "on trial")
        await pilot.press("f9")
        await shown(pilot, "Back to revision 1. The text is still here, as a change of it.")
        assert "weight 3" in screen.area.text
        assert screen.edited.changed
        assert config_engine.transactions.running.revision == 1
        changed = await review(pilot)
        assert [change.message for change in changed.diff.changes] == ["weight 1 → 3"]


async def test_nobody_confirms_and_it_goes_back_by_itself(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 3)
        await apply(pilot)
        await shown(pilot, "on trial")
        config_engine.transactions.trial.deadline = time.monotonic() + 1.2
        config_engine.publish()
        await until(pilot, lambda: " in 1 s" in text_of(pilot).splitlines()[1])
        await shown(pilot, "Back to revision 1.")
        assert "on trial" not in text_of(pilot).splitlines()[1]


async def test_apply_for_good_asks_and_names_what_is_cut_off(config_engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        text = SEED.replace("enable    server 1\n", "").replace("register  server 1\n", "")
        start = text.index("server    1 {")
        text = text[:start] + text[text.index("target    1 {") : text.index("register  targets")]
        screen.area.swap(text)
        await shown(pilot, "■ changed")
        page = await review(pilot)
        assert any(change.cuts for change in page.diff.changes)
        assert "▲ may cut somebody off" in text_of(pilot)
        assert "CUTS OFF: " in text_of(pilot)
        await pilot.press("A")
        await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
        assert "server 1: " in text_of(pilot)
        await answer(pilot, "n")
        assert config_engine.transactions.running.revision == 1
        await pilot.press("A")
        await answer(pilot, "y")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        assert config_engine.transactions.running.revision == 2
        assert config_engine.transactions.trial is None
        assert "server" not in config_engine.file.read_text().replace("two web servers", "")


async def test_what_is_not_valid_cannot_be_applied(config_engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        await go(pilot, line_of(screen, "weight 1"), 12)
        await pilot.press("x")
        await review(pilot)
        assert "✖ 1 error  nothing can be applied" in text_of(pilot)
        assert "apply on trial" not in footer(pilot)
        await pilot.press("a")
        await shown(pilot, "Not valid: mend what is listed first.")
        assert config_engine.transactions.running.revision == 1


async def test_a_note_and_the_time_to_confirm(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 9)
        await review(pilot)
        await pilot.press("plus")
        assert "on trial for 2 min" in text_of(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, LineInput))
        await pilot.press(*"more for web1", "enter")
        await shown(pilot, 'note "more for web1"')
        await pilot.press("enter")
        await shown(pilot, "back to 1 in 120 s")
        assert config_engine.transactions.history()[0].note == "more for web1"


async def test_both_views_of_the_difference(config_engine, run_dir):
    async with console(run_dir, (120, 40)) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 3)
        await review(pilot)
        assert " 31 -           weight 1" in text_of(pilot)
        assert "│  31 +           weight 3" in text_of(pilot)
        await pilot.press("v")
        assert "│  31 +" not in text_of(pilot)
        await pilot.resize_terminal(80, 24)
        await pilot.press("v")
        assert "Side by side wants 120 columns; here are 80." in footer(pilot)


async def test_the_second_is_told_who_changed_what_and_chooses(config_engine, run_dir):
    async with console(run_dir, (100, 40)) as pilot:
        screen = await open_editor(pilot)
        await set_weight(pilot, 3)
        await other_applies(
            run_dir,
            SEED.replace(
                "port 80\n          protocol tcp\n          targets",
                "port 80\n          method random\n          protocol tcp\n          targets",
            ),
        )
        await shown(pilot, "Meanwhile revision 2 by root")
        assert "shop is slow" in footer(pilot)
        assert "▲ revision 2 runs now" in text_of(pilot)
        page = await review(pilot)
        assert "Made from revision 1, but revision 2 runs" in text_of(pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
        said = " ".join(text_of(pilot).replace("│", " ").split())
        assert "somebody else changed the configuration" in said
        assert "shop is slow" in said
        assert "meanwhile server 1: method rr → random" in said
        assert config_engine.transactions.running.revision == 2

        await answer(pilot, "s")  # look: my text against what runs; nothing else
        await until(pilot, lambda: pilot.app.screen is page)
        assert page.candidate.base == 1
        assert "method random" in text_of(pilot)

        await pilot.press("R")
        await until(pilot, lambda: page.candidate.base == 2)
        await shown(pilot, "Your text replaces revision 2")
        assert [change.message for change in page.diff.changes] == ["method random → rr", "weight 1 → 3"]
        await pilot.press("a")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert config_engine.transactions.running.revision == 3
        assert "weight 3" in config_engine.transactions.running.text


async def test_what_both_have_changed_is_merged(config_engine, run_dir):
    async with console(run_dir, (100, 40)) as pilot:
        screen = await open_editor(pilot)
        await set_weight(pilot, 3)
        theirs = SEED.replace("172.16.1.101", "172.16.1.109")
        await other_applies(run_dir, theirs)
        page = await review(pilot)
        await pilot.press("m")
        await shown(pilot, "Merged with revision 2")
        await until(pilot, lambda: page.diff.base == page.candidate.base == 2)
        assert [change.message for change in page.diff.changes] == ["weight 1 → 3"]
        assert screen.area.text == page.candidate.text == theirs.replace("weight 1", "weight 3")
        await pilot.press("a")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert config_engine.transactions.running.text == theirs.replace("weight 1", "weight 3")


@pytest.mark.parametrize(("key", "weight"), [("y", 3), ("t", 7), ("c", None)])
async def test_where_both_have_changed_the_same_the_operator_decides(config_engine, run_dir, key, weight):
    async with console(run_dir, (100, 40)) as pilot:
        screen = await open_editor(pilot)
        await set_weight(pilot, 3)
        theirs = SEED.replace("weight 1", "weight 7").replace("172.16.1.101", "172.16.1.109")
        await other_applies(run_dir, theirs)
        page = await review(pilot)
        await pilot.press("a")
        await answer(pilot, "m")
        await shown(pilot, "target 1: yours weight 3, theirs weight 7")
        await answer(pilot, key)
        await until(pilot, lambda: pilot.app.screen is page)
        wanted = (
            SEED.replace("weight 1", "weight 3")
            if weight is None
            else theirs.replace("weight 7", f"weight {weight}")
        )
        assert page.candidate.text == wanted
        assert page.candidate.base == (1 if weight is None else 2)
        assert screen.area.text == wanted


async def test_the_second_may_give_way(config_engine, run_dir):
    async with console(run_dir, (100, 40)) as pilot:
        screen = await open_editor(pilot)
        await set_weight(pilot, 3)
        theirs = SEED.replace("weight 1", "weight 7")
        await other_applies(run_dir, theirs)
        await review(pilot)
        await pilot.press("a")
        await answer(pilot, "d")
        await until(pilot, lambda: pilot.app.screen is screen)
        await until(pilot, lambda: screen.area.text == theirs)
        assert not screen.edited.changed
        assert config_engine.transactions.running.revision == 2


async def test_a_file_that_somebody_changed_is_shown_and_asked_about(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 3)
        config_engine.file.write_text(SEED.replace("172.16.1.101", "172.16.1.109"))
        await until(pilot, lambda: pilot.app.store.live.config.file is not None)
        await until(pilot, lambda: "▲ 1 alarm, warning" in text_of(pilot).splitlines()[0])
        await pilot.press("f2")
        await shown(pilot, "the file differs since ")
        assert "The file, against what runs" in text_of(pilot)
        assert "172.16.1.109" in text_of(pilot)
        await pilot.press("a")
        await answer(pilot, "n")
        await shown(pilot, "Not applied: ")
        assert config_engine.transactions.running.revision == 1
        await pilot.press("a")
        await answer(pilot, "y")
        await shown(pilot, "on trial")
        assert "172.16.1.109" in config_engine.file.read_text()
        await pilot.press("f8")
        await until(pilot, lambda: "weight 3" in config_engine.file.read_text())
        await until(pilot, lambda: "no alarms" in text_of(pilot).splitlines()[0])


async def test_the_trial_of_somebody_else_is_kept_or_waited_for(config_engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        config_engine.actor = Actor("eve", 1001, 9)
        await pilot.app.connection.ask("command", text="target 2 weight 7", confirm_within_s=60)
        await until(pilot, lambda: "revision 2 on trial" in text_of(pilot))
        await shown(pilot, "Shown now: revision 2")
        config_engine.actor = ACTOR
        await set_weight(pilot, 3)
        await review(pilot)
        await pilot.press("a")
        await answer(pilot, "w")
        await shown(pilot, "Not applied: revision 2 of eve(1001) pid 9 is on trial for ")
        assert config_engine.transactions.trial.revision == 2
        await pilot.press("a")
        await answer(pilot, "k")
        await until(pilot, lambda: config_engine.transactions.trial.revision == 3)
        assert config_engine.transactions.trial.kept == (2,)
