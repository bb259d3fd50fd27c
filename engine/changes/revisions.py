"""Every accepted configuration, kept: one whole file for each, its story and its text together.

What the disk refuses to take is owed: it holds in memory, and is written as soon as the disk lets it.
"""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Literal

import msgspec

from engine.changes.aside import ASIDE, put_aside, read_plain
from engine.changes.revision_file import (
    MAX_FILE_BYTES,
    OtherVersionError,
    StoredRevision,
    decode,
    encode,
)
from engine.config.atomic import write_atomic

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from engine.api.messages import RevisionEnd
    from engine.domain.actor import Actor

KEEP = 50
"""Revisions kept: weeks of a busy operator's work, and at most 100 MB of the largest configurations."""

FILE_MODE = 0o600
"""A configuration may hold commands and names that are nobody else's business; it is shown through the sockets."""

MAX_NOTE = 1_000
"""Characters of a note; what is longer is cut, since it is shown on one line."""

_NAME = re.compile(r"([0-9]{6,18})\.revision")
_ASIDE = re.compile(rf"([0-9]{{6,18}})\.revision{re.escape(ASIDE)}(-[0-9]+)?")


class RevisionStore:
    """The history in `folder`, at most `keep` revisions. Numbers only ever grow, whatever is pruned or lost.

    At the start what is named as a revision and cannot be read is put aside; `warnings` names it, as it does what else
    is in the folder. Not for two processes at a time.
    """

    def __init__(self, folder: Path, keep: int = KEEP) -> None:
        self.folder = folder
        self.keep = max(2, keep)  # the running one, and the one to go back to
        self._read: dict[int, tuple[tuple[int, int, int], StoredRevision]] = {}
        self._highest = 0
        self._faults: dict[str, str] = {}
        self._held: dict[int, StoredRevision] = {}  # what has to exist, as it was last seen
        self._owed: dict[int, StoredRevision] = {}  # what the disk has not got, or has otherwise
        self._refusal = ""
        self._writing = threading.Lock()  # of two stories of a revision the later one stays
        self._new: set[int] = set()  # of what is owed, what never was on the disk
        with contextlib.suppress(
            OSError
        ):  # what is refused now is refused again, and told, when there is something to keep
            self._make_folder()
        self._put_aside()

    @property
    def warnings(self) -> list[str]:
        """What is in the folder and is not a revision, with the reason, as of the last look."""
        return [f"{self.folder / name}: {why}" for name, why in sorted(self._faults.items())]

    @property
    def owed(self) -> str:
        """What the disk has not taken yet, and why: a sentence, or nothing where the history is whole."""
        numbers = sorted(self._owed)
        if not numbers:
            return ""
        which = f"revision{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
        return f"{self.folder}: the story of {which} is in memory alone: {self._refusal}"

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
        or_owe: bool = False,
    ) -> StoredRevision:
        """Store a configuration under the next number, then prune the oldest ones.

        `time` is RFC 3339, UTC. Never pruned: the new one, the latest confirmed one, and `protect` (what runs, where
        that is another one). Raises OSError where the disk refuses, the history being as it was before; with `or_owe`
        it is owed instead.
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
        if or_owe:
            self._new.add(stored.number)
            with self._writing:
                self._write_or_owe(stored)
        else:
            self._write(stored)
        self._prune({stored.number, *protect})
        return stored

    def get(self, number: int) -> StoredRevision | None:
        """Return one revision; None where there is none of that number, or it cannot be read."""
        if (owed := self._owed.get(number)) is not None:
            return owed
        return self._on_disk(number) or self._held.get(number)

    def list(self) -> list[StoredRevision]:
        """Return every revision, newest first."""
        found = [self.get(number) for number in self._look()]
        return [stored for stored in found if stored is not None]

    def confirm(
        self, number: int, end: RevisionEnd | None = None, by: Actor | None = None, refusal: str = ""
    ) -> StoredRevision:
        """Mark a revision as confirmed; a disk that refuses is owed it. Raises LookupError where there is none.

        `end` and `by` say how it stopped being on trial, where it was; `refusal` is why the disk is not asked at all.
        """
        return self._mark(number, confirmed=True, reverted=False, end=end, by=by, refusal=refusal)

    def drop(
        self, number: int, end: RevisionEnd | None = None, by: Actor | None = None, refusal: str = ""
    ) -> StoredRevision:
        """Mark a revision as one that the engine went back from; the rest as `confirm`."""
        return self._mark(number, confirmed=False, reverted=True, end=end, by=by, refusal=refusal)

    def latest_confirmed(self) -> StoredRevision | None:
        """Return the newest revision that was confirmed: what a restarted engine goes by."""
        for number in self._look():
            stored = self.get(number)
            if stored is not None and stored.confirmed and not stored.reverted:
                return stored
        return None

    # -- what has to exist

    def hold(self, numbers: Collection[int]) -> None:
        """Keep these in memory as well: what runs and what a trial goes back to, whoever removes their files."""
        found = [self.get(number) for number in numbers]
        self._held = {stored.number: stored for stored in found if stored is not None}

    def mend(self) -> None:
        """Write what is owed, and what was held and is gone. What the disk still refuses stays owed."""
        for number, held in list(self._held.items()):
            if number not in self._owed and self._on_disk(number) is None:
                if self._damaged(number):
                    put_aside(self._path(number))
                self._owed[number] = held
        for number in sorted(self._owed):
            with self._writing:
                if (stored := self._owed.get(number)) is not None:
                    self._write_or_owe(stored)

    # -- files

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.revision"

    def _on_disk(self, number: int) -> StoredRevision | None:
        """Read a revision, once as long as its file stays the same; what is wrong with it is a warning."""
        path = self._path(number)
        try:
            now = path.stat()
            seen = (now.st_ino, now.st_mtime_ns, now.st_size)
            kept = self._read.get(number)
            if kept is not None and kept[0] == seen:
                return kept[1]
            stored = decode(read_plain(path, MAX_FILE_BYTES), number)
        except FileNotFoundError:
            self._read.pop(number, None)
            return None
        except (OSError, ValueError, OtherVersionError) as error:
            self._read.pop(number, None)
            self._faults[path.name] = getattr(error, "strerror", None) or str(error)
            return None
        self._faults.pop(path.name, None)
        self._read[number] = (seen, stored)
        return stored

    def _make_folder(self) -> None:
        """Make the folder, in the place of what is not one. Raises OSError."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            if put_aside(self.folder) is None:
                raise
            self.folder.mkdir(mode=0o700)

    def _put_aside(self) -> None:
        """Put aside what is named as a revision and is not one; what the disk does not let us read stays."""
        for number in self._look():
            if self.get(number) is None and self._damaged(number):
                put_aside(self._path(number))
        self._look()

    def _damaged(self, number: int) -> bool:
        try:
            decode(read_plain(self._path(number), MAX_FILE_BYTES), number)
        except ValueError:
            return True
        except (OSError, OtherVersionError):
            pass
        return False

    def _look(self) -> Sequence[int]:
        """Return the numbers that have a file or are owed one, newest first. Damaged ones count: their number is taken."""
        numbers, faults, taken = {*self._owed, *self._held}, {}, 0
        try:
            names = [entry.name for entry in self.folder.iterdir()]
        except OSError as error:
            names = []
            if not isinstance(error, FileNotFoundError):
                faults[""] = error.strerror or str(error)
        for name in names:
            match = _NAME.fullmatch(name)
            if match and name == self._path(int(match[1])).name:
                numbers.add(int(match[1]))
                if name in self._faults:
                    faults[name] = self._faults[name]
            elif aside := _ASIDE.fullmatch(name):
                taken = max(taken, int(aside[1]))
                faults[name] = "was not readable as a revision and was put aside; look at it, then remove it"
            elif not name.startswith(".bng-"):  # a write that was cut short; the next one removes it
                faults[name] = "is not a revision"
        self._faults = faults
        self._highest = max([self._highest, taken, *numbers])
        return sorted(numbers, reverse=True)

    def _mark(
        self,
        number: int,
        *,
        confirmed: bool,
        reverted: bool,
        end: RevisionEnd | None,
        by: Actor | None,
        refusal: str,
    ) -> StoredRevision:
        stored = self.get(number)
        if stored is None:
            raise LookupError(f"there is no revision {number}")
        if (stored.confirmed, stored.reverted) != (confirmed, reverted):
            stored = msgspec.structs.replace(
                stored,
                confirmed=confirmed,
                reverted=reverted,
                end=end,
                ended_by=None if by is None else by.text,
            )
            if refusal:
                self._owe(stored, refusal)
            else:
                with self._writing:
                    self._write_or_owe(stored)
        return stored

    def _owe(self, stored: StoredRevision, refusal: str) -> None:
        if stored.number in self._held:
            self._held[stored.number] = stored
        self._owed[stored.number] = stored
        self._refusal = refusal

    def _write_or_owe(self, stored: StoredRevision) -> None:
        number = stored.number
        if number in self._held:
            self._held[number] = stored
        try:
            if number in self._new and self._path(number).exists():
                # The disk could not be read when the number was given.
                raise FileExistsError(0, "there is another revision of that number", str(self._path(number)))
            self._write(stored)
        except OSError as error:
            self._owe(stored, error.strerror or str(error))
        else:
            if self._owed.get(number) == stored:  # else it was marked anew meanwhile
                del self._owed[number]
            self._new.discard(number)

    def _write(self, stored: StoredRevision) -> None:
        self._make_folder()
        write_atomic(self._path(stored.number), encode(stored), mode=FILE_MODE)

    def _prune(self, protected: set[int]) -> None:
        numbers = self._look()
        latest = self.latest_confirmed()
        if latest is not None:
            protected.add(latest.number)
        room = self.keep - len(protected.intersection(numbers))
        spare = [number for number in numbers if number not in protected]
        for number in spare[max(0, room) :]:
            with contextlib.suppress(OSError):  # the new revision is stored: the next one tries again
                self._path(number).unlink(missing_ok=True)
                self._owed.pop(number, None)
                self._read.pop(number, None)
