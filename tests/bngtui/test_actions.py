"""The registry of actions: complete, without doubles, and every action is a method where its keys work."""

from __future__ import annotations

import pytest

from bngtui.actions import ACTIONS, EDITOR, EVERYWHERE, REVIEW, REVISIONS, ROWS, available, key_text
from bngtui.render.help import paint_help
from bngtui.screens.details import DetailScreen
from bngtui.screens.editor import EditorScreen
from bngtui.screens.help import HelpScreen
from bngtui.screens.main import MainScreen
from bngtui.screens.review import ReviewScreen
from bngtui.screens.revision_text import TextScreen
from bngtui.screens.revisions import RevisionsScreen


def test_no_key_means_two_things_in_one_place():
    for context in EVERYWHERE:
        keys = [key for action in available(context, read_only=False) for key in action.keys]
        assert len(keys) == len(set(keys)), context


@pytest.mark.parametrize(
    ("screen", "contexts"),
    [
        (MainScreen, ROWS),
        (DetailScreen, {"details"}),
        (EditorScreen, EDITOR),
        (ReviewScreen, REVIEW),
        (RevisionsScreen, REVISIONS),
        (TextScreen, {"text"}),
    ],
)
def test_every_action_is_a_method(screen, contexts):
    for action in ACTIONS:
        if action.where & contexts:
            assert callable(getattr(screen, f"action_{action.name.partition('(')[0]}")), action.name


def test_the_help_page_can_do_what_its_keys_say():
    for action in available("details", read_only=True):
        assert callable(getattr(HelpScreen, f"action_{action.name.partition('(')[0]}")), action.name


def test_read_only_hides_every_key_that_changes_something():
    changing = {action for action in ACTIONS if action.changes}
    on_the_dashboard = {action for action in changing if action.where & ROWS}
    assert {key for action in on_the_dashboard for key in action.keys} == {"e", "d", "r", "W", "f8", "f9"}
    assert changing.isdisjoint(available(read_only=True))
    text = "\n".join(row.text for row in paint_help(available(read_only=True), 120, read_only=True))
    assert "READ-ONLY" in text
    assert "enable the selected" not in text
    assert "drain it" not in text
    for action in changing:
        assert action.help not in text


def test_help_names_every_key():
    text = "\n".join(row.text for row in paint_help(ACTIONS, 80, read_only=False))
    for action in ACTIONS:
        assert action.help in text
        for key in action.keys:
            assert key_text(key) in text
