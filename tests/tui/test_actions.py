"""The registry of actions: complete, without doubles, and every action is a method where its keys work."""

from __future__ import annotations

import pytest

from bngtui.actions import ACTIONS, ROWS, available, key_text
from bngtui.render.help import paint_help
from bngtui.screens.details import DetailScreen
from bngtui.screens.help import HelpScreen
from bngtui.screens.main import MainScreen


def test_no_key_means_two_things_in_one_place():
    for context in (*ROWS, "details"):
        keys = [key for action in available(context, read_only=False) for key in action.keys]
        assert len(keys) == len(set(keys)), context


@pytest.mark.parametrize(("screen", "contexts"), [(MainScreen, ROWS), (DetailScreen, {"details"})])
def test_every_action_is_a_method(screen, contexts):
    for action in ACTIONS:
        if action.where & contexts:
            assert callable(getattr(screen, f"action_{action.name.partition('(')[0]}")), action.name


def test_the_help_page_can_do_what_its_keys_say():
    for action in available("details", read_only=True):
        assert callable(getattr(HelpScreen, f"action_{action.name.partition('(')[0]}")), action.name


def test_read_only_hides_every_key_that_changes_something():
    changing = {action for action in ACTIONS if action.changes}
    assert {key for action in changing for key in action.keys} == {"e", "d", "r"}
    assert changing.isdisjoint(available(read_only=True))
    text = "\n".join(row.text for row in paint_help(available(read_only=True), 120, read_only=True))
    assert "READ-ONLY" in text
    assert "enable the selected" not in text
    assert "drain it" not in text


def test_help_names_every_key():
    text = "\n".join(row.text for row in paint_help(ACTIONS, 80, read_only=False))
    for action in ACTIONS:
        assert action.help in text
        for key in action.keys:
            assert key_text(key) in text
