"""Whether the run before this one was stopped, or ended otherwise: a mark in the state folder while an engine runs."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.changes.aside import read_plain
from engine.config.atomic import write_atomic
from engine.domain.notices import Notice

if TYPE_CHECKING:
    from engine.domain.notices import EventSeverity

_MOST_BYTES = 4096


class _Mark(msgspec.Struct, kw_only=True):
    """Who runs.

    `began` is field 22 of /proc/PID/stat (proc(5)), which execve does not change; with the pid it tells a process from
    every other of its boot.
    """

    pid: int
    began: int
    boot: str


class LastRun:
    """The mark of this run, and what the one before left."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "running.json"
        self._alive = folder / "trends"  # written every second
        self._is_ours = False

    def begin(self) -> Notice | None:
        """Set the mark; return what is to be told of the run before, None where it was stopped or there was none."""
        mine = _Mark(
            pid=os.getpid(),
            began=int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]),
            boot=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        )
        told = self._told(mine)
        with contextlib.suppress(OSError):  # told as an alarm by whoever else writes there
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_atomic(self._path, msgspec.json.encode(mine))
            self._is_ours = True
        return told

    def end(self) -> None:
        """Take the mark away: this run was stopped."""
        if self._is_ours:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _told(self, mine: _Mark) -> Notice | None:
        try:
            before = msgspec.json.decode(read_plain(self._path, _MOST_BYTES), type=_Mark)
        except (OSError, ValueError, RecursionError):
            return None
        severity: EventSeverity = "warning"
        if before == mine:
            severity, text = "info", "restarted in place"
        elif before.boot != mine.boot:
            text = f"started after the host was: the run before (pid {before.pid}) was not stopped{self._since()}"
        else:
            text = (
                f"started again: the run before (pid {before.pid}) was killed, or it crashed{self._since()}"
            )
        return Notice("config", severity, "engine", text)

    def _since(self) -> str:
        """Say how long ago somebody lived."""
        try:
            age_s = time.time() - self._alive.stat().st_mtime
        except OSError:
            return ""
        return f", about {age_s:.0f} s ago" if age_s >= 0 else ""
