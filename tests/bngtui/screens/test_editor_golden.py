"""The exact text of every step of a change: edit, typo, mended, review, on trial, confirmed, history, rolled back.

The texts are kept by tests/helpers/golden.py.
"""

from __future__ import annotations

import re

import pytest

from bngtui.dialogs.question import QuestionDialog
from bngtui.screens.editor import EditorScreen
from tests.helpers.config_engine import SEED, ConfigEngine
from tests.helpers.driving import answer, console, screen_text, shown, until
from tests.helpers.editing import go, line_of, open_editor, other_applies, review, set_weight
from tests.helpers.golden import screen_agrees

SIZES = [(80, 24), (120, 40)]
SETTLED_S = 0.1


@pytest.fixture(autouse=True)
def fixed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("USER", "root")
    monkeypatch.setattr("os.getuid", lambda: 0)
    for place in ("engine.changes.transactions.timestamp", "engine.changes.configuration.timestamp"):
        monkeypatch.setattr(place, lambda: "2026-03-01T12:03:00Z")


async def step(pilot, name, size):
    """Compare the screen; the seconds that a slow machine took are no part of it."""
    await until(pilot, lambda: pilot.app._due is None)
    await pilot.pause(SETTLED_S)
    text = screen_text(pilot.app)
    for header in text.splitlines()[:2]:
        text = text.replace(header, re.sub(r"in (\d\d) s ", "in 60 s ", header))
    text = re.sub(r"▲ data \d+ s old( *)", r"● live       \1", text)
    screen_agrees(f"edit-{name}-{size[0]}x{size[1]}", text)


@pytest.mark.parametrize("size", SIZES)
async def test_a_change_from_the_first_key_to_the_rollback(run_dir, size):
    async with ConfigEngine(run_dir) as engine, console(run_dir, size) as pilot:
        screen = await open_editor(pilot)
        await step(pilot, "1-open", size)

        await set_weight(pilot, 3)
        await go(pilot, line_of(screen, "weight 3"), 13)
        await pilot.press("backspace")
        await shown(pilot, "1 error")
        engine.publish()
        await step(pilot, "2-typo", size)

        await pilot.press("e")
        await shown(pilot, "● valid  checked by the engine")
        await step(pilot, "3-mended", size)

        await review(pilot)
        engine.publish()
        await step(pilot, "4-review", size)

        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        await shown(pilot, "on trial: back to 1")
        await step(pilot, "5-on-trial", size)

        await pilot.press("f8")
        await shown(pilot, "Confirmed: revision 2")
        await until(pilot, lambda: "on trial" not in screen_text(pilot.app))
        await step(pilot, "6-confirmed", size)

        await pilot.press("escape", "H")
        await shown(pilot, "weight 1 → 3")
        await step(pilot, "7-history", size)

        await pilot.press("down", "b")
        await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
        await step(pilot, "8-rollback", size)

        await answer(pilot, "y")
        await shown(pilot, "revision 3 on trial")
        await shown(pilot, "rollback to revision 1")
        await pilot.press("home")
        await shown(pilot, "weight 3 → 1")
        await step(pilot, "9-rolled-back", size)


@pytest.mark.parametrize("size", SIZES)
async def test_two_at_once(run_dir, size):
    async with ConfigEngine(run_dir), console(run_dir, size) as pilot:
        await open_editor(pilot)
        await set_weight(pilot, 3)
        await other_applies(run_dir, SEED.replace("tcpopen 80,3,10", "tcpopen 80,5,20", 1))
        await shown(pilot, "Meanwhile revision 2")
        await step(pilot, "told", size)
        await review(pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
        await step(pilot, "conflict", size)
        await answer(pilot, "s")
        await shown(pilot, "Made from revision 1")
        pilot.app.screen.footer.hush()
        await step(pilot, "outdated", size)


async def test_completion(run_dir):
    async with ConfigEngine(run_dir), console(run_dir, (80, 24)) as pilot:
        screen = await open_editor(pilot)
        await go(pilot, line_of(screen, "weight 1"), 200)
        await pilot.press("enter", "p", "ctrl+@")
        await until(pilot, lambda: screen.findings.checked == "engine")
        await step(pilot, "completion", (80, 24))


async def test_the_draft_is_offered(run_dir, monkeypatch):
    monkeypatch.setattr("bngtui.editor.draft_keeper.time.strftime", lambda *_: "2026-03-01T12:02:00Z")
    async with ConfigEngine(run_dir):
        async with console(run_dir, (80, 24)) as pilot:
            await open_editor(pilot)
            await set_weight(pilot, 3)
        async with console(run_dir, (80, 24)) as pilot:
            await pilot.press("C")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
            await pilot.pause(SETTLED_S)
            text = screen_text(pilot.app).replace(str(run_dir), "/etc/bng")
            assert "There is a text of 03-01 12:02:00 UTC that was not applied." in text


async def test_help_of_the_editor(run_dir):
    async with ConfigEngine(run_dir), console(run_dir, (120, 40)) as pilot:
        await open_editor(pilot)
        await pilot.press("f1")
        await step(pilot, "help", (120, 40))
