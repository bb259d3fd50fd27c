"""Signs and colours are chosen apart, by what the terminal is or by what the operator says."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from bngtui.render.text import ROLES
from bngtui.terminal.abilities import colour_system, plain_signs, without_colour
from bngtui.theme import load_themes, palette


@pytest.mark.parametrize(
    ("chosen", "term", "encoding", "plain"),
    [
        ("auto", "xterm", "utf-8", False),  # over SSH: few colours are no reason for few signs
        ("auto", "xterm-256color", "UTF-8", False),
        ("auto", "linux", "utf-8", True),
        ("auto", "vt220", "utf-8", True),
        ("auto", "xterm-256color", "iso8859-1", True),
        ("auto", "xterm-256color", None, True),
        ("auto", "", "utf-8", False),
        ("unicode", "linux", "ascii", False),
        ("ascii", "xterm-256color", "utf-8", True),
    ],
)
def test_signs_go_by_font_and_encoding(chosen, term, encoding, plain):
    assert plain_signs(chosen, {"TERM": term}, encoding) is plain


@pytest.mark.parametrize(
    ("chosen", "environ", "without"),
    [
        ("auto", {}, False),
        ("auto", {"NO_COLOR": "1"}, True),
        ("auto", {"NO_COLOR": ""}, False),
        ("16", {"NO_COLOR": "1"}, False),
        ("none", {}, True),
    ],
)
def test_no_color_is_kept_unless_a_depth_is_chosen(chosen, environ, without):
    assert without_colour(chosen, environ) is without


def test_a_depth_is_said_in_textuals_word():
    assert [colour_system(one) for one in ("auto", "truecolor", "256", "16", "none")] == [
        "auto", "truecolor", "256", "standard", "standard",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("● up", "+ up"),
        ("web-café", "web-cafe"),
        ("cafe\u0301 1", "cafe 1"),
        ("店舗1", "????1"),
        ("ß ø", "? ?"),
        ("ﬁ", "?"),
        ("👩\u200d👩\u200d👧 x", None),
        ("é" * 9, "e" * 9),
        ("\u3000x", "??x"),
    ],
)
def test_ascii_takes_as_many_cells_as_what_it_stands_for(text, shown):
    drawn = palette(load_themes()["serial"], ascii_only=True).text(text)
    assert drawn.isascii()
    assert len(drawn) == cell_len(text)
    assert shown is None or drawn == shown


def test_without_colours_faults_stand_out():
    styles = palette(load_themes()["night"], coloured=False).styles
    for style in styles.values():
        assert style.color is None
        assert style.bgcolor is None
    plain = {role: styles[role, "plain"] for role in ROLES}
    assert plain["down"].bold
    assert plain["down"].reverse
    assert plain["warning"].bold
    for role in ("text", "up", "muted"):
        assert not plain[role].bold
        assert not plain[role].reverse
    assert len({plain[role] for role in ("up", "down", "warning", "unknown", "draining")}) == 5
    assert all(styles[role, "cursor"].reverse for role in ROLES)
    assert styles["down", "cursor"] != styles["up", "cursor"]
