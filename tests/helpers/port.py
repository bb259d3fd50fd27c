"""Frames in and out at a node's interface, byte by byte, VLAN tags beside them."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass

from engine.io import if_packet as c
from engine.lab import addressing
from engine.lab.namespaces import inside

_AUXDATA = struct.Struct("IIIHHHH")  # struct tpacket_auxdata
QUIET_S = 0.06
"""How long after the last expected frame one more is waited for: what is there once may not be there twice."""


def mac(address):
    """Return the MAC of a node of the lab as bytes."""
    return bytes.fromhex(addressing.mac_of(address).replace(":", ""))


ROUTER, LB = mac(addressing.ROUTER), mac(addressing.LB)
TARGET1, TARGET2 = (mac(address) for address in addressing.TARGETS.values())


@dataclass(frozen=True)
class Seen:
    """A frame as it came, its outer VLAN tag's control information apart (None: untagged)."""

    data: bytes
    vlan: int | None = None
    tpid: int | None = None

    @property
    def to(self):
        return self.data[0:6]

    @property
    def source(self):
        return self.data[6:12]

    @property
    def packet(self):
        """All behind the MAC addresses."""
        return self.data[12:]

    @property
    def ethertype(self):
        return int.from_bytes(self.data[12:14], "big")

    @property
    def ip_source(self):
        return socket.inet_ntoa(self.data[26:30])

    @property
    def ip_to(self):
        return socket.inet_ntoa(self.data[30:34])


def room(sock, force, option, size):
    """Give a socket a large buffer; in a user namespace the host's limit holds (socket(7), SO_RCVBUFFORCE)."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, option, size)


def balanced(seen):
    """Whether a frame that the balancer sends is one that it forwards, and none of its own checks."""
    return seen.ethertype == 0x0800 and seen.ip_source != addressing.LB


class Port:
    """A packet socket on one interface. It hears what comes in there, with `both` also what goes out.

    By default it is the balancer's port at the switch: what is sent here reaches the balancer and nobody else, and
    what is heard here is everything the balancer sends.
    """

    def __init__(self, lab, node="switch", interface="lb", *, both=False, ethertype=c.ETH_P_ALL):
        with inside(lab.netns_path(node)):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            if not both:
                self.sock.setsockopt(c.SOL_PACKET, c.PACKET_IGNORE_OUTGOING, 1)
            self.sock.setsockopt(c.SOL_PACKET, c.PACKET_AUXDATA, 1)
            room(self.sock, c.SO_RCVBUFFORCE, socket.SO_RCVBUF, 64 << 20)
            self.sock.bind((interface, ethertype))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *frames):
        for frame in frames:
            self.sock.send(bytes(frame))

    def next(self, timeout_s):
        """Return the next frame, or None where none comes in time."""
        self.sock.settimeout(max(timeout_s, 0.0001))
        try:
            data, ancillary, _, _ = self.sock.recvmsg(65536 + 64, 128)
        except (TimeoutError, BlockingIOError):
            return None
        vlan = tpid = None
        for level, kind, value in ancillary:
            if (level, kind) == (c.SOL_PACKET, c.PACKET_AUXDATA):
                status, _, _, _, _, tci, kind_of_tag = _AUXDATA.unpack_from(value)
                if status & c.TP_STATUS_VLAN_VALID:
                    vlan, tpid = tci, kind_of_tag
        return Seen(data, vlan, tpid)

    def heard(self, count=None, wanted=balanced, timeout_s=2.0, quiet_s=QUIET_S):
        """Return the wanted frames: until `count` have come and none follows, or all that come within the time.

        For a count of 0 the time is short: where a frame goes out at all, it does so within a millisecond.
        """
        found = []
        deadline = time.monotonic() + (timeout_s if count != 0 else 2 * quiet_s)
        while (left := deadline - time.monotonic()) > 0:
            seen = self.next(left)
            if seen is None:
                break
            if wanted(seen):
                found.append(seen)
                if count is not None and len(found) >= count:
                    deadline = min(deadline, time.monotonic() + quiet_s)
        return found

    def forwarded(self, *frames, count=None):
        """Send frames to the balancer and return what it forwards; `count` is what is expected (all of them)."""
        self.send(*frames)
        return self.heard(len(frames) if count is None else count)

    def drain(self):
        """Forget what has come so far."""
        while self.next(0) is not None:
            pass
