"""What a console takes a message to say where the engine leaves something out."""

from __future__ import annotations

import msgspec

from engine.api.messages import Revision


def test_a_revision_of_which_no_more_is_said_was_confirmed_and_does_not_run():
    said = {
        "number": 3,
        "time": "2026-03-01T12:00:05Z",
        "uid": 0,
        "user": "root",
        "note": "",
        "language": "toml",
    }
    revision = msgspec.convert(said, Revision)
    assert (revision.running, revision.confirmed, revision.reverted) == (False, True, False)
    assert (revision.lines, revision.text) == (0, None)
