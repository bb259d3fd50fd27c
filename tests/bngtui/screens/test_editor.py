"""The editor, the review and the history, on the real server with real checks, transactions and revisions."""

from __future__ import annotations

import asyncio
import os
import stat
import statistics
import sys
import time
from pathlib import Path

import pytest

from bngtui.screens.ask import AskScreen, PromptScreen
from bngtui.screens.confirm import GUARD_S
from bngtui.screens.editor import EditorScreen
from bngtui.screens.main import MainScreen
from bngtui.screens.review import ReviewScreen
from bngtui.screens.revisions import RevisionsScreen
from engine.api.client import Client
from engine.config.load import load
from tests.helpers.config_engine import SEED, ConfigEngine
from tests.helpers.driving import ROOT, console, make_app, screen_text, until
from tests.helpers.paths import SAMPLES

TOML = (SAMPLES / "dsr.toml").read_text()
SEEN_S = 0.3
"""From the last key to the finding on the screen: the promise."""


@pytest.fixture(autouse=True)
def state_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
async def engine(run_dir):
    async with ConfigEngine(run_dir) as fake:
        yield fake


def text_of(pilot):
    return screen_text(pilot.app)


def footer(pilot):
    return text_of(pilot).splitlines()[-1]


async def shown(pilot, words, timeout_s=5.0):
    await until(pilot, lambda: words in text_of(pilot), timeout_s)


async def open_editor(pilot):
    await pilot.press("C")
    await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen) and pilot.app.screen.candidate)
    await until(pilot, lambda: pilot.app.screen.list.checked == "engine")
    return pilot.app.screen


async def go(pilot, line, column=1):
    pilot.app.screen.area.go(line, column)
    await pilot.pause()


async def answer(pilot, key):
    await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
    await pilot.pause(GUARD_S + 0.05)
    await pilot.press(key)
    await pilot.pause()


def line_of(screen, words):
    return next(i for i, line in enumerate(screen.area.lines, start=1) if words in line)


async def set_weight(pilot, value):
    screen = pilot.app.screen
    row = line_of(screen, "weight ")
    await go(pilot, row, 200)
    while screen.area.lines[row - 1][-1].isdigit():
        await pilot.press("backspace")
    await pilot.press(*str(value))


async def review(pilot):
    await pilot.press("f2")
    await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen) and pilot.app.screen.diff)
    await pilot.pause()
    return pilot.app.screen


async def apply(pilot, key="a"):
    await review(pilot)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))


# -- checked while typing -----------------------------------------------------------------------------------------


