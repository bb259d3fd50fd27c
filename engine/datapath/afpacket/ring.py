"""Memory-mapped packet sockets (kernel document networking/packet_mmap.rst, TPACKET_V2, with virtio headers).

Slots are all of one size and follow each other without gaps, so that a column of a header field over a batch of
frames is one numpy expression.
"""

from __future__ import annotations

import mmap
import socket
import struct
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket import sockets
from engine.datapath.afpacket.slot import LENGTH_U32
from engine.io import if_packet as c
from engine.io import packet_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRAMES_A_BLOCK = (
    32  # 32 slots of a multiple of 128 bytes are whole pages, so that slots run on across blocks
)

RX_SLOTS, RX_BYTES = 16384, 64 << 20
"""Frames that may wait while a worker is held up, and the most memory for them: 30 ms at 0.5 Mpps, 26 MiB at MTU 1500.

With half as many, frames are lost whenever a virtual machine stands still for a moment, and much of the rate with them.
"""


def receive_slots(mtu: int) -> int:
    """Count the slots of a receive ring: whole blocks, within `RX_BYTES`."""
    return min(RX_SLOTS, RX_BYTES // (slot_bytes(mtu) * _FRAMES_A_BLOCK) * _FRAMES_A_BLOCK)


def slot_bytes(mtu: int) -> int:
    """Size of a slot for frames of that MTU: an odd multiple of 128, so that headers spread over the cache's sets."""
    units = -(-(c.RX_FRAME + 14 + 4 + mtu) // 128)
    return (units | 1) * 128


def packet_socket(ifname: str, *, protocol: int = c.ETH_P_ALL, direct: bool = True) -> socket.socket:
    """Open a packet socket with virtio headers, bound to the interface; protocol 0 receives nothing.

    `direct`: what it sends passes by the queueing discipline. The kernel does not cut super-frames on that way: it
    drops them where the device cannot (net/core/dev.c, __dev_direct_xmit).
    """
    sock = sockets.take()
    try:
        packet_filter.attach(sock, packet_filter.nothing())
        sock.setsockopt(c.SOL_PACKET, c.PACKET_VNET_HDR, 1)
        sock.setsockopt(c.SOL_PACKET, c.PACKET_IGNORE_OUTGOING, 1)
        if protocol == 0 and direct:
            sock.setsockopt(c.SOL_PACKET, c.PACKET_QDISC_BYPASS, 1)
        sock.bind((ifname, protocol))
    except OSError:
        sock.close()
        raise
    return sock


_FEW = 8
"""Slots that are looked at one by one: about as many cost as much as the first glance at all."""


class _Ring:
    """A ring of one socket: the mapping, and views of it by word size."""

    def __init__(self, sock: socket.socket, option: int, slots: int, slot: int) -> None:
        block = slot * _FRAMES_A_BLOCK
        if block % mmap.PAGESIZE or slots % _FRAMES_A_BLOCK:
            raise ValueError("slots must fill whole pages and whole blocks")
        blocks = slots // _FRAMES_A_BLOCK
        sock.setsockopt(c.SOL_PACKET, option, struct.pack("IIII", block, blocks, slot, slots))
        self.sock = sock
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        self.take_memory(mmap.mmap(sock.fileno(), block * blocks, mmap.MAP_SHARED, protection), slot)

    def take_memory(self, memory: mmap.mmap, slot: int) -> None:
        """View memory as slots of that many bytes."""
        self.slots = len(memory) // slot
        self.slot = slot
        self.view = memoryview(memory)
        self.words = self.view.cast("I")  # for single slots: word 0 of a slot is its status
        self.u8 = np.frombuffer(memory, np.uint8).reshape(-1, slot)
        self.u16 = np.frombuffer(memory, np.uint16).reshape(-1, slot // 2)
        self.u32 = np.frombuffer(memory, np.uint32).reshape(-1, slot // 4)
        self.u64 = np.frombuffer(memory, np.uint64).reshape(-1, slot // 8)
        self.status = self.u32[:, 0]
        self.length = self.u32[:, LENGTH_U32]
        self.head = 0  # the next slot to look at


class ReceiveRing(_Ring):
    """Frames from the interface. What is larger than a slot can be taken whole with `take_large`."""

    def __init__(self, ifname: str, slots: int, slot: int) -> None:
        sock = packet_socket(ifname)
        sock.setsockopt(c.SOL_PACKET, c.PACKET_VERSION, c.TPACKET_V2)
        sock.setsockopt(c.SOL_PACKET, c.PACKET_RESERVE, c.RX_RESERVE)
        sock.setsockopt(c.SOL_PACKET, c.PACKET_COPY_THRESH, 1)
        super().__init__(sock, c.PACKET_RX_RING, slots, slot)
        self.troubled = False  # the socket's error was taken from it by a call that only wanted a frame
        self._large = bytearray(c.VNET_BYTES + 65536 + 64)

    def ready(self, most: int) -> int:
        """Count the frames that stand ready from `head` on without a gap, at most `most`, up to the ring's end."""
        head, words, step = self.head, self.words, self.slot >> 2
        most = min(most, self.slots - head)
        # A look at all of them reads a cache line of each, 32 KiB: where few frames wait, few slots are looked at.
        for few in range(min(most, _FEW)):
            if not words[(head + few) * step] & c.TP_STATUS_USER:
                return few
        window = self.status[head : head + most]
        if window[-1] & c.TP_STATUS_USER and bool((window & c.TP_STATUS_USER).all()):
            return most
        return int((window & c.TP_STATUS_USER).argmin())

    def waits(self, behind: int) -> bool:
        """Whether a frame stands ready `behind` so many others from `head` on; False where the ring is shorter."""
        return behind < self.slots and bool(self.status[(self.head + behind) % self.slots] & c.TP_STATUS_USER)

    def release(self, count: int) -> None:
        """Give `count` slots from `head` on back to the kernel."""
        self.status[self.head : self.head + count] = c.TP_STATUS_KERNEL
        self.head = (self.head + count) % self.slots

    def take_large(self) -> memoryview | None:
        """Return virtio header and frame of the oldest frame larger than a slot, valid until the next call."""
        for _ in range(2):
            try:
                size = self.sock.recv_into(self._large, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError:
                self.troubled = True  # the link went down: said once, before the frames that came until then
            else:
                return memoryview(self._large)[:size]
        return None

    def lost(self) -> int:
        """Frames lost for want of a slot since the last call (PACKET_STATISTICS resets on read)."""
        _, drops = struct.unpack("II", self.sock.getsockopt(c.SOL_PACKET, c.PACKET_STATISTICS, 8))
        return int(drops)


class TransmitRing(_Ring):
    """Frames to the interface, sent by one `flush` for many."""

    def __init__(self, ifname: str, slots: int, slot: int) -> None:
        sock = packet_socket(ifname, protocol=0)
        sock.setsockopt(c.SOL_PACKET, c.PACKET_VERSION, c.TPACKET_V2)
        sock.setsockopt(
            c.SOL_PACKET, c.PACKET_LOSS, 1
        )  # skip a frame that the kernel refuses instead of halting
        super().__init__(sock, c.PACKET_TX_RING, slots, slot)

    def room(self, most: int) -> int:
        """Count the free slots from `head` on without a gap, at most `most`, up to the ring's end."""
        window = self.status[self.head : min(self.head + most, self.slots)]
        if not window.any():
            return len(window)
        return int((window != c.TP_STATUS_AVAILABLE).argmax())

    def advance(self, count: int) -> None:
        """Move `head` past `count` slots that were filled."""
        self.head = (self.head + count) % self.slots

    def waiting(self) -> NDArray[np.intp]:
        """Name the slots that the kernel has not taken yet, oldest first."""
        order = np.arange(self.head, self.head + self.slots) % self.slots
        waiting: NDArray[np.intp] = order[
            (self.status[order] == c.TP_STATUS_SEND_REQUEST) & (self.length[order] != 0)
        ]
        return waiting

    def skip(self, slots: NDArray[np.intp]) -> None:
        """Have the kernel pass over waiting slots: a frame shorter than its virtio header is refused (PACKET_LOSS)."""
        self.length[slots] = 0

    def flush(self) -> None:
        """Make the kernel send every slot that asks for it; raises OSError (ENETDOWN, ENOBUFS).

        It stops at a frame that the device does not take (ENOBUFS), and tries that one first the next time.
        """
        self.sock.send(b"", socket.MSG_DONTWAIT)
