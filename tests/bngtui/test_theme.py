"""Theme files: every one that ships is whole, and a wrong one is named by file and key."""

from __future__ import annotations

import pytest
from rich.color import ColorType
from textual.color import Color

from bngtui.cli import main
from bngtui.render.states import ARP, SERVER_MARKS, SEVERITY, TARGET_MARKS
from bngtui.theme import DEFAULT, DEFAULT_16, ThemeError, load_theme, load_themes, palette, theme_dirs

THEMES = load_themes()


def test_the_shipped_themes():
    assert {DEFAULT, DEFAULT_16, "paper", "contrast", "colour-safe"} <= set(THEMES)
    assert not THEMES["paper"].dark


@pytest.fixture
def write(tmp_path):
    text = next(path for folder in theme_dirs() for path in folder.glob("night.toml")).read_text()

    def changed(old, new):
        assert old in text
        path = tmp_path / "mine.toml"
        path.write_text(text.replace(old, new))
        return path

    return changed


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('accent = "#8ab8f0"', 'accent = "blurple"', "'accent': 'blurple' is not a colour"),
        ('accent = "#8ab8f0"', "accent = 7", "'accent' is missing"),
        ('cursor = "#223047"', 'cursor = "#12"', "'variables.cursor'"),
        ('graph = "#5f8fc4"\n', "", "'variables.graph' is missing"),
        ('accent = "#8ab8f0"', 'acent = "#8ab8f0"', "unknown key 'acent'"),
        ('name = "night"', "name = 1", "'name' is missing"),
        ('name = "night"', 'name = "night', "line"),
    ],
)
def test_a_wrong_theme_is_named_by_file_and_key(write, old, new, words):
    path = write(old, new)
    with pytest.raises(ThemeError) as caught:
        load_theme(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


def luminance(colour):
    def linear(channel):
        channel /= 255
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    r, g, b = colour.triplet
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)


@pytest.mark.parametrize(
    ("name", "least"), [("night", 4.5), ("paper", 4.5), ("colour-safe", 4.5), ("contrast", 7.0)]
)
def test_text_can_be_read_on_every_ground(name, least):
    """WCAG 2.1, 1.4.3 (4.5:1) and 1.4.6 (7:1)."""
    for (role, tone), style in palette(THEMES[name]).styles.items():
        if role in {"faint", "graph"}:
            continue  # rules and graphs: 1.4.11 asks 3:1 of what informs, and the number stands beside the graph
        light, dark = sorted((luminance(style.color), luminance(style.bgcolor)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= least, f"{name}: {role} on {tone}"


def test_the_serial_theme_uses_the_terminals_own_colours():
    serial = palette(THEMES["serial"], ascii_only=True)
    for style in serial.styles.values():
        assert style.color.type in {ColorType.STANDARD, ColorType.DEFAULT}
    styles = {
        role: serial.styles[role, "plain"] for role in ("up", "down", "warning", "draining", "disabled")
    }
    assert len({str(style) for style in styles.values()}) == 5
    marks = [*TARGET_MARKS, *SERVER_MARKS, *ARP.values(), *SEVERITY.values()]
    for mark in marks:
        text = serial.text(mark.span.text)
        assert text.isascii()
        assert len(text) == len(mark.span.text)


def test_signs_of_one_list_differ_also_in_ascii():
    serial = palette(THEMES["serial"], ascii_only=True)
    for marks in (TARGET_MARKS, SERVER_MARKS, tuple(SEVERITY.values())):
        assert len({serial.text(mark.glyph) for mark in marks}) == len(marks)
        assert len({mark.word for mark in marks}) == len(marks)


def test_up_and_down_differ_by_more_than_red_and_green():
    safe = THEMES["colour-safe"]
    up, down = Color.parse(safe.success), Color.parse(safe.error)
    assert up.b > up.r
    assert down.r > down.b


@pytest.mark.parametrize("more", [(), ("--once",), ("--json", "--once")])
def test_an_unknown_theme_is_told_with_those_there_are(capsys, more):
    with pytest.raises(SystemExit, match="2"):
        main(["--theme", "zz", *more])
    assert f"no theme 'zz'; there are {', '.join(THEMES)}" in capsys.readouterr().err
