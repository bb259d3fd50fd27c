"""Every accepted configuration, kept: one whole file for each, its story and its text together.

A file is a line of JSON (`_Head`) and then the text, byte for byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.config.atomic import write_atomic

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from engine.domain.actor import Actor

KEEP = 50
"""Revisions kept: weeks of a busy operator's work, and at most 100 MB of the largest configurations."""

FILE_MODE = 0o600
"""A configuration may hold commands and names that are nobody else's business; it is shown through the sockets."""

MAX_NOTE = 1_000
"""Characters of a note; what is longer is cut, since it is shown on one line."""

_NAME = re.compile(r"([0-9]{6,18})\.revision")
_OLD_ROLLBACK = re.compile(r"rollback to revision ([0-9]{1,18})")
_FORMAT = 1
_MAX_FILE_BYTES = 64 * 1024 * 1024  # nothing this store has written is larger


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


class RevisionStore:
    """The history in `folder`, at most `keep` revisions. Numbers only ever grow, whatever is pruned or lost.

    A file there that is not a revision, or is damaged, is stepped over and named in `warnings`. Not for two processes
    at a time. Methods raise OSError where the disk refuses, the history being as it was before.
    """

    def __init__(self, folder: Path, keep: int = KEEP) -> None:
        self.folder = folder
        self.keep = max(2, keep)  # the running one, and the one to go back to
        self._read: dict[int, tuple[tuple[int, int, int], StoredRevision]] = {}
        self._highest = 0
        self._faults: dict[str, str] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.list()

    @property
    def warnings(self) -> list[str]:
        """What is in the folder and is not a revision, with the reason, as of the last look."""
        return [f"{self.folder / name}: {why}" for name, why in sorted(self._faults.items())]

    def add(
        self,
        text: bytes,
        *,
        time: str,
        actor: Actor,
        note: str,
        language: Literal["balanceng", "toml"],
        confirmed: bool = True,
        parent: int | None = None,
        protect: Collection[int] = (),
    ) -> StoredRevision:
        """Store a configuration under the next number, then prune the oldest ones.

        `time` is RFC 3339, UTC. Never pruned: the new one, the latest confirmed one, and `protect` (what runs, where
        that is another one).
        """
        self._look()
        stored = StoredRevision(
            number=self._highest + 1,
            time=time,
            uid=actor.uid,
            user=actor.user,
            note=note if len(note) <= MAX_NOTE else note[: MAX_NOTE - 3] + "...",
            language=language,
            confirmed=confirmed,
            reverted=False,
            parent=parent,
            text=text,
        )
        self._write(stored)
        self._prune({stored.number, *protect})
        return stored

    def get(self, number: int) -> StoredRevision | None:
        """Return one revision; None where there is none of that number, or it cannot be read."""
        path = self._path(number)
        try:
            now = path.stat()
            seen = (now.st_ino, now.st_mtime_ns, now.st_size)
            kept = self._read.get(number)
            if kept is not None and kept[0] == seen:
                return kept[1]
            if now.st_size > _MAX_FILE_BYTES:
                raise ValueError("is too large for a revision")  # noqa: TRY301 - one place says why
            stored = _decode(path.read_bytes(), number)
        except FileNotFoundError:
            self._read.pop(number, None)
            return None
        except (OSError, ValueError) as error:
            self._read.pop(number, None)
            self._faults[path.name] = getattr(error, "strerror", None) or str(error)
            return None
        self._faults.pop(path.name, None)
        self._read[number] = (seen, stored)
        return stored

    def list(self) -> list[StoredRevision]:
        """Return every revision, newest first."""
        found = [self.get(number) for number in self._look()]
        return [stored for stored in found if stored is not None]

    def confirm(self, number: int) -> StoredRevision:
        """Mark a revision as confirmed. Raises LookupError where there is none of that number."""
        return self._mark(number, confirmed=True, reverted=False)

    def drop(self, number: int) -> StoredRevision:
        """Mark a revision as one that the engine went back from. Raises LookupError where there is none."""
        return self._mark(number, confirmed=False, reverted=True)

    def latest_confirmed(self) -> StoredRevision | None:
        """Return the newest revision that was confirmed: what a restarted engine goes by."""
        for number in self._look():
            stored = self.get(number)
            if stored is not None and stored.confirmed and not stored.reverted:
                return stored
        return None

    # -- files

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.revision"

    def _look(self) -> Sequence[int]:
        """Return the numbers that have a file, newest first. Damaged ones count: their number is taken."""
        numbers, faults = [], {}
        for entry in self.folder.iterdir():
            match = _NAME.fullmatch(entry.name)
            if match and entry.name == self._path(int(match[1])).name:
                numbers.append(int(match[1]))
                if entry.name in self._faults:
                    faults[entry.name] = self._faults[entry.name]
            elif not entry.name.startswith(".bng-"):  # a write that was cut short; the next one removes it
                faults[entry.name] = "is not a revision"
        self._faults = faults
        numbers.sort(reverse=True)
        self._highest = max([self._highest, *numbers[:1]])
        return numbers

    def _mark(self, number: int, *, confirmed: bool, reverted: bool) -> StoredRevision:
        stored = self.get(number)
        if stored is None:
            raise LookupError(f"there is no revision {number}")
        if (stored.confirmed, stored.reverted) != (confirmed, reverted):
            stored = msgspec.structs.replace(stored, confirmed=confirmed, reverted=reverted)
            self._write(stored)
        return stored

    def _write(self, stored: StoredRevision) -> None:
        write_atomic(self._path(stored.number), _encode(stored), mode=FILE_MODE)

    def _prune(self, protected: set[int]) -> None:
        numbers = self._look()
        latest = self.latest_confirmed()
        if latest is not None:
            protected.add(latest.number)
        room = self.keep - len(protected.intersection(numbers))
        spare = [number for number in numbers if number not in protected]
        for number in spare[max(0, room) :]:
            with contextlib.suppress(OSError):  # the new revision is stored: the next one tries again
                self._path(number).unlink()
                self._read.pop(number, None)


def _story(of: _Story) -> dict[str, Any]:
    return {name: getattr(of, name) for name in _Story.__struct_fields__}


def _encode(stored: StoredRevision) -> bytes:
    head = _Head(
        format=_FORMAT,
        parent=stored.parent,
        size=len(stored.text),
        sha256=hashlib.sha256(stored.text).hexdigest(),
        **_story(stored),
    )
    return msgspec.json.encode(head) + b"\n" + stored.text


def _decode(data: bytes, number: int) -> StoredRevision:
    """Read a revision's file. Raises ValueError with what is wrong."""
    line, _, text = data.partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is not a revision ({error})") from error
    if head.format != _FORMAT:
        raise ValueError(f"has the format {head.format} of another version")
    if head.number != number:
        raise ValueError(f"says it is revision {head.number}")
    if len(text) != head.size or hashlib.sha256(text).hexdigest() != head.sha256:
        raise ValueError("is damaged: its text is not what was written")
    parent = _old_parent(head.note) if head.parent is msgspec.UNSET else head.parent
    return StoredRevision(**_story(head), parent=parent, text=text)


def _old_parent(note: str) -> int | None:
    """Find the parent of a revision that was stored before it was a field: the one number of a rollback's note."""
    found = _OLD_ROLLBACK.fullmatch(note)
    return int(found[1]) if found else None
