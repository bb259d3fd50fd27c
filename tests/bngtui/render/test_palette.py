"""The command palette's lines, in terminals with and without room for its list."""

from __future__ import annotations

import pytest

from bngtui.actions import ACTIONS
from bngtui.render.palette import matching, paint_palette


@pytest.mark.parametrize("height", range(2, 40))
@pytest.mark.parametrize("typed", ["", "drain", "no such thing"])
def test_the_palette_fills_its_height_and_no_more(typed, height):
    lines = paint_palette(matching(ACTIONS, typed), typed, 0, 60, height)
    assert len(lines) == height
    assert (lines[0].text[0], lines[-1].text[0]) == ("╭", "╰")
    assert {len(row.text) for row in lines} == {60}


def test_a_short_palette_still_shows_what_is_typed():
    assert [row.text for row in paint_palette([], "drain", 0, 20, 4)] == [
        "╭──────────────────╮",
        "│ > drain█         │",
        "│                  │",
        "╰──────────────────╯",
    ]
