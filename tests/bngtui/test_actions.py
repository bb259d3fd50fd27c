"""The registry of actions: complete, without doubles, and every action is a method where its keys work."""

from __future__ import annotations

import pytest

from bngtui.actions import ACTIONS, EDITOR, EVERYWHERE, REVIEW, REVISIONS, ROWS, available, key_text
from bngtui.navigation import SCREENS
from bngtui.render.help import paint_help
from bngtui.screens.editor import EditorScreen


def test_no_key_means_two_things_in_one_place():
    for context in EVERYWHERE:
        keys = [key for action in available(context, read_only=False) for key in action.keys]
        assert len(keys) == len(set(keys)), context


PLACES = {
    "dashboard": ROWS,
    "details": {"details"},
    "editor": EDITOR,
    "help": {"text"},
    "review": REVIEW,
    "revision_text": {"text"},
    "revisions": REVISIONS,
}


def methods_of(name):
    made = EditorScreen if name == "editor" else SCREENS[name]
    return {method.removeprefix("action_") for method in dir(made) if method.startswith("action_")}


@pytest.mark.parametrize("name", PLACES)
def test_every_action_is_a_method(name):
    for action in ACTIONS:
        if action.where & PLACES[name]:
            assert action.name.partition("(")[0] in methods_of(name), f"{name}: no method for {action.name}"


def test_every_screen_has_a_place_here():
    assert set(PLACES) == set(SCREENS), "PLACES of this file says where each screen's keys stand"


def test_what_an_action_opens_is_a_screen():
    opened = {action.name[6:-2] for action in ACTIONS if action.name.startswith("open('")}
    assert opened >= {"editor", "revisions"}
    assert not opened - set(SCREENS), "name the screen in bngtui/navigation.py"


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
