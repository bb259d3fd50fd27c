"""What a panel says where it has no row to show."""

from __future__ import annotations

import pytest

from bngtui.render import targets
from bngtui.render.table import paint_table
from bngtui.render.view import View
from tests.helpers.console_states import make_target


@pytest.mark.parametrize(
    ("numbers", "needle", "faults_only", "text"),
    [
        ((), "", False, "The configuration has no targets."),
        ((), "web9", False, "The configuration has no targets."),
        ((), "", True, "The configuration has no targets."),
        ((1, 2), "web9", False, "Nothing matches /web9; Esc shows all 2."),
        ((1, 2), "", True, "Nothing matches faults only; Esc shows all 2."),
    ],
)
def test_an_empty_panel_says_whether_rows_are_hidden_or_there_are_none(numbers, needle, faults_only, text):
    view = View(targets.SPEC, needle=needle, faults_only=faults_only)
    view.take([targets.TargetRow(make_target(number, [1])) for number in numbers])
    assert text in [row.text.strip() for row in paint_table(view, 80, 5, active=True)]
