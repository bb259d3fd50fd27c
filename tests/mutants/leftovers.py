"""The folder of a run, and what runs that were killed have left: their folders, and processes that nobody will end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "BNG_MUTANTS"
"""In the environment of every process of a trial, with its folder, so that those which outlive it are found and ended."""

PREFIX = "mut-"
LOCK = "lock"
"""In the folder of a run, and held by it: free where the run is gone, however it went."""


@contextlib.contextmanager
def folder_of_run(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder for this run, and remove what others left beside it."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        remove_left(folder.parent)
        # It gets its name when it is held: without a lock a folder is nobody's leavings.
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            (folder / ".lock").rename(folder / LOCK)
            yield folder
        finally:
            os.close(handle)


def remove_left(parent: Path) -> None:
    """End what runs that are gone have left running, and remove their folders."""
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        with (
            contextlib.suppress(OSError),
            lock.open() as held,
        ):  # not ours, or gone meanwhile: somebody else's business
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for pid in processes_of(lock.parent):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(lock.parent, ignore_errors=True)


def processes_of(folder: Path) -> list[int]:
    """Return the processes with the mark of a folder, or of one in it."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and any(
                variable == mark or variable.startswith(mark + b"/")
                for variable in (entry / "environ").read_bytes().split(b"\0")
            ):
                found.append(int(entry.name))
    return found
