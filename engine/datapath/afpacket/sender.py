"""The way out by one interface: a ring for batches, a socket for single frames, one for what the kernel has to cut."""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.ring import TransmitRing, packet_socket
from engine.datapath.contract import DropReason
from engine.datapath.counters import word
from engine.io import if_packet as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.afpacket.ring import ReceiveRing
    from engine.datapath.counters import CounterBlock
    from engine.datapath.keys import U64

    _Slots = slice | NDArray[np.intp]

_TX_ERROR = word("dropped") + DropReason.TX_ERROR
_VLAN = struct.Struct(">HH")
_MACS = 12  # bytes of a frame before a tag
_TAG = 4
_HEADER_LENGTH, _CSUM_START = (c.TX_VNET + 2) // 2, (c.TX_VNET + 6) // 2  # 16-bit words of a transmit slot
_GONE = frozenset({errno.ENXIO, errno.ENODEV})
"""What the kernel says where the interface of a socket exists no more."""


class Sender:
    """Sends by one interface. Frames of a flow leave in the order they were given, whichever way each takes."""

    def __init__(
        self, tx: TransmitRing, plain: socket.socket, cutting: socket.socket, counters: CounterBlock
    ) -> None:
        self.tx = tx
        self.plain = plain
        self.cutting = cutting
        self.counters = counters
        self.unsent = False  # frames wait in the ring that the device did not take
        self.gone = False  # the interface exists no more
        self._refused = -1  # the slot at which it stopped
        self._given_up = 0  # frames of the ring, since they were counted last

    @classmethod
    def open(cls, ifname: str, slots: int, slot: int, counters: CounterBlock) -> Sender:
        """Open the way out by an interface. Raises OSError."""
        tx = TransmitRing(ifname, slots, slot)
        plain = packet_socket(ifname, protocol=0)
        cutting = packet_socket(ifname, protocol=0, direct=False)
        return cls(tx, plain, cutting, counters)

    def close(self) -> None:
        """Give the sockets back; what still waits is lost."""
        for sock in (self.tx.sock, self.plain, self.cutting):
            sock.close()

    def one(self, data: memoryview | bytes, *, whole: bool) -> DropReason | None:
        """Send one frame, virtio header in front; a super-frame is not `whole`. Returns why it was not sent."""
        if self.unsent:
            self.flush()
        if self.unsent:
            # Frames of the same flow may wait in the ring: by another way this one would overtake them.
            return None if whole and self._queue(data) else DropReason.TX_FULL
        try:
            (self.plain if whole else self.cutting).send(data, socket.MSG_DONTWAIT)
        except OSError as error:
            self.gone = error.errno in _GONE
            return DropReason.TX_ERROR
        return None

    def answer(self, data: bytes) -> None:
        """Send a frame of our own making, if the interface takes it."""
        try:
            self.plain.send(data, socket.MSG_DONTWAIT)
        except OSError:
            self.counters.flat[_TX_ERROR] += 1

    def many(
        self, rx: ReceiveRing, first: int, slots: NDArray[np.intp], sizes: U64, tags: U64 | None = None
    ) -> tuple[int, DropReason]:
        """Send the frames in receive slots (offsets from `first`) under VLAN tags (`slot.tags`; 0: none), or as they are.

        Returns how many were handed over and not given up at once, and why the others were not; those are not counted.
        """
        tx, count = self.tx, len(slots)
        longest = c.VNET_BYTES + int(sizes.max())
        whole = int(slots[-1]) - int(slots[0]) + 1 == count
        start = first + int(slots[0])
        done = 0
        reason = DropReason.TX_FULL
        while done < count:
            room = tx.room(count - done)
            if not room:
                reason = self._try()
                room = tx.room(count - done)
                if not room:
                    break
            to = slice(tx.head, tx.head + room)
            taken = slice(start + done, start + done + room) if whole else first + slots[done : done + room]
            tx.length[to] = sizes[done : done + room] + c.VNET_BYTES
            if tags is None:
                tx.u8[to, c.TX_VNET : c.TX_VNET + longest] = rx.u8[taken, c.RX_VNET : c.RX_VNET + longest]
            else:
                self._copy_some_tagged(rx, taken, to, longest, tags[done : done + room])
            tx.status[to] = c.TP_STATUS_SEND_REQUEST
            tx.advance(room)
            done += room
        self._try()
        ours = min(self._given_up, done)  # the last that stood in the ring
        self._count_given_up(ours)
        return done - ours, DropReason.TX_ERROR if ours else reason

    def _copy_some_tagged(self, rx: ReceiveRing, taken: _Slots, to: slice, longest: int, tags: U64) -> None:
        """Copy frames, those that have a tag with it; each to its place, for a flow may have both."""
        tagged = tags != 0
        if tagged.all():
            self._copy_tagged(rx, taken, to, longest, tags)
            return
        tx = self.tx
        slots = np.arange(taken.start, taken.stop) if isinstance(taken, slice) else taken
        places = np.arange(to.start, to.stop)
        bare = ~tagged
        tx.u8[places[bare], c.TX_VNET : c.TX_VNET + longest] = rx.u8[
            slots[bare], c.RX_VNET : c.RX_VNET + longest
        ]
        self._copy_tagged(rx, slots[tagged], places[tagged], longest, tags[tagged])

    def _copy_tagged(self, rx: ReceiveRing, taken: _Slots, to: _Slots, longest: int, tags: U64) -> None:
        """Copy frames with a tag behind their MACs; the offsets of the virtio header move with what follows."""
        tx = self.tx
        head = c.VNET_BYTES + _MACS
        tx.u8[to, c.TX_VNET : c.TX_VNET + head] = rx.u8[taken, c.RX_VNET : c.RX_VNET + head]
        on_the_wire = tags.astype(">u4").view(np.uint8).reshape(-1, _TAG)
        tx.u8[to, c.TX_VNET + head : c.TX_VNET + head + _TAG] = on_the_wire
        tx.u8[to, c.TX_VNET + head + _TAG : c.TX_VNET + longest + _TAG] = rx.u8[
            taken, c.RX_VNET + head : c.RX_VNET + longest
        ]
        tx.length[to] += _TAG
        tx.u16[to, _HEADER_LENGTH] += _TAG
        tx.u16[to, _CSUM_START] += (tx.u8[to, c.TX_VNET] & c.VNET_NEEDS_CSUM) * np.uint16(_TAG)

    def _queue(self, data: memoryview | bytes) -> bool:
        """Put a frame behind those that wait in the transmit ring; False where there is no room."""
        tx, head = self.tx, self.tx.head
        if not tx.room(1) or c.TX_VNET + len(data) > tx.slot:
            return False
        at = head * tx.slot + c.TX_VNET
        tx.view[at : at + len(data)] = data
        tx.view[at + 2 : at + 4] = (len(data) - c.VNET_BYTES).to_bytes(2, "little")  # see Vector.rewrite
        tx.length[head] = len(data)
        tx.status[head] = c.TP_STATUS_SEND_REQUEST
        tx.advance(1)
        return True

    def flush(self) -> DropReason:
        """Send what waits in the transmit ring; returns why room may still be missing."""
        reason = self._try()
        self._count_given_up()
        return reason

    def _count_given_up(self, but: int = 0) -> None:
        """Count what was given up as not sent, `but` so many that somebody else counts."""
        self.counters.flat[_TX_ERROR] += self._given_up - but
        self._given_up = 0

    def _try(self) -> DropReason:
        """Have the kernel send what waits; returns why room may still be missing.

        What the device refuses twice is given up, so that it holds up nothing behind it; and so is all that waits
        when the interface is down, or it would come out of date when it is up again.
        """
        tx = self.tx
        try:
            tx.flush()
        except OSError as error:
            self.gone = error.errno in _GONE
            waiting = tx.waiting()
            self.unsent = error.errno in {errno.EAGAIN, errno.ENOBUFS} and len(waiting) > 0
            if self.unsent:
                refused = int(waiting[0])
                twice = error.errno == errno.ENOBUFS and refused == self._refused
                given_up = waiting[:1] if twice else waiting[:0]
                self._refused = refused
            else:
                given_up = waiting
            tx.skip(given_up)
            self._given_up += len(given_up)
            return DropReason.TX_FULL if self.unsent else DropReason.TX_ERROR
        self.unsent, self._refused = False, -1
        return DropReason.TX_FULL


def tagged(data: memoryview, tag: bytes) -> bytes:
    """Put a VLAN tag behind the MACs of a frame with its virtio header; where the checksum begins moves with the bytes."""
    header = bytearray(data[: c.VNET_BYTES])
    if header[0] & c.VNET_NEEDS_CSUM:
        start = int.from_bytes(header[6:8], "little") + _TAG
        header[6:8] = start.to_bytes(2, "little")
    macs = slice(c.VNET_BYTES, c.VNET_BYTES + _MACS)
    return b"".join((header, data[macs], tag, data[macs.stop :]))


def tag_bytes(control: int, protocol: int = c.ETH_P_8021Q) -> bytes:
    """Return a VLAN tag as it stands in a frame (IEEE 802.1Q-2018 section 9.3)."""
    return _VLAN.pack(protocol, control)
