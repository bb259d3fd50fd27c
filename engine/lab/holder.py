"""How an ordinary user's lab outlives `bng-lab up`: a process that holds its user namespace, and a note where it is.

The note lies outside of the namespace (`$XDG_RUNTIME_DIR/bng-lab/PREFIX.json`, else `/tmp/bng-lab-UID/...`), since the
/run inside is the lab's own. Root needs none of this: its names under /run/netns hold themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.lab import namespaces, processes
from engine.lab.namespaces import LabError
from engine.lab.processes import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable


def notes_dir() -> Path:
    """Return the user's folder of notes; only sensible outside of a lab's user namespace."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime, "bng-lab")
    return Path(f"/tmp/bng-lab-{os.getuid()}")  # noqa: S108 - its owner is checked where it is opened


class Note:
    """The note of one lab. Opened before its namespace is entered, it can still be changed inside."""

    def __init__(self, prefix: str) -> None:
        self._name = f"{prefix}.json"
        self._directory = notes_dir()
        self._fd: int | None = None
        if self._directory.is_dir():
            self._open()

    def _open(self) -> int:
        """Open the folder for good; LabError where it is another user's."""
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        if os.fstat(fd).st_uid != os.getuid():
            os.close(fd)
            raise LabError(f"{self._directory} belongs to somebody else: remove it, or set XDG_RUNTIME_DIR")
        self._fd = fd
        return fd

    def read(self) -> list[Identity]:
        """Return the holder and then the lab's processes; empty where there is no note."""
        if self._fd is None:
            return []
        try:
            fd = os.open(self._name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        except FileNotFoundError:
            return []
        with open(fd, encoding="utf-8") as file:  # noqa: PTH123 - Path knows no dir_fd
            return [Identity(pid, started) for pid, started in json.load(file)]

    def write(self, known: Iterable[Identity]) -> None:
        """Remember the holder (first) and the lab's processes."""
        if self._fd is None:
            self._directory.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._name, flags, 0o600, dir_fd=self._open() if self._fd is None else self._fd)
        with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123 - as above
            json.dump([[process.pid, process.started] for process in known], file)

    def holder(self) -> Identity | None:
        """Return the process that holds the namespace, if it lives."""
        known = self.read()
        return known[0] if known and processes.alive(known[0]) else None

    def remove(self) -> None:
        """Forget the lab; the folder goes with its last note."""
        if self._fd is None:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._fd)
        # By its parent's descriptor, since the path itself may be hidden by the lab's own /run.
        parent = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd)
        with contextlib.suppress(OSError):  # another lab's note is there
            os.rmdir(self._directory.name, dir_fd=parent)
        os.close(parent)
        os.close(self._fd)
        self._fd = None


def start(note: Note) -> Identity:
    """Start a holder, note it, and return it; LabError where the kernel forbids the namespace."""
    command = [sys.executable, "-I", "-S", namespaces.__file__, "hold"]
    with subprocess.Popen(  # noqa: S603 - this package's own file
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        # Read one line only: the holder's standard error stays open as long as it lives.
        assert child.stdout is not None  # noqa: S101 - for the type checker
        assert child.stderr is not None  # noqa: S101 - for the type checker
        if child.stdout.readline() != b"ready\n":
            said = child.stderr.read().decode(errors="replace").strip()
            raise LabError(said or "the namespace's holder did not start")
        identity = processes.identify(child.pid)
        child.returncode = 0  # it lives on: nobody here waits for it
    if identity is None:
        raise LabError("the namespace's holder ended at once: see dmesg")
    note.write([identity])
    return identity
