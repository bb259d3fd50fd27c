"""Events on the disk, one JSON object a line, so that what happened before a restart can still be read.

Two files take turns: the one that is written, and the one before it. No line is waited for, and what the disk does not
take is lost: it is in the log of the engine as well.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from engine.api.messages import Event
from engine.changes.aside import read_plain
from engine.io.background import BackgroundWriter

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 1 << 20
"""Of each file: some five thousand events."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode


class EventFile:
    """`events.jsonl` in a folder, and `events.1.jsonl`, which is older."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "events.jsonl"
        self._older = folder / "events.1.jsonl"
        self._writer: BackgroundWriter | None = None

    @property
    def trouble(self) -> str:
        """Why the last event was not written, or nothing."""
        return self._writer.trouble if self._writer is not None else ""

    def load(self, most: int) -> list[Event]:
        """Return the newest events that there are, at most so many, oldest first. What cannot be read is left out."""
        found: list[Event] = []
        for path in (self._older, self._path):
            try:
                lines = read_plain(path, 2 * MOST_BYTES).splitlines()
            except (OSError, ValueError):
                continue
            for line in lines[-most:]:
                try:
                    event = _decode(line)
                except (ValueError, RecursionError):  # the disk was full, or somebody has edited it
                    continue
                if not found or event.id > found[-1].id:
                    found.append(event)
        return found[-most:]

    def add(self, event: Event) -> None:
        """Have an event written."""
        if self._writer is None:
            self._writer = BackgroundWriter("events")
        self._writer.do(lambda: self._append(_encode(event)))

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(self._path, flags, 0o644)
        try:
            size = os.fstat(fd).st_size
            # A line that was cut off, by a full disk or a crash, costs itself and not the next one.
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            os.write(fd, (b"\n" if torn else b"") + line + b"\n")
        finally:
            os.close(fd)
        if size + len(line) > MOST_BYTES:
            self._path.replace(self._older)

    def close(self) -> None:
        """Write what waits."""
        if self._writer is not None:
            self._writer.close()
