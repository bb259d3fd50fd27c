"""Rings and sockets of a worker that are only memory: frames are put in, and what would be sent is read back."""

from __future__ import annotations

import errno
import mmap
import struct

from engine.datapath.afpacket.ring import ReceiveRing, TransmitRing, slot_bytes
from engine.datapath.afpacket.sender import Sender
from engine.io import if_packet as c


class PretendedReceiveRing(ReceiveRing):
    """A receive ring that `put` fills as the kernel does."""

    def __init__(self, slots: int = 64, mtu: int = 1500) -> None:
        slot = slot_bytes(mtu)
        self.take_memory(mmap.mmap(-1, slots * slot), slot)
        self.troubled = False
        self.empty()
        self._waiting: list[bytes] = []
        self.ready_frames = 0  # as many are pretended to stand ready

    def waits(self, behind: int) -> bool:
        return behind < self.ready_frames

    def empty(self) -> None:
        """Begin again with the first slot; what stood in the slots stays there, as in a kernel's."""
        self.status[:] = c.TP_STATUS_KERNEL
        self.head = self._filled = 0

    def put(
        self,
        frame: bytes,
        *,
        virtio: bytes = bytes(10),
        captured: int | None = None,
        copied: bool = False,
        vlan: int | None = None,
        tpid: int | None = None,
    ) -> None:
        status = c.TP_STATUS_USER
        if copied:
            status |= c.TP_STATUS_COPY
            self._waiting.append(virtio + frame)
        if vlan is not None:
            status |= c.TP_STATUS_VLAN_VALID
        if tpid is not None:
            status |= c.TP_STATUS_VLAN_TPID_VALID
        kept = frame if captured is None else frame[:captured]
        kept = kept[: self.slot - c.RX_FRAME]
        at = self._filled * self.slot
        self._filled += 1
        head = struct.pack("<IIIHH", status, len(frame), len(kept), c.RX_FRAME, c.RX_FRAME + 14)
        head += struct.pack("<IIHH", 0, 0, vlan or 0, tpid or 0)
        self.view[at : at + len(head)] = head
        self.view[at + c.RX_VNET : at + c.RX_FRAME + len(kept)] = virtio + kept

    def take_large(self) -> memoryview | None:
        return memoryview(bytearray(self._waiting.pop(0))) if self._waiting else None


class PretendedTransmitRing(TransmitRing):
    """A transmit ring whose kernel takes what is there at a `flush`, or refuses with an errno."""

    def __init__(self, slots: int = 64, mtu: int = 1500) -> None:
        slot = slot_bytes(mtu)
        self.take_memory(mmap.mmap(-1, slots * slot), slot)
        self.refuses = 0  # errno of every flush
        self.sent: list[bytes] = []
        self.flushes = 0
        self._next = 0

    def fill(self) -> None:
        """Have every slot wait for a device that does not take it."""
        self.status[:] = c.TP_STATUS_SEND_REQUEST
        self.length[:] = 60

    def flush(self) -> None:
        self.flushes += 1
        if self.refuses:
            raise OSError(self.refuses, errno.errorcode[self.refuses])
        while self.status[self._next] == c.TP_STATUS_SEND_REQUEST:
            at = self._next * self.slot
            if size := int(self.length[self._next]):  # without one it is skipped (PACKET_LOSS)
                self.sent.append(bytes(self.view[at + c.TX_VNET : at + c.TX_VNET + size]))
            self.status[self._next] = c.TP_STATUS_AVAILABLE
            self._next = (self._next + 1) % self.slots


class PretendedSocket:
    """A packet socket that keeps what is sent."""

    def __init__(self) -> None:
        self.refuses = 0
        self.sent: list[bytes] = []
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def send(self, data: bytes, _flags: int) -> None:
        if self.refuses:
            raise OSError(self.refuses, errno.errorcode[self.refuses])
        self.sent.append(bytes(data))


class PretendedInterface:
    """An interface to send by: `sent` has what went out, in the order of the wire."""

    def __init__(self, slots: int = 64) -> None:
        self.tx = PretendedTransmitRing(slots)
        self.tx.sock = PretendedSocket()
        self.plain, self.cutting = PretendedSocket(), PretendedSocket()

    def refuse(self, why: int) -> None:
        """Take nothing, with an errno, 0: take all again."""
        self.tx.refuses = self.plain.refuses = self.cutting.refuses = why

    def merge(self, sent: list[bytes]) -> None:
        """Have everything that is sent in one list."""
        self.tx.sent = self.plain.sent = self.cutting.sent = sent

    def sender(self, counters) -> Sender:
        return Sender(self.tx, self.plain, self.cutting, counters)
