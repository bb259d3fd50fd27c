"""One packet socket of the control process: the frames of one class on one interface.

Each class has a socket of its own, with a filter, a buffer and a budget. What comes faster than the budget allows is not
read, and the kernel drops it where the buffer is full, for a tenth of what reading it would cost.
"""

from __future__ import annotations

import errno
import logging
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.frame import TPID_8021Q, Frame, FrameClass
from engine.domain.pace import TokenBucket
from engine.io import if_packet as c
from engine.io import packet_filter
from engine.io.if_packet import want_buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.io.packet_filter import Instruction

log = logging.getLogger("engine.control_socket")

_AUXDATA = struct.Struct(
    "IIIHHHH"
)  # struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid
_FRAME_BYTES = 1 << 16
"""Larger ones than any link carries are cut, and then left unread."""

_STATISTICS = struct.Struct("II")  # struct tpacket_stats: frames, of these dropped


@dataclass(frozen=True, slots=True)
class Budget:
    """What is read of a class: frames a second, at once after a pause, and in one turn; and how much may wait."""

    rate: float
    burst: int
    a_turn: int
    buffer_bytes: int


BUDGETS = {
    # Checks of the virtual addresses are at most a thousand a second, and nobody else knows what an answer has to carry.
    FrameClass.CHECKS: Budget(8000, 2048, 256, 4 << 20),
    FrameClass.DATAGRAMS: Budget(4000, 1024, 128, 1 << 20),
    # A host that is known asks some times a minute; all targets of a full configuration may answer within a second.
    FrameClass.NEIGHBOURS: Budget(2000, 1024, 128, 2 << 20),
    # At the start everybody is a stranger. As much as waits is read within a second.
    FrameClass.STRANGERS: Budget(2000, 1024, 64, 1 << 20),
    # The module answers a thousand a second (engine.modules.ping); what waits longer than half a second is late anyway.
    FrameClass.ECHO: Budget(1200, 256, 64, 256 << 10),
}


class ControlQueue:
    """A packet socket that delivers the frames of one class, VLAN tags beside them, no faster than its budget."""

    def __init__(self, interface: int, ifname: str, frame_class: FrameClass) -> None:
        """Open it; it hears nothing until `listen_for`. Raises OSError."""
        self.frame_class = frame_class
        self.budget = BUDGETS[frame_class]
        self.read = 0
        self._interface, self._ifname = interface, ifname
        self._buffer = bytearray(_FRAME_BYTES)
        self._view = memoryview(self._buffer)
        self._bucket = TokenBucket(self.budget.rate, self.budget.burst)
        self._unread = 0
        self._sock = self._open(packet_filter.nothing())

    def _open(self, program: list[Instruction]) -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            packet_filter.attach(sock, program)
            sock.setsockopt(c.SOL_PACKET, c.PACKET_IGNORE_OUTGOING, 1)
            sock.setsockopt(c.SOL_PACKET, c.PACKET_AUXDATA, 1)
            want_buffer(
                sock, c.SO_RCVBUFFORCE, self.budget.buffer_bytes // 2
            )  # the kernel doubles it (socket(7))
            sock.bind((self._ifname, c.ETH_P_ALL))
        except OSError:
            sock.close()
            raise
        return sock

    def fileno(self) -> int:
        """Return the descriptor, for an event loop; another one after `listen_for`."""
        return self._sock.fileno()

    def listen_for(self, program: list[Instruction]) -> None:
        """Have the kernel deliver what a filter accepts, and nothing else, from one frame to the next. Raises OSError.

        Where it has no room for the old filter and the new one together (`net.core.optmem_max`), another socket takes
        over, so that there is no moment without a filter; what waited in the old one is lost.
        """
        try:
            packet_filter.replace(self._sock, program)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            other = self._open(program)
            self._take_statistics()
            self._sock.close()
            self._sock = other

    def frames(self, now: float) -> Iterator[Frame]:
        """Yield frames that wait, as many as the budget allows in one turn."""
        left = min(self._bucket.left(now), self.budget.a_turn)
        while left > 0:
            try:
                size, ancillary, flags, _ = self._sock.recvmsg_into((self._buffer,), 64)
            except BlockingIOError:
                return
            except OSError as error:
                # The link went down, which the kernel says once.
                log.debug("interface %d: %s", self._interface, error)
                return
            left -= 1
            self._bucket.spend(1)
            self.read += 1
            if flags & socket.MSG_TRUNC:
                continue
            yield Frame(self._interface, bytes(self._view[:size]), *_tag(ancillary))

    def spent(self, now: float) -> bool:
        """Whether nothing may be read until more budget has come together."""
        return self._bucket.left(now) < 1

    @property
    def unread(self) -> int:
        """How many frames the kernel dropped because too many waited; they cost next to nothing."""
        self._take_statistics()
        return self._unread

    def _take_statistics(self) -> None:
        """Add what PACKET_STATISTICS says, which begins at 0 again each time."""
        _, dropped = _STATISTICS.unpack(
            self._sock.getsockopt(c.SOL_PACKET, c.PACKET_STATISTICS, _STATISTICS.size)
        )
        self._unread += dropped

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


def _tag(ancillary: list[tuple[int, int, bytes]]) -> tuple[int | None, int]:
    """Return tag control information and type of the VLAN tag that the kernel took out, None where there was none."""
    for level, kind, value in ancillary:
        if level == c.SOL_PACKET and kind == c.PACKET_AUXDATA and len(value) >= _AUXDATA.size:
            status, _, _, _, _, tci, kind_of_tag = _AUXDATA.unpack_from(value)
            if status & c.TP_STATUS_VLAN_VALID:
                return tci, kind_of_tag if status & c.TP_STATUS_VLAN_TPID_VALID else TPID_8021Q
    return None, TPID_8021Q
