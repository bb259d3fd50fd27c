"""The control process's packet socket on one interface: ARP, echo, answers to checks. The slow path's way in and out."""

from __future__ import annotations

import logging
import socket
import struct
from typing import TYPE_CHECKING

from engine.domain.frame import TPID_8021Q, Frame
from engine.io import if_packet as c
from engine.io import packet_filter
from engine.io.control_filter import control_filter
from engine.io.if_packet import want_buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.domain.frame import Listening

log = logging.getLogger("engine.control_socket")

_AUXDATA = struct.Struct(
    "IIIHHHH"
)  # struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid
_FRAME_BYTES = 2048  # an echo request of a usual MTU; larger ones are cut, and then left unanswered
_FRAMES_A_TURN = 64  # so that a storm of frames leaves time for checks and consoles
_RCVBUF_BYTES = 4 << 20


class ControlSocket:
    """A packet socket that delivers only what the modules handle, VLAN tags beside the frames."""

    def __init__(self, interface: int, ifname: str) -> None:
        """Open it on interface `interface` of the configuration. Raises OSError."""
        self.interface = interface
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            packet_filter.attach(self._sock, packet_filter.nothing())
            self._sock.setsockopt(c.SOL_PACKET, c.PACKET_IGNORE_OUTGOING, 1)
            self._sock.setsockopt(c.SOL_PACKET, c.PACKET_AUXDATA, 1)
            want_buffer(self._sock, c.SO_RCVBUFFORCE, _RCVBUF_BYTES)
            self._sock.bind((ifname, c.ETH_P_ALL))
        except OSError:
            self._sock.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, for an event loop."""
        return self._sock.fileno()

    @property
    def bound(self) -> bool:
        """Whether its interface still exists: a socket hears nothing of one that is made anew under the same index.

        The kernel takes the socket off an interface that goes, in whatever way (net/packet/af_packet.c, packet_notifier).
        """
        return bool(self._sock.getsockname()[0])

    def listen_for(self, listening: Listening) -> None:
        """Have the kernel deliver what is to be heard, and nothing else. Raises OSError."""
        packet_filter.attach(self._sock, control_filter(listening))

    def frames(self) -> Iterator[Frame]:
        """Yield the frames that wait, at most some dozens a call."""
        for _ in range(_FRAMES_A_TURN):
            try:
                data, ancillary, flags, _ = self._sock.recvmsg(_FRAME_BYTES, 64)
            except BlockingIOError:
                return
            except OSError as error:
                # The link went down, which the kernel says once.
                log.debug("interface %d: %s", self.interface, error)
                return
            if flags & socket.MSG_TRUNC:
                continue
            vlan, tpid = None, TPID_8021Q
            for level, kind, value in ancillary:
                if level == c.SOL_PACKET and kind == c.PACKET_AUXDATA and len(value) >= _AUXDATA.size:
                    status, _, _, _, _, tci, kind_of_tag = _AUXDATA.unpack_from(value)
                    if status & c.TP_STATUS_VLAN_VALID:
                        vlan = tci
                        tpid = kind_of_tag if status & c.TP_STATUS_VLAN_TPID_VALID else TPID_8021Q
            yield Frame(self.interface, data, vlan, tpid)

    def send(self, frame: Frame) -> bool:
        """Send a frame, its VLAN tag put back; False where the kernel would not (link down, queue full)."""
        data = frame.data
        if frame.vlan is not None:
            data = data[:12] + struct.pack(">HH", frame.tpid, frame.vlan) + data[12:]
        try:
            self._sock.send(data)
        except OSError as error:
            log.debug("interface %d: not sent: %s", self.interface, error)
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
