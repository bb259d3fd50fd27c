"""Processes identified by more than their pid, which may have been reused."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE_S = 2.0
"""How long a process may take to end after SIGTERM before it is killed; the engine's clean stop takes well under one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: its pid, and its start in clock ticks since boot (proc(5), stat field 22), which is never reused."""

    pid: int
    started: int


def identify(pid: int) -> Identity | None:
    """Return the process that has that pid now; None where there is none, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in b"ZX" else Identity(pid, int(fields[19]))


def alive(process: Identity) -> bool:
    """Return whether that same process still runs."""
    return identify(process.pid) == process


def in_namespaces(inodes: set[int]) -> list[Identity]:
    """Return the processes whose network namespace is one of those (inode numbers), but not the caller."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            if (entry / "ns/net").stat().st_ino in inodes and (process := identify(int(entry.name))):
                found.append(process)
    return found


def end(processes: Iterable[Identity], grace_s: float = GRACE_S) -> None:
    """Ask those processes to end, wait, and kill what is left after `grace_s`; returns when none runs."""
    left = {process for process in processes if alive(process)}
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s)):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        deadline = time.monotonic() + patience_s
        while left and time.monotonic() < deadline:
            left = {process for process in left if alive(process)}
            if left:
                time.sleep(0.005)
