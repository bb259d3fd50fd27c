"""How wide a column of the dashboard is: what its rows need, between its own width and its widest."""

from __future__ import annotations

import pytest

from bngtui.render.columns import Column, fit_columns
from bngtui.render.text import Span


def name_column(**changes):
    return Column("name", "Name", lambda row, _w, _s: Span(row), width=6, hug=True, **changes)


@pytest.mark.parametrize(
    ("names", "widest", "cells"),
    [
        ([], 0, 6),
        (["web1"], 0, 6),
        (["web1", "a longer name"], 0, 13),
        (["a longer name"], 20, 13),
        (["a longer name"], 13, 13),
        (["a longer name"], 12, 12),
        (["世界世界"], 20, 8),
    ],
)
def test_a_column_hugs_its_longest_cell_up_to_its_widest(names, widest, cells):
    (fitted,) = fit_columns([name_column(widest=widest)], names, 80)
    assert fitted.width == cells


def test_a_column_that_does_not_hug_keeps_its_width_whatever_its_rows_say():
    column = Column("state", "State", lambda row, _w, _s: Span(row), width=10)
    assert [item.width for item in fit_columns([column], ["a state of many words"], 80)] == [10]


def test_a_column_is_ordered_from_the_smallest_unless_it_says_otherwise():
    assert not name_column().descending
    assert name_column(descending=True).descending
