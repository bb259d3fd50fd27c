"""A revision as a file: a line of JSON (`_Head`) and then the text, byte for byte."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal

import msgspec

from engine.api.messages import RevisionEnd  # noqa: TC001 - msgspec reads the annotation at run time
from engine.domain.encoding import UNREADABLE, to_json

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Nothing that was ever written as a revision is larger."""


class OtherVersionError(Exception):
    """A revision that another version of the engine wrote; it is not this one's to judge."""


_OLD_ROLLBACK = re.compile(r"rollback to revision ([0-9]{1,18})")
_FORMAT = 1


class _Story(msgspec.Struct, kw_only=True, frozen=True):
    """How a text came to be accepted, and what became of it. `time` is RFC 3339, UTC."""

    number: int
    time: str
    uid: int
    user: str
    note: str
    language: Literal["balanceng", "toml"]
    confirmed: bool
    reverted: bool  # nobody confirmed it, and the engine went back
    end: RevisionEnd | None = None  # absent in files of older versions
    ended_by: str | None = None


class StoredRevision(_Story, kw_only=True, frozen=True):
    """One accepted configuration. `text` is the file's bytes as they were accepted.

    `parent` is the earlier revision that this one runs again, after a rollback; None: its text was new.
    """

    parent: int | None = None
    text: bytes


class _Head(_Story, kw_only=True, frozen=True):
    """The first line of a revision's file, as JSON. What follows the line is the text."""

    format: int
    parent: int | msgspec.UnsetType | None = msgspec.UNSET  # absent in files of older versions
    size: int  # bytes of the text
    sha256: str  # of the text


def encode(stored: StoredRevision) -> bytes:
    """Return a revision's file."""
    head = _Head(
        format=_FORMAT,
        parent=stored.parent,
        size=len(stored.text),
        sha256=hashlib.sha256(stored.text).hexdigest(),
        **_story(stored),
    )
    return to_json(head) + b"\n" + stored.text


def decode(data: bytes, number: int) -> StoredRevision:
    """Read a revision's file. Raises ValueError with what is wrong with it, OtherVersionError."""
    line, _, text = data.partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=_Head)
    except UNREADABLE as error:
        raise ValueError(f"is not a revision ({error})") from error
    if head.format != _FORMAT:
        raise OtherVersionError(f"has the format {head.format} of another version")
    if head.number != number:
        raise ValueError(f"says it is revision {head.number}")
    if len(text) != head.size or hashlib.sha256(text).hexdigest() != head.sha256:
        raise ValueError("is damaged: its text is not what was written")
    parent = _old_parent(head.note) if head.parent is msgspec.UNSET else head.parent
    return StoredRevision(**_story(head), parent=parent, text=text)


def _story(of: _Story) -> dict[str, Any]:
    return {name: getattr(of, name) for name in _Story.__struct_fields__}


def _old_parent(note: str) -> int | None:
    """Find the parent of a revision that was stored before it was a field: the one number of a rollback's note."""
    found = _OLD_ROLLBACK.fullmatch(note)
    return int(found[1]) if found else None
