"""Disks that really are full, read-only or gone: small file systems of their own, mounted for the length of a test."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Self

from engine.lab import namespaces

if TYPE_CHECKING:
    from pathlib import Path

MS_RDONLY, MS_REMOUNT = 1, 32
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


class SmallDisk:
    """A tmpfs at `path`; a context manager that unmounts it."""

    def __init__(self, path: Path, size: str = "64m") -> None:
        self.path = path
        self._size = size
        self._filler = path / "filler"

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        namespaces.mount("tmpfs", self.path, "tmpfs", 0, f"size={self._size},mode=0755")
        return self

    def __exit__(self, *_: object) -> None:
        unmount(self.path)

    def fill(self) -> None:
        """Leave not one byte."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(b"f" * size):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def read_only(self, yes: bool = True) -> None:
        """Remount; a writer that is just at work is waited for."""
        deadline = time.monotonic() + 5
        while True:
            try:
                namespaces.mount(None, self.path, None, MS_REMOUNT | (MS_RDONLY if yes else 0))
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def empty(self) -> None:
        """Remove everything that is on it."""
        for entry in self.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


class Fixed:
    """A file that a process cannot rename anything over: something is mounted on it, as containers do."""

    def __init__(self, pid: int, path: Path) -> None:
        self._pid, self._path = pid, str(path)

    def __enter__(self) -> None:
        as_seen_by(self._pid, "mount", "--bind", self._path, self._path)

    def __exit__(self, *_: object) -> None:
        as_seen_by(self._pid, "umount", self._path)


def as_seen_by(pid: int, *command: str) -> None:
    """Run a command in the mount namespace of a process: nodes of the lab have their own."""
    subprocess.run(["nsenter", "-t", str(pid), "-m", *command], check=True, capture_output=True)


def unmount(path: Path) -> None:
    if _libc.umount2(os.fsencode(path), MNT_DETACH):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
