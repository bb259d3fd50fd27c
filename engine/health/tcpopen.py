"""`tcpopen`: does the target accept a TCP connection on its own address? An ordinary, non-blocking kernel socket.

The connection is ended as a client would: a FIN of our own, then whatever the service still says is read until its FIN
comes. Closing with unread data (a banner, say) would send an RST (RFC 9293 section 3.6.1), which services log.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from typing import TYPE_CHECKING

from engine.domain.checks import ProbeAnswer

if TYPE_CHECKING:
    from engine.domain.address import Address
    from engine.domain.checks import ProbeStart

IP_BIND_ADDRESS_NO_PORT = 24
"""ip(7), Linux 4.2: binding chooses no port yet, so TIME_WAIT of one target (1,024 of them, every 3 s, for 60 s) does
not use up the ports of all."""

LINGER_S = 1.0
"""How long a service may take to close its side; then the socket is closed anyway."""

_CERTAIN = {
    errno.ECONNREFUSED: "connection refused on {0}:{1}",
    errno.ECONNRESET: "connection reset by {0}:{1}",
    errno.EHOSTUNREACH: "no route to host {0}",
    errno.EHOSTDOWN: "host {0} is down",
}


async def run(probe: ProbeStart) -> ProbeAnswer:
    """Open one connection; ok when it is established. Never raises but for cancellation.

    `rtt_ms` counts until the SYN-ACK. Certain: refused, reset or unreachable.
    """
    address, port, timeout_s = probe.key.address, probe.key.port or 0, probe.key.attempt_s
    loop = asyncio.get_running_loop()
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        return _failed(error.errno or errno.EIO, address, port, timeout_s)
    begun = time.monotonic()
    handed_over = False
    try:
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        try:
            sock.bind((str(probe.source), 0))
        except OSError as error:
            return ProbeAnswer(
                ok=False, error=f"cannot send from {probe.source}: {os.strerror(error.errno or 0)}"
            )
        code = sock.connect_ex((str(address), port))
        if code == errno.EINPROGRESS:
            code = await _outcome(loop, sock, timeout_s)
        if code:
            return _failed(code, address, port, timeout_s)
        rtt_ms = (time.monotonic() - begun) * 1000
        sock.shutdown(socket.SHUT_WR)
        _Farewell(loop, sock)
        handed_over = True
        return ProbeAnswer(ok=True, rtt_ms=rtt_ms)
    except OSError as error:
        return _failed(error.errno or errno.EIO, address, port, timeout_s)
    finally:
        if not handed_over:
            sock.close()


async def _outcome(loop: asyncio.AbstractEventLoop, sock: socket.socket, timeout_s: float) -> int:
    """Wait for a connect to end; return its errno, 0 for established, ETIMEDOUT after `timeout_s`.

    By hand and not `loop.sock_connect` under `asyncio.timeout`: half the time of a probe.
    """
    done: asyncio.Future[int] = loop.create_future()

    def writable() -> None:
        loop.remove_writer(sock)
        if not done.done():
            done.set_result(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def late() -> None:
        if not done.done():
            done.set_result(errno.ETIMEDOUT)

    loop.add_writer(sock, writable)
    timer = loop.call_later(timeout_s, late)
    try:
        return await done
    finally:
        timer.cancel()
        loop.remove_writer(sock)


def _failed(code: int, address: Address, port: int, timeout_s: float) -> ProbeAnswer:
    if code in _CERTAIN:
        return ProbeAnswer(ok=False, error=_CERTAIN[code].format(address, port), certain=True)
    if code == errno.ENETUNREACH:
        # Our own routes say so, while the link is off for one: nothing about the target, whose flows may wait.
        return ProbeAnswer(ok=False, error=f"network unreachable: {address}")
    if code == errno.ETIMEDOUT:
        return ProbeAnswer(ok=False, error=f"no answer from {address}:{port} within {timeout_s:g} s")
    return ProbeAnswer(ok=False, error=f"{os.strerror(code)} on {address}:{port}")


class _Farewell:
    """Reads a connection whose our side is shut until the other side is too. The loop keeps the reference."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        loop.add_reader(sock, self._readable)
        self._timer = loop.call_later(LINGER_S, self._close)

    def _readable(self) -> None:
        try:
            if self._sock.recv(65536):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # reset by the other side: over as well
        self._close()

    def _close(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()
