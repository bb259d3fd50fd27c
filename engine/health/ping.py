"""`ping`: does the target answer an ICMP echo on its own address? One shared socket a source address, no thread.

A raw socket where privileges allow (it also hears ICMP errors, so an unreachable target is known at once), else the
kernel's datagram ICMP socket (net.ipv4.ping_group_range), which hears echo replies only.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.checks import ProbeAnswer
from engine.packets import read
from engine.packets.checksum import checksum
from engine.packets.headers import ECHO_FIELDS, ECHO_REPLY, ECHO_REQUEST, UNREACHABLE

if TYPE_CHECKING:
    from engine.domain.address import Address
    from engine.domain.checks import ProbeStart

SOL_RAW = 255
ICMP_FILTER = 1
"""raw(7), linux/icmp.h: a bit mask of the types a raw socket does not get."""

READ_AT_ONCE = 256
"""Answers taken in one go before the loop serves others."""

RECEIVE_BYTES = 1 << 20
"""Room for the answers of 1,024 targets that arrive while the loop is busy."""

_PAYLOAD = b"bng health check"
_UNREACHABLE_ERRNO = (errno.EHOSTUNREACH, errno.EHOSTDOWN)
"""What the network before the target says; ENETUNREACH is only what our own routes say, while the link is off."""


@dataclass(slots=True)
class _Asked:
    address: Address
    sent: float
    answer: asyncio.Future[ProbeAnswer]


class Pinger:
    """One ICMP socket bound to `source`, shared by all probes from there. Belongs to the loop that started it."""

    def __init__(self, source: Address) -> None:
        self.source = source
        self.loop: asyncio.AbstractEventLoop | None = None
        self._sock: socket.socket | None = None
        self._raw = True
        self._ident = 0
        self._number = 0
        self._asked: dict[int, _Asked] = {}

    def start(self) -> None:
        """Open the socket. Raises OSError where `source` is not this host's, PermissionError without the right."""
        sock = self._open()
        try:
            sock.bind((str(self.source), 0))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        except OSError:
            sock.close()
            raise
        # The kernel's datagram socket puts its own identifier in, and shows it as the bound port.
        self._ident = int.from_bytes(os.urandom(2), "big") if self._raw else sock.getsockname()[1]
        self._sock = sock
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(sock, self._readable)

    def close(self) -> None:
        """Close the socket; probes in flight end without an answer."""
        if self._sock is None:
            return
        if self.loop is not None and not self.loop.is_closed():
            self.loop.remove_reader(self._sock)
            for asked in self._asked.values():
                if not asked.answer.done():
                    asked.answer.set_result(ProbeAnswer(ok=False, error="the check was stopped"))
        self._asked.clear()
        self._sock.close()
        self._sock = None

    async def probe(self, address: Address, timeout_s: float) -> ProbeAnswer:
        """Send one echo request; ok when its reply comes within `timeout_s` seconds. Certain: unreachable."""
        if self._sock is None or self.loop is None:
            return ProbeAnswer(ok=False, error="the check was stopped")
        number = self._free_number()
        if number is None:
            return ProbeAnswer(ok=False, error="too many echo requests in flight")
        asked = _Asked(address, time.monotonic(), self.loop.create_future())
        self._asked[number] = asked
        timer = self.loop.call_later(timeout_s, self._late, asked, timeout_s)
        try:
            self._sock.sendto(self._request(number), (str(address), 0))
            return await asked.answer
        except OSError as error:
            return _unsent(error, address)
        finally:
            timer.cancel()
            self._asked.pop(number, None)

    def _open(self) -> socket.socket:
        flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW | flags, socket.IPPROTO_ICMP)
        except PermissionError:
            self._raw = False
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM | flags, socket.IPPROTO_ICMP)
        self._raw = True
        wanted = (1 << ECHO_REPLY) | (1 << UNREACHABLE)
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ~wanted & 0xFFFFFFFF))
        return sock

    def _free_number(self) -> int | None:
        for _ in range(0x10000):
            self._number = (self._number + 1) & 0xFFFF
            if self._number not in self._asked:
                return self._number
        return None

    def _request(self, number: int) -> bytes:
        blank = ECHO_FIELDS.pack(ECHO_REQUEST, 0, 0, self._ident, number)
        total = checksum(blank + _PAYLOAD)
        return ECHO_FIELDS.pack(ECHO_REQUEST, 0, total, self._ident, number) + _PAYLOAD

    @staticmethod
    def _late(asked: _Asked, timeout_s: float) -> None:
        if not asked.answer.done():
            error = f"no echo reply from {asked.address} within {timeout_s:g} s"
            asked.answer.set_result(ProbeAnswer(ok=False, error=error))

    def _readable(self) -> None:
        sock = self._sock
        for _ in range(READ_AT_ONCE):
            if sock is None:
                return
            try:
                data, (sender, _) = sock.recvfrom(2048)
            except OSError:  # drained, or an error that no single probe can be told
                return
            self._take(data, sender, time.monotonic())

    def _take(self, data: bytes, sender: str, now: float) -> None:
        """Match a message to its probe. A raw socket gets the IP header too, a datagram socket the message only."""
        start = (data[0] & 0x0F) * 4 if self._raw and data else 0
        if len(data) < start + 8:
            return
        kind, _, _, ident, number = ECHO_FIELDS.unpack_from(data, start)
        if kind == ECHO_REPLY:
            asked = self._asked.get(number)
            if asked and ident == self._ident and str(asked.address) == sender and not asked.answer.done():
                asked.answer.set_result(ProbeAnswer(ok=True, rtt_ms=(now - asked.sent) * 1000))
        elif kind == UNREACHABLE:
            self._refuse(data, start + 8)

    def _refuse(self, data: bytes, start: int) -> None:
        """Match an ICMP error by the request it quotes (RFC 792)."""
        quoted = read.ipv4(data, start, embedded=True)
        echo = read.echo(data, quoted) if quoted else None
        if quoted is None or echo is None or echo.ident != self._ident:
            return
        asked = self._asked.get(echo.seq)
        if asked and not asked.answer.done() and asked.address == quoted.dst:
            error = f"{asked.address} is unreachable"
            asked.answer.set_result(ProbeAnswer(ok=False, error=error, certain=True))


def _unsent(error: OSError, address: Address) -> ProbeAnswer:
    if error.errno in _UNREACHABLE_ERRNO:
        return ProbeAnswer(ok=False, error=f"no route to host {address}", certain=True)
    return ProbeAnswer(ok=False, error=f"{os.strerror(error.errno or errno.EIO)}: {address}")


_shared: dict[Address, Pinger] = {}


async def run(probe: ProbeStart) -> ProbeAnswer:
    """Send one echo request over a socket that is shared by source and stays open.

    Raises PermissionError where this process may open neither kind of ICMP socket.
    """
    source = probe.source
    pinger = _shared.get(source)
    if pinger is None or pinger.loop is not asyncio.get_running_loop():
        if pinger is not None:
            pinger.close()
        pinger = Pinger(source)
        try:
            pinger.start()
        except PermissionError:
            raise
        except OSError as error:
            why = os.strerror(error.errno or errno.EIO)
            return ProbeAnswer(ok=False, error=f"cannot send echo requests from {source}: {why}")
        _shared[source] = pinger
    return await pinger.probe(probe.key.address, probe.key.attempt_s)


def close() -> None:
    """Close every shared socket, at the end of the engine."""
    while _shared:
        _shared.popitem()[1].close()
