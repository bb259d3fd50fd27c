"""The text that is being edited."""

from __future__ import annotations

from bngtui.candidate import Candidate
from bngtui.editor.edited import EditedText


def candidate(base_text, text):
    return Candidate("/etc/bng/bng.conf", "balanceng", 1, base_text, text)


def test_it_is_changed_when_the_area_has_another_text(area):
    edited = EditedText(area)
    assert edited.changed is False
    assert edited.show(candidate("a\n", "a\n")) is True
    assert edited.changed is False
    area.text = "b\n"
    assert edited.changed is True


def test_a_text_that_was_changed_before_is_shown_as_it_is(area):
    edited = EditedText(area)
    assert edited.show(candidate("a\n", "b\n")) is True
    assert edited.changed is True
    assert edited.candidate.base_text == "a\n"


def test_lines_that_end_in_two_ways_are_no_change(area):
    edited = EditedText(area)
    assert edited.show(candidate("a\r\nb\n", "a\r\nb\n")) is False
    assert edited.candidate.base_text == "a\nb\n"
    assert edited.changed is False
