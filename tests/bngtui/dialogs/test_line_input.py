"""A line to type into, and names of files in it."""

from __future__ import annotations

import pytest
from textual import events

from bngtui.dialogs.line_input import MAX_TYPED, LineInput, complete_path


@pytest.fixture
def files(tmp_path):
    for name in ("dsr-one.conf", "dsr-two.conf", ".hidden", "other"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_a_path_is_completed_as_far_as_the_files_agree(files):
    assert complete_path(f"{files}/d") == (f"{files}/dsr-", ["dsr-one.conf", "dsr-two.conf"])
    assert complete_path(f"{files}/dsr-t") == (f"{files}/dsr-two.conf", ["dsr-two.conf"])


def test_a_folder_ends_with_a_slash_and_hidden_files_are_shown_to_who_asks(files):
    assert complete_path(f"{files}/f") == (f"{files}/folder/", ["folder/"])
    assert complete_path(f"{files}/")[1] == ["dsr-one.conf", "dsr-two.conf", "folder/", "other"]
    assert complete_path(f"{files}/.") == (f"{files}/.hidden", [".hidden"])


def test_what_is_not_there_stays_as_typed(files):
    assert complete_path(f"{files}/x") == (f"{files}/x", [])
    assert complete_path(f"{files}/not-there/x") == (f"{files}/not-there/x", [])


def test_home_is_expanded(files, monkeypatch):
    monkeypatch.setenv("HOME", str(files))
    assert complete_path("~/oth") == (f"{files}/other", ["other"])


class Typed(LineInput):
    """Keys in, answer out, without an application."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.answers = []

    def dismiss(self, result=None):
        self.answers.append(result)

    def renew(self):
        self.shown = "\n".join(line.text for line in self.lines())

    def press(self, *keys):
        for key in keys:
            self.on_key(events.Key(key, key if len(key) == 1 else None))


def test_typing_and_mending():
    line = Typed("Find", "old")
    line.press("ctrl+u", *"two")
    line.on_key(events.Key("space", " "))
    line.press(*"words", "backspace", "ctrl+h", "enter")
    assert line.answers == ["two wor"]
    line.press("ctrl+w")
    assert line._typed == "two"
    line.press("ctrl+w", "escape", "ctrl+c", "f5")
    assert line._typed == ""
    assert line.answers == ["two wor", "", ""]


def test_a_line_is_bounded_and_pasted_on_one_line():
    line = Typed("Find")
    line.on_paste(events.Paste("one\ntwo\r"))
    assert line._typed == "one two"
    line.on_paste(events.Paste("x" * MAX_TYPED))
    assert len(line._typed) == MAX_TYPED
    line.press("y")
    assert len(line._typed) == MAX_TYPED


def test_tab_completes_a_path_and_says_what_there_is(files):
    line = Typed("Read", f"{files}/d", hint="Tab completes", path=True)
    line.renew()
    assert "Tab completes" in line.shown
    line.press("tab")
    assert "dsr-one.conf, dsr-two.conf" in line.shown
    line.press("t")
    assert "dsr-one.conf" not in line.shown
    line.press("tab")
    assert line._typed == f"{files}/dsr-two.conf"
    line.press("x", "tab")
    assert "no such file" in line.shown


def test_where_no_path_is_wanted_tab_does_nothing(files):
    line = Typed("Find", f"{files}/d")
    line.press("tab")
    assert line._typed == f"{files}/d"


def test_more_names_than_a_hint_has_room_for(tmp_path):
    for number in range(9):
        (tmp_path / f"a{number}").write_text("")
    line = Typed("Read", f"{tmp_path}/a", path=True)
    line.press("tab")
    assert line._hint == "a0, a1, a2, a3, a4, a5, a6, a7 …"
    (tmp_path / "a8").unlink()
    line.press("tab")
    assert line._hint == "a0, a1, a2, a3, a4, a5, a6, a7"
