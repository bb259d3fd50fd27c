"""The log, written by a thread of its own: whoever reads it slowly, or not at all, holds up nobody.

Lines wait in memory, some thousands at most; what comes meanwhile is dropped and counted. Lines that differ in numbers
alone are of one cause: after some of them the others are counted, and the count is written.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING_MOST = 4_000
"""Lines that wait for a reader: a minute of the busiest engine, and under 2 MiB."""

LINE_MOST = 16_384
"""Characters of one record, its stack trace included."""

ALIKE_MOST = 20
ALIKE_S = 10.0
"""So many lines of one cause in so many seconds are written; the others are counted."""

CAUSES_MOST = 500
"""Causes that are told apart at a time."""

END_S = 1.0
"""How long the end of the process waits for the reader."""

_NUMBERS = re.compile(r"\d+")


@dataclass
class _Cause:
    first: float
    seen: int
    level: int
    text: str


class LogLines(logging.Handler):
    """Writes records to the descriptor `fd`. `whole` are the loggers of which every line counts, the events' for one."""

    def __init__(
        self, fd: int, *, whole: tuple[str, ...] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._fd = fd
        self._whole = whole
        self._clock = clock
        self._lines: deque[bytes] = deque()
        self._news = threading.Condition()
        self._causes: dict[tuple[str, int, str], _Cause] = {}
        self._dropped = 0
        self._writing_since: float | None = None
        self._thread: threading.Thread | None = None

    def waits_s(self) -> float:
        """Return for how long the reader has taken nothing of what waits."""
        since = self._writing_since
        return 0.0 if since is None else self._clock() - since

    @property
    def dropped(self) -> int:
        """Lines that were dropped since the last ones that were written."""
        return self._dropped

    def emit(self, record: logging.LogRecord) -> None:
        """Put a record in the row. Never waits."""
        try:
            with self._news:
                self._tell_counts()
                if not self._counted(record):
                    self._put(self.format(record)[:LINE_MOST])
                if self._thread is None:
                    self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
                    self._thread.start()
                self._news.notify()
        except Exception:  # noqa: BLE001 - what cannot be logged must not end what is done
            self.handleError(record)

    def flush(self) -> None:
        """Wait for the reader, but not for long."""
        deadline = self._clock() + END_S
        while (self._lines or self._writing_since is not None) and self._clock() < deadline:
            time.sleep(0.005)

    def close(self) -> None:
        """Write what was counted, and wait for the reader, but not for long."""
        with self._news:
            self._tell_counts(over=True)
            self._news.notify()
        self.flush()
        super().close()

    # -- lines of one cause -----------------------------------------------------------------------------------------

    def _counted(self, record: logging.LogRecord) -> bool:
        """Count a record, and tell whether that is all that is done with it."""
        if record.name in self._whole:
            return False
        text = record.getMessage()
        key = (record.name, record.levelno, _NUMBERS.sub("#", text[:200]))
        cause = self._causes.get(key)
        if cause is None:
            if len(self._causes) >= CAUSES_MOST:
                self._tell_counts(over=True)
            self._causes[key] = _Cause(self._clock(), 1, record.levelno, text)
            return False
        cause.seen += 1
        cause.text = text
        return cause.seen > ALIKE_MOST

    def _tell_counts(self, *, over: bool = False) -> None:
        """Write the counts of the causes whose time is over; all of them with `over`."""
        now = self._clock()
        while self._causes:
            key, cause = next(iter(self._causes.items()))  # the oldest
            if not over and now - cause.first < ALIKE_S:
                return
            del self._causes[key]
            more = cause.seen - ALIKE_MOST
            if more > 0:
                text = f"{more} more like the last one in {now - cause.first:.0f} s: {cause.text}"
                self._put(
                    self.format(logging.LogRecord(key[0], cause.level, "", 0, text[:LINE_MOST], None, None))
                )

    # -- the thread -------------------------------------------------------------------------------------------------

    def _put(self, text: str) -> None:
        if len(self._lines) >= WAITING_MOST:
            self._dropped += 1
            return
        self._lines.append(text.encode(errors="backslashreplace") + b"\n")

    def _write_all(self) -> None:
        while True:
            with self._news:
                while not self._lines:
                    wanted = self._news.wait(ALIKE_S if any(self._over_count()) else None)
                    if not wanted:
                        self._tell_counts()
                line = self._lines.popleft()
                self._writing_since = self._clock()
            with contextlib.suppress(OSError):  # nobody reads it any more, and nobody ever will
                self._write(line)
            with self._news:
                self._writing_since = None
                if self._dropped and len(self._lines) < WAITING_MOST // 2:
                    dropped, self._dropped = self._dropped, 0
                    text = f"{dropped} lines of the log were dropped: nobody read it"
                    record = logging.LogRecord("engine", logging.WARNING, "", 0, text, None, None)
                    self._put(self.format(record))

    def _over_count(self) -> list[_Cause]:
        return [cause for cause in self._causes.values() if cause.seen > ALIKE_MOST]

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._fd, line) :]
            except BlockingIOError:  # somebody else has made the descriptor non-blocking
                time.sleep(0.05)
