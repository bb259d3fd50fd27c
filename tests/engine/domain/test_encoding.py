"""Names that are not Unicode, and bytes that are no message."""

from __future__ import annotations

import os

import msgspec
import pytest

from engine.domain.encoding import UNREADABLE, to_json, writable
from engine.domain.notices import Alarm

NAME = os.fsdecode(b"x\xff.conf")


def test_a_name_that_is_not_unicode_is_written_with_question_marks():
    alarm = Alarm(severity="error", subject=NAME, message="grün, 日本")
    again = msgspec.json.decode(to_json(alarm), type=Alarm)
    assert (again.subject, again.message) == ("x?.conf", "grün, 日本")
    assert writable([{NAME: (NAME, 1, None, 2.5, True)}]) == [{"x?.conf": ["x?.conf", 1, None, 2.5, True]}]


def test_what_can_be_written_is_written_as_it_is():
    assert to_json({"a": ["grün", 1]}) == msgspec.json.encode({"a": ["grün", 1]})


@pytest.mark.parametrize(
    "data", [b"{", b'{"subject": 1}', b'{"x": ' + b"[" * 100_000, b'{"subject": "\xff"}', b'{"x": 1e999999}']
)
def test_whatever_is_no_message_is_unreadable(data):
    with pytest.raises(UNREADABLE):
        msgspec.json.decode(data, type=Alarm)
