"""The configuration file as it stands on the disk, against what was read from it or written to it last.

Tools and people change files. What they wrote must be seen before it is overwritten, and a file that is broken must be
known before a restart finds it.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.api.timestamp import timestamp
from engine.config.load import MAX_CHARS, load
from engine.domain.notices import Alarm

if TYPE_CHECKING:
    from pathlib import Path

_UTF8_BYTES = 4
MOST_BYTES = _UTF8_BYTES * MAX_CHARS
"""A larger file is no configuration, and is not read to its end."""


@dataclass(frozen=True)
class Difference:
    """What the file is instead. `data` is None where it cannot be read; `trouble` says why it cannot run, "" if it can."""

    since: str  # RFC 3339, UTC: when the file became another one, or was found to be gone
    data: bytes | None
    trouble: str = ""

    @property
    def clock(self) -> str:
        """The time of day that it is so since, with its zone."""
        return f"{self.since[11:16]} UTC"


@dataclass
class FileOnDisk:
    """Compares `path` with `known`: the bytes that were read or written last, and so are what a restart should find."""

    path: Path
    known: bytes
    difference: Difference | None = None
    _seen: tuple[int, ...] | None = field(default=None, init=False)

    def moved(self) -> bool:
        """Whether the file may be another one than at the last look. Costs one system call."""
        return self._signature() != self._seen

    def look(self) -> None:
        """Look at the file. It is read, and checked where it is another one: in a thread, for it may be large."""
        self._seen = self._signature()
        self.difference = self._compare()

    def wrote(self, data: bytes) -> None:
        """Take note of what the engine has written."""
        self.known = data
        self.difference = None
        self._seen = self._signature()

    def alarm(self) -> Alarm | None:
        """Return what is wrong while file and engine do not agree."""
        found = self.difference
        if found is None:
            return None
        what = (
            "cannot be read"
            if found.data is None
            else "is not valid"
            if found.trouble
            else "is not what runs"
        )
        why = found.trouble or "reload runs it, save --overwrite writes what runs"
        return Alarm(
            severity="error" if found.trouble else "warning",
            subject="configuration file",
            message=f"{what} since {found.clock}: {why}",
        )

    def _signature(self) -> tuple[int, ...]:
        try:
            now = self.path.stat()
        except OSError as error:
            return (error.errno or 0,)
        # The time of the inode's change cannot be set by hand, as that of its content can (inode(7)).
        return (now.st_ino, now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_mode)

    def _compare(self) -> Difference | None:
        try:
            with open(self.path, "rb", opener=_without_waiting) as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    return None  # a pipe or a device was read once, and says nothing of now
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            gone = self.difference if self.difference and self.difference.data is None else None
            return Difference(gone.since if gone else timestamp(), None, error.strerror or str(error))
        if data == self.known:
            return None
        changed = timestamp(datetime.fromtimestamp(found.st_ctime, UTC))
        return Difference(changed, data, self._trouble(data))

    def _trouble(self, data: bytes) -> str:
        if len(data) > MOST_BYTES:
            return f"it has more than {MOST_BYTES} bytes"
        errors = [f for f in load(data, str(self.path)).findings if f.severity == "error"]
        if not errors:
            return ""
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return f"{errors[0]}{more}"


def _without_waiting(path: str, flags: int) -> int:
    """Open a file, and never wait for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
