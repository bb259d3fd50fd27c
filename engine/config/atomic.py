"""Writing a file atomically: a reader sees the old bytes or the new ones, even after a power failure."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from pathlib import Path

NEW_FILE_MODE = 0o644
"""The mode of a file that did not exist; an existing one keeps its own."""

_MARK, _END = ".bng-", ".tmp"


def write_atomic(path: Path, data: bytes, *, mode: int = NEW_FILE_MODE) -> None:
    """Replace the file at `path` (or the one its symbolic links lead to) by `data`, in one step.

    An existing file keeps its mode, owner, ACLs and labels; a new one gets `mode`. On return both the bytes and the
    name are on the disk. Raises OSError with the file's name (no space, read-only, no permission, not a plain file):
    the old file is then unchanged, and nothing is left beside it. What a killed writer left is removed by the next
    write. The order of the calls follows fsync(2) and rename(2).
    """
    real = Path(os.path.realpath(path))
    try:
        before = _existing(real)
        sweep(real.parent)
        fd, temporary = _create(real.parent)
        try:
            _fill(fd, data)
            _dress(fd, real, before, mode)
            os.fsync(fd)
            temporary.replace(real)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        finally:
            os.close(fd)  # and its lock with it: only now may a sweep take the name for a dead writer's
        _sync_folder(real.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def sweep(folder: Path) -> None:
    """Remove what killed writers left in `folder`; a writer at work holds a lock on its file."""
    for left in folder.glob(f"{_MARK}*{_END}"):
        with contextlib.suppress(OSError):
            fd = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(fd)


def _existing(real: Path) -> os.stat_result | None:
    try:
        found = os.lstat(real)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a plain file")
    return found


def _create(folder: Path) -> tuple[int, Path]:
    """Create a file with a unique name, and lock it."""
    while True:
        temporary = folder / f"{_MARK}{secrets.token_hex(8)}{_END}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.lstat(temporary).st_ino == os.fstat(fd).st_ino:
                return fd, temporary
        except (BlockingIOError, FileNotFoundError):
            pass  # a sweep came between the two calls and took it for a dead writer's: make another
        except BaseException:
            os.close(fd)
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        os.close(fd)


def _fill(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]  # a disk that fills up takes a part first, then says so


def _dress(fd: int, real: Path, before: os.stat_result | None, mode: int) -> None:
    """Give the new file the owner, mode and attributes of the old one."""
    if before is None:
        os.fchmod(fd, mode)
        return
    now = os.fstat(fd)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        os.fchown(fd, before.st_uid, before.st_gid)
    with contextlib.suppress(OSError):  # a file system without extended attributes
        for name in os.listxattr(real):
            with contextlib.suppress(OSError):  # one that only the kernel may set
                os.setxattr(fd, name, os.getxattr(real, name))
    os.fchmod(fd, stat.S_IMODE(before.st_mode))  # after the owner: a change of owner clears bits


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have no fsync of a folder
            raise
    finally:
        os.close(fd)