async def test_a_typo_is_on_the_screen_within_300_ms_of_the_last_key(engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        row = line_of(screen, "weight 1")
        await go(pilot, row, 12)
        took = []
        for key, wanted in [("x", True), ("backspace", False)] * 4:
            await pilot.press(key)
            began = time.monotonic()
            await until(pilot, lambda wanted=wanted: ("unknown word" in text_of(pilot)) is wanted)
            took.append(time.monotonic() - began)
        # What is usual, not what a busy machine does once.
        assert statistics.median(took) < SEEN_S, took


async def test_the_finding_stands_in_the_line_below_the_text_and_in_the_verdict(engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        row = line_of(screen, "weight 1")
        await go(pilot, row, 13)
        await pilot.press("x")
        await shown(pilot, "✖ 1 error  checked by the engine")
        text = text_of(pilot)
        assert f"{row} ✖ " in text
        assert f'✖ {row}:11  error: unknown word "wexight" in target 1; did you mean weight' in text
        strip = screen.area._render_line(row - 1 - screen.area.scroll_offset.y)
        assert "".join(segment.text for segment in strip if segment.style.underline) == "wexight"
        await pilot.press("backspace")
        await shown(pilot, "● valid  checked by the engine")
        assert "✖" not in text_of(pilot).split("▌bng.conf")[1]


async def test_enter_on_a_finding_jumps_to_its_line_and_column(engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        screen = await open_editor(pilot)
        for words in ("access raw", "weight 1"):
            await go(pilot, line_of(screen, words), 12)
            await pilot.press("x")
        await shown(pilot, "✖ 2 errors")
        await pilot.press("f4")
        await pilot.press("down")
        assert "▸ ✖ 31:11" in text_of(pilot)
        await pilot.press("enter", "Z")
        assert screen.area.lines[30].strip() == "Zwxeight 1"
        await pilot.press("ctrl+z", "ctrl+n")
        assert screen.area.cursor_location == (4, 10)
        await pilot.press("ctrl+p")
        assert screen.area.cursor_location == (30, 10)


async def test_no_key_waits_for_the_check_and_an_old_answer_is_dropped(engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        engine.slow_s = 2.0
        await go(pilot, line_of(screen, "weight 1"), 12)
        await pilot.press("x")
        before = len(engine.checked)
        await until(pilot, lambda: len(engine.checked) > before)  # the engine has the text with the typo
        began = time.monotonic()
        await pilot.press("backspace")
        assert time.monotonic() - began < engine.slow_s / 2
        told = []
        taken = screen.list.take
        screen.list.take = lambda findings, by: (told.append(len(findings)), taken(findings, by))
        await until(pilot, lambda: told)
        assert told == [0]
        assert engine.checked[-1] == SEED


async def test_keys_that_come_in_a_burst_are_done_in_their_order(engine, run_dir):
    """Over a slow line: a letter after an arrow is typed where the arrow went."""
    from textual import events

    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        for key, char in [("down", None)] * 3 + [("end", None), ("x", "x"), ("left", None), ("y", "y")]:
            pilot.app.post_message(events.Key(key, char))
        await until(pilot, lambda: "yx" in screen.area.text)
        assert screen.area.lines[3] == "          name eth0yx"


async def test_without_an_engine_this_console_checks_by_itself(run_dir):
    async with console(run_dir, wait=False) as pilot:
        async with ConfigEngine(run_dir):
            await until(pilot, lambda: "● live" in text_of(pilot))
            screen = await open_editor(pilot)
            await go(pilot, line_of(screen, "weight 1"), 12)
        await until(pilot, lambda: pilot.app.store.link == "down")
        await pilot.press("x")
        await shown(pilot, "✖ 1 error  checked here: the engine is not reachable")
        await pilot.press("f2")
        await shown(pilot, "The engine is not reachable")
        await pilot.press("a")
        await shown(pilot, "nothing can be changed")


# -- completion -----------------------------------------------------------------------------------------------------


async def test_completion(engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        screen = await open_editor(pilot)
        await go(pilot, line_of(screen, "weight 1"), 200)
        await pilot.press("enter", "m", "tab")
        assert screen.area.lines[31] == "          maxsessions "
        await pilot.press(*"10", "enter", "p", "ctrl+@")
        assert "▸ port" in text_of(pilot)
        assert "the service's port" in text_of(pilot)
        await pilot.press("r")  # typing narrows it
        assert "▸ protocol" in text_of(pilot)
        await pilot.press("backspace", "escape")
        assert "▸ port" not in text_of(pilot)
        assert isinstance(pilot.app.screen, EditorScreen)
        await pilot.press("ctrl+@", "down", "down", "enter")
        assert screen.area.lines[32] == "          ping "
        await pilot.press("ctrl+u", "tab")
        await until(pilot, lambda: screen.popup.offers is not None)
        assert len(screen.popup.offers.items) == 14
        await pilot.press("up")
        assert "▸ }" in text_of(pilot)


async def test_the_word_at_the_cursor_is_explained(engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        screen = await open_editor(pilot)
        await go(pilot, line_of(screen, "weight 1"), 12)
        await shown(pilot, "weight 1-255: share of new sessions, for rr and random")
        await go(pilot, line_of(screen, "tcpopen"), 20)
        await shown(pilot, "tcpopen PORT,INTERVAL,TIMEOUT: health check by a TCP connection")


# -- review and apply -----------------------------------------------------------------------------------------------


async def test_the_sentence_of_the_issue(engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 3)
        await shown(pilot, "■ changed")
        await apply(pilot)
        await shown(pilot, "▲ revision 2 on trial: back to 1 in ")
        assert "F8 keep  F9 take back" in text_of(pilot).splitlines()[1]
        assert "weight 3" in engine.transactions.running.text
        assert engine.file.read_text() == SEED
        await pilot.press("f8")
        await shown(pilot, "Confirmed: revision 2 stays")
        assert "weight 3" in engine.file.read_text()
        await until(pilot, lambda: "on trial" not in text_of(pilot).splitlines()[1])
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        await pilot.press("H")
        await shown(pilot, "● revision 2 runs")
        await shown(pilot, "weight 1 → 3")
        await pilot.press("down")
        await shown(pilot, "weight 3 → 1")
        await pilot.press("b")
        await answer(pilot, "y")
        await shown(pilot, "▲ revision 3 on trial: back to 2 in ")
        assert engine.transactions.running.text == SEED
        await pilot.press("f8")
        await shown(pilot, "Confirmed: revision 3 stays")
        assert engine.file.read_text() == SEED


async def test_taking_back_keeps_the_text_as_a_change(engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        await set_weight(pilot, 3)
        await apply(pilot)
        await shown(pilot, "on trial")
        await pilot.press("f9")
        await shown(pilot, "Back to revision 1. The text is still here, as a change of it.")
        assert "weight 3" in screen.area.text
        assert screen.changed
        assert engine.transactions.running.revision == 1
        changed = await review(pilot)
        assert [change.message for change in changed.diff.changes] == ["weight 1 → 3"]


async def test_nobody_confirms_and_it_goes_back_by_itself(engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 3)
        await apply(pilot)
        await shown(pilot, "on trial")
        engine.transactions.trial.deadline = time.monotonic() + 1.2
        engine.publish()
        await until(pilot, lambda: " in 1 s" in text_of(pilot).splitlines()[1])
        await shown(pilot, "Back to revision 1.")
        assert "on trial" not in text_of(pilot).splitlines()[1]


async def test_apply_for_good_asks_and_names_what_is_cut_off(engine, run_dir):
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
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        assert "server 1: " in text_of(pilot)
        await answer(pilot, "n")
        assert engine.transactions.running.revision == 1
        await pilot.press("A")
        await answer(pilot, "y")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        assert engine.transactions.running.revision == 2
        assert engine.transactions.trial is None
        assert "server" not in engine.file.read_text().replace("two web servers", "")


async def test_what_is_not_valid_cannot_be_applied(engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        await go(pilot, line_of(screen, "weight 1"), 12)
        await pilot.press("x")
        await review(pilot)
        assert "✖ 1 error  nothing can be applied" in text_of(pilot)
        assert "apply on trial" not in footer(pilot)
        await pilot.press("a")
        await shown(pilot, "Not valid: mend what is listed first.")
        assert engine.transactions.running.revision == 1


async def test_a_note_and_the_time_to_confirm(engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 9)
        await review(pilot)
        await pilot.press("plus")
        assert "on trial for 2 min" in text_of(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, PromptScreen))
        await pilot.press(*"more for web1", "enter")
        await shown(pilot, 'note "more for web1"')
        await pilot.press("enter")
        await shown(pilot, "back to 1 in 120 s")
        assert engine.transactions.history()[0].note == "more for web1"


async def test_both_views_of_the_difference(engine, run_dir):
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


# -- two consoles ---------------------------------------------------------------------------------------------------


async def other_applies(run_dir, text, note="shop is slow"):
    async with await Client.connect(run_dir / "operator.sock") as client:
        running = await client.request("running")
        await client.request("apply", text=text, file="bng.conf", base=running.revision, note=note)


async def test_the_second_is_told_who_changed_what_and_chooses(engine, run_dir):
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
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        said = " ".join(text_of(pilot).replace("│", " ").split())
        assert "somebody else changed the configuration" in said
        assert "shop is slow" in said
        assert "meanwhile server 1: method rr → random" in said
        assert engine.transactions.running.revision == 2

        await answer(pilot, "s")  # look: my text against what runs; nothing else
        await until(pilot, lambda: pilot.app.screen is page)
        assert page.candidate.base == 1
        assert "method random" in text_of(pilot)

        await pilot.press("b")  # re-base
        await until(pilot, lambda: page.candidate.base == 2)
        await shown(pilot, "Based on revision 2 now")
        assert [change.message for change in page.diff.changes] == ["method random → rr", "weight 1 → 3"]
        await pilot.press("a")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert engine.transactions.running.revision == 3
        assert "weight 3" in engine.transactions.running.text


async def test_the_second_may_give_way(engine, run_dir):
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
        assert not screen.changed
        assert engine.transactions.running.revision == 2


async def test_who_has_typed_nothing_is_shown_what_runs(engine, run_dir):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        await go(pilot, 20, 5)
        await other_applies(run_dir, SEED.replace("weight 1", "weight 7"))
        await until(pilot, lambda: "weight 7" in screen.area.text)
        await shown(pilot, "Shown now: revision 2 by root")
        assert screen.area.cursor_location == (19, 4)


async def test_two_consoles_keep_two_drafts(engine, run_dir, state_home):
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


# -- drafts ---------------------------------------------------------------------------------------------------------


async def test_a_text_survives_its_console_and_is_offered_again(engine, run_dir, state_home):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 42)
        await until(pilot, lambda: list((state_home / "bngtui" / "drafts").glob("*.draft")))
    (kept,) = (state_home / "bngtui" / "drafts").glob("*.draft")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    async with console(run_dir) as pilot:
        await pilot.press("C")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
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


async def test_leaving_asks_and_the_text_can_be_kept_or_discarded(engine, run_dir, state_home):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        await set_weight(pilot, 42)
        await pilot.press("escape")
        await answer(pilot, "enter")
        assert pilot.app.screen is screen
        await pilot.press("escape")
        await answer(pilot, "k")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        assert list((state_home / "bngtui" / "drafts").glob("*.draft"))
        await pilot.press("C")
        await answer(pilot, "g")
        await until(pilot, lambda: "weight 42" in pilot.app.screen.area.text)
        await pilot.press("ctrl+q")
        await answer(pilot, "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        assert not list((state_home / "bngtui" / "drafts").glob("*.draft"))


async def test_nothing_typed_nothing_asked(engine, run_dir):
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await pilot.press("x", "backspace", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))


async def test_the_engine_goes_and_comes_and_the_text_stays(run_dir):
    async with console(run_dir, wait=False) as pilot:
        async with ConfigEngine(run_dir):
            await until(pilot, lambda: "● live" in text_of(pilot))
            screen = await open_editor(pilot)
            await set_weight(pilot, 3)
        await until(pilot, lambda: pilot.app.store.link == "down")
        await pilot.press("1")
        async with ConfigEngine(run_dir) as engine:
            await until(pilot, lambda: pilot.app.store.link == "up", timeout_s=10)
            assert "weight 31" in screen.area.text
            await shown(pilot, "checked by the engine")
            await apply(pilot)
            assert "weight 31" in engine.transactions.running.text


# -- files ----------------------------------------------------------------------------------------------------------


async def type_path(pilot, key, path):
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, PromptScreen))
    pilot.app.screen._typed = str(path)
    await pilot.press("enter")
    await pilot.pause()


async def test_reading_and_writing_files(engine, run_dir, tmp_path):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        place = tmp_path / "candidate.toml"
        place.write_text(TOML)
        await type_path(pilot, "ctrl+r", place)
        await until(pilot, lambda: screen.area.text == TOML)
        assert screen.area.speech == "toml"
        await shown(pilot, "  TOML  ")
        await until(pilot, lambda: screen.list.checked == "engine")
        out = tmp_path / "out.toml"
        await type_path(pilot, "ctrl+o", out)
        await until(pilot, out.exists)
        assert out.read_text() == TOML
        await go(pilot, 1)
        await pilot.press("#")
        await type_path(pilot, "ctrl+o", out)
        await answer(pilot, "n")
        assert out.read_text() == TOML
        await type_path(pilot, "ctrl+o", out)
        await answer(pilot, "y")
        await until(pilot, lambda: out.read_text() == "#" + TOML)
        await type_path(pilot, "ctrl+r", tmp_path / "not-there")
        await shown(pilot, "is no file")
        place.write_bytes(b"\xff\xfe")
        await type_path(pilot, "ctrl+r", place)
        await shown(pilot, "is no text in UTF-8 (byte 1)")


async def test_tab_completes_a_path(engine, run_dir, tmp_path):
    (tmp_path / "dsr-one.conf").write_text("")
    (tmp_path / "dsr-two.conf").write_text("")
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(pilot.app.screen, PromptScreen))
        pilot.app.screen._typed = f"{tmp_path}/ds"
        await pilot.press("tab")
        assert pilot.app.screen._typed == f"{tmp_path}/dsr-"
        assert "dsr-one.conf, dsr-two.conf" in text_of(pilot)
        await pilot.press("t", "tab")
        assert pilot.app.screen._typed == f"{tmp_path}/dsr-two.conf"


# -- TOML -----------------------------------------------------------------------------------------------------------


async def test_toml_is_coloured_by_its_grammar_and_checked(run_dir):
    async with ConfigEngine(run_dir, TOML, file="bng.toml"), console(run_dir) as pilot:
        screen = await open_editor(pilot)
        table = screen.area.lines.index("[server.1]")
        assert (1, 7, "ink.keyword") in screen.area._highlights[table]
        assert "ink.comment" in {name for *_, name in screen.area._highlights[0]}
        row = line_of(screen, "ipaddr =")
        assert screen.area._highlights[row - 1][0] == (0, 6, "ink.word")
        await go(pilot, row, 3)
        await pilot.press("x")
        await shown(pilot, "✖ 1 error")
        assert f"{row} ✖ " in text_of(pilot)
        await pilot.press("backspace")
        await shown(pilot, "● valid")
        await go(pilot, row, 200)
        await pilot.press("enter", "m", "e", "tab")
        assert screen.area.lines[row] == "method = "
        await pilot.press("ctrl+@")
        assert '▸ "rr"' in text_of(pilot)
        await pilot.press("enter")
        assert screen.area.lines[row] == 'method = "rr"'


# -- read-only ------------------------------------------------------------------------------------------------------


async def test_read_only_shows_and_changes_nothing(engine, run_dir):
    await other_applies(run_dir, SEED.replace("weight 1", "weight 7"))
    async with console(run_dir, read_only=True) as pilot:
        screen = await open_editor(pilot)
        assert "○ only to look at" in text_of(pilot)
        assert "review" not in footer(pilot)
        before = screen.area.text
        await pilot.press(
            "x",
            "enter",
            "backspace",
            "tab",
            "ctrl+z",
            "ctrl+x",
            "ctrl+v",
            "f2",
            "ctrl+s",
            "ctrl+r",
            "ctrl+o",
            "f5",
            "f8",
            "f9",
        )
        assert pilot.app.screen is screen
        assert screen.area.text == before
        await pilot.press("f1")
        await shown(pilot, "leave the editor")
        for words in ("review: what", "undo", "confirm the change", "write the text"):
            assert words not in text_of(pilot)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        await pilot.press("W")
        assert isinstance(pilot.app.screen, MainScreen)
        await pilot.press("H")
        await shown(pilot, "weight 1 → 7")
        assert "roll back" not in footer(pilot)
        await pilot.press("down", "b")
        assert isinstance(pilot.app.screen, RevisionsScreen)
        await pilot.press("enter")
        await shown(pilot, "Revision 1, balanceng")
        assert engine.transactions.running.revision == 2


async def test_a_trial_is_counted_down_in_a_read_only_console_without_keys(engine, run_dir):
    async with console(run_dir, read_only=True) as pilot:
        async with await Client.connect(run_dir / "operator.sock") as client:
            await client.request("apply", text=SEED.replace("weight 1", "weight 7"), confirm_within_s=60)
        await shown(pilot, "▲ revision 2 on trial: back to 1 in ")
        assert "F8" not in text_of(pilot)
        await pilot.press("f8", "f9")
        assert engine.transactions.trial is not None


# -- the dashboard --------------------------------------------------------------------------------------------------


async def test_any_console_counts_down_and_confirms(engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        async with await Client.connect(run_dir / "operator.sock") as client:
            await client.request("apply", text=SEED.replace("weight 1", "weight 7"), confirm_within_s=60)
        await shown(pilot, "▲ revision 2 on trial: back to 1 in ")
        await pilot.press("f8")
        await shown(pilot, "Confirmed: revision 2 stays, and is in the file.")
        await shown(pilot, "revision 2 confirmed")
        await pilot.press("f9")
        await shown(pilot, "No change waits to be confirmed.")


async def test_what_differs_from_the_file_is_shown_and_saved(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("W")
        await shown(pilot, "Nothing to save")
        engine.overridden[2] = "disabled"
        engine.publish()
        await shown(pilot, "▲ target 2 disabled (file: enabled); W saves")
        await pilot.press("colon", *"operational state")
        await shown(pilot, "write operational state into its file")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        assert "target 2 disabled (file: enabled)" in text_of(pilot)
        await answer(pilot, "y")
        await shown(pilot, "Saved: the file is revision 2.")
        saved = load(engine.file.read_text(), "bng.conf").config
        assert [target.enabled for target in saved.targets] == [True, False]
        assert "// two web servers" in engine.file.read_text()


async def test_the_palette_does_what_is_chosen(engine, run_dir):
    async with console(run_dir, (80, 24)) as pilot:
        await pilot.press("colon", *"history")
        await shown(pilot, "its history")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RevisionsScreen))
        await pilot.press("escape", "colon", *"xyzzy")
        await shown(pilot, "nothing here does that")
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, MainScreen)


async def test_hostile_text_does_not_reach_the_terminal(run_dir):
    async with (
        ConfigEngine(run_dir, SEED.replace("// two", "// \x1b]0;owned\x07\x9b2J two")),
        console(run_dir) as pilot,
    ):
        await open_editor(pilot)
        await shown(pilot, "�]0;owned")
        assert "\x1b" not in text_of(pilot)
        assert "\x9b" not in text_of(pilot)


async def test_themes_are_taken_up_and_plain_signs_kept(engine, run_dir):
    async with console(run_dir, theme="serial") as pilot:
        screen = await open_editor(pilot)
        await go(pilot, line_of(screen, "weight 1"), 12)
        await pilot.press("x")
        await shown(pilot, "x 1 error")
        assert screen_text(pilot.app).isascii()
        pilot.app.next_theme()
        await pilot.pause()


def large_text():
    """512 servers and 1,024 targets."""
    block = "{kind} {n} {{\n  ipaddr 10.{net}.{high}.{low}\n  port 80\n  protocol tcp\n  {last}\n}}\n"
    parts = ["modules vrrp,arp,ping,hc,master,slb\n"]
    parts += [
        block.format(kind="target", n=n, net=1, high=n // 250, low=n % 250 + 1, last="ping 3,8")
        for n in range(1, 1025)
    ]
    parts += [
        block.format(
            kind="server", n=n, net=2, high=n // 250, low=n % 250 + 1, last=f"targets {2 * n - 1},{2 * n}"
        )
        for n in range(1, 513)
    ]
    return "".join(parts)


async def test_a_large_text_is_edited_without_delay(run_dir, tmp_path):
    """The engine is another process, as it is; this one's loop is never held for as long as a key repeats."""
    file = tmp_path / "large.conf"
    file.write_text(large_text())
    command = [sys.executable, str(Path(__file__).parent / "config_engine.py"), str(run_dir), str(file)]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    held = [0.0]

    async def watch():
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.002)
            held[0] = max(held[0], time.monotonic() - began)

    try:
        async with console(run_dir, wait=False) as pilot:
            await until(pilot, lambda: "● live" in text_of(pilot), timeout_s=15)
            await pilot.press("C")
            await until(
                pilot, lambda: isinstance(pilot.app.screen, EditorScreen) and pilot.app.screen.candidate
            )
            screen = pilot.app.screen
            await until(pilot, lambda: screen.list.checked == "engine", timeout_s=15)
            keys = ["enter", *"weight", "space", *"12", "backspace", "up", "down", "pagedown", "pageup"]
            longest = []
            for _round in range(3):  # the shortest is the editor's own: a machine stands still for once
                await go(pilot, 6000, 200)
                held[0] = 0.0
                watching = asyncio.create_task(watch())
                for key in keys:
                    await pilot.press(key)
                await until(pilot, lambda: screen.list.checked == "engine", timeout_s=15)
                watching.cancel()
                longest.append(held[0])
                assert screen.area.lines[6000] == "  weight 1"
            assert min(longest) < 0.15, longest
    finally:
        process.terminate()
        await process.wait()
