"""Work in the editor in a test: open it, type, review, apply."""

from __future__ import annotations

from bngtui.dialogs.line_input import LineInput
from bngtui.screens.editor import EditorScreen
from bngtui.screens.review import ReviewScreen
from engine.api.client import Client
from tests.helpers.driving import until


async def open_editor(pilot):
    await pilot.press("C")
    await until(
        pilot, lambda: isinstance(pilot.app.screen, EditorScreen) and pilot.app.screen.edited.candidate
    )
    await until(pilot, lambda: pilot.app.screen.findings.checked == "engine")
    return pilot.app.screen


async def go(pilot, line, column=1):
    pilot.app.screen.area.go(line, column)
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


async def other_applies(run_dir, text, note="shop is slow"):
    async with await Client.connect(run_dir / "operator.sock") as client:
        running = await client.request("running")
        await client.request("apply", text=text, file="bng.conf", base=running.revision, note=note)


async def type_path(pilot, key, path):
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, LineInput))
    pilot.app.screen._typed = str(path)
    await pilot.press("enter")
    await pilot.pause()
