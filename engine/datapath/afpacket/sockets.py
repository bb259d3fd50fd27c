"""Packet sockets that a worker opens while it may, for later. To bind one later needs no capability (packet(7))."""

from __future__ import annotations

import socket

from engine.io import if_packet as c
from engine.io.if_packet import want_buffer

_BUFFER_BYTES = 32 << 20
"""Room for frames that are not in a ring: super-frames are 64 KiB each, with overhead."""

_ahead: list[socket.socket] = []


def open_ahead(count: int) -> None:
    """Open sockets for later, after which this process may give up the right to. Raises OSError."""
    _ahead.extend(_open() for _ in range(count))


def take() -> socket.socket:
    """Return a packet socket that is not bound, and so receives nothing; one opened ahead if there is one. Raises OSError."""
    return _ahead.pop() if _ahead else _open()


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        want_buffer(sock, c.SO_RCVBUFFORCE, _BUFFER_BYTES)
        want_buffer(sock, c.SO_SNDBUFFORCE, _BUFFER_BYTES)
    except OSError:
        sock.close()
        raise
    return sock
