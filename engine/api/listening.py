"""Unix sockets as files: made with their mode, never taken from a living engine; and who is at the other end."""

from __future__ import annotations

import os
import select
import socket
import stat
import struct
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from engine.domain.actor import Actor

if TYPE_CHECKING:
    from pathlib import Path


class SocketUnavailableError(Exception):
    """A socket cannot be made at `path`; `reason` says why and what to do."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def bind(path: Path, group: int | None = None) -> socket.socket:
    """Return a socket bound to `path`, mode 0660, of that group, not listening yet. Raises SocketUnavailableError.

    What a dead engine left behind is replaced; what somebody listens on, or is not a socket, stays.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        _remove_stale(path)
        # The mode is there from the first moment: no one slips in between bind and chmod.
        mask = os.umask(0o117)
        try:
            listening.bind(str(path))
        finally:
            os.umask(mask)
        if group is not None:
            os.chown(path, -1, group)
    except OSError as error:
        listening.close()
        raise SocketUnavailableError(path, (error.strerror or str(error)).lower()) from error
    except SocketUnavailableError:
        listening.close()
        raise
    return listening


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketUnavailableError(path, "something that is not a socket is in the way; remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A full queue of a living engine would block; that it is full says that somebody listens.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass
    raise SocketUnavailableError(path, "another engine listens here; stop it, or choose another --run-dir")


def peer(connection: socket.socket, *, monitor: bool = False) -> Actor:
    """Return who is at the other end, by the credentials that the kernel noted at its connect (unix(7), SO_PEERCRED)."""
    credentials = struct.Struct("iII")  # struct ucred: pid, uid, gid
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    pid, uid, _gid = credentials.unpack(raw)
    return replace(Actor.of_process(uid, pid), monitor=monitor, left=partial(_closed, connection))


def _closed(connection: socket.socket) -> bool:
    """Tell whether the other end is closed; one that only sends nothing more still waits for its answer (poll(2))."""
    number = connection.fileno()
    if number < 0:
        return True
    look = select.poll()
    look.register(number, 0)
    return bool(look.poll(0))  # POLLHUP and POLLERR are always told
