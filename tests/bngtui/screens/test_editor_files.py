"""Files of the console's host, read into the editor and written from it."""

from __future__ import annotations

from bngtui.dialogs.line_input import LineInput
from tests.helpers.driving import answer, console, shown, text_of, until
from tests.helpers.editing import (
    go,
    open_editor,
    type_path,
)
from tests.helpers.paths import SAMPLES

TOML = (SAMPLES / "dsr.toml").read_text()


async def test_reading_and_writing_files(config_engine, run_dir, tmp_path):
    async with console(run_dir) as pilot:
        screen = await open_editor(pilot)
        place = tmp_path / "candidate.toml"
        place.write_text(TOML)
        await type_path(pilot, "ctrl+r", place)
        await until(pilot, lambda: screen.area.text == TOML)
        assert screen.area.speech == "toml"
        await shown(pilot, "  TOML  ")
        await until(pilot, lambda: screen.findings.checked == "engine")
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
        await shown(pilot, "is not a file")
        place.write_bytes(b"\xff\xfe")
        await type_path(pilot, "ctrl+r", place)
        await shown(pilot, "is not text in UTF-8 (byte 1)")


async def test_tab_completes_a_path(config_engine, run_dir, tmp_path):
    (tmp_path / "dsr-one.conf").write_text("")
    (tmp_path / "dsr-two.conf").write_text("")
    async with console(run_dir) as pilot:
        await open_editor(pilot)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(pilot.app.screen, LineInput))
        pilot.app.screen._typed = f"{tmp_path}/ds"
        await pilot.press("tab")
        assert pilot.app.screen._typed == f"{tmp_path}/dsr-"
        assert "dsr-one.conf, dsr-two.conf" in text_of(pilot)
        await pilot.press("t", "tab")
        assert pilot.app.screen._typed == f"{tmp_path}/dsr-two.conf"
