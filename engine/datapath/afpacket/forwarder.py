"""Frames from the receive ring to the transmit ring, one by one or a batch at a time, and counted."""

from __future__ import annotations

import errno
import socket
import struct
import traceback
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket import slot as slots_of
from engine.datapath.afpacket.icmp import fragmentation_needed
from engine.datapath.afpacket.scalar import PASS, Scalar, verdict
from engine.datapath.afpacket.vector import NOT_PLAIN, Vector
from engine.datapath.contract import DropReason
from engine.datapath.counters import word
from engine.io import if_packet as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.afpacket.ring import ReceiveRing, TransmitRing
    from engine.datapath.afpacket.tables import Tables
    from engine.datapath.keys import U64

BATCH = 512
"""Most frames in one vector: a larger one gains little and lets the first frame wait, a smaller one pays more calls."""

FEW = 12
"""From about this many waiting frames on, the vector is faster than one frame at a time."""

_TOO_BIG = verdict(DropReason.TOO_BIG)
_ICMP_A_SECOND = 100  # answers of our own making, so that a flood of big packets is not doubled
_VLAN = struct.Struct(">HH")
_RECEIVED, _PASSED, _FORWARDED, _DROPPED = (
    word("received"),
    word("passed"),
    word("forwarded"),
    word("dropped"),
)
_TARGET_PACKETS, _TARGET_BYTES = word("target_packets"), word("target_bytes")
_SERVER_PACKETS, _SERVER_BYTES = word("server_packets"), word("server_bytes")
_TRUNCATED, _TX_ERROR = _DROPPED + DropReason.TRUNCATED, _DROPPED + DropReason.TX_ERROR
_TX_FULL, _FAULT = _DROPPED + DropReason.TX_FULL, _DROPPED + DropReason.FAULT
_WORDS, _REWRITTEN, _VLAN_U32 = slots_of.WORDS, slots_of.REWRITTEN, slots_of.VLAN_U32
_V_32 = np.uint64(32)


class Forwarder:
    """Takes frames from `rx`, decides about them by `tables`, and sends them.

    A batch goes out through the ring `tx`. Single frames go through the socket `plain`, super-frames through
    `cutting`, which has the kernel cut them where the device cannot.
    """

    def __init__(
        self,
        tables: Tables,
        rx: ReceiveRing,
        tx: TransmitRing,
        plain: socket.socket,
        cutting: socket.socket,
    ) -> None:
        self.tables = tables
        self.counters = tables.counters
        self.rx = rx
        self.tx = tx
        self.plain = plain
        self.cutting = cutting
        self.scalar = Scalar(tables)
        self.vector = Vector(tables, self.scalar)
        self.columns = np.zeros((_WORDS, BATCH), np.uint64)
        self.fault: str | None = None  # the last that met a frame, until somebody takes it from here
        self.unsent = False  # frames wait in the transmit ring that the device did not take
        self._refused = -1  # the slot at which it stopped
        self._icmp_second, self._icmp_sent = 0, 0

    def frames(self, count: int, now_s: int) -> None:
        """Handle `count` ready frames the faster way, and release them."""
        if count >= FEW:
            self.batch(count, now_s)
        else:
            self.few(count, now_s)

    # -- one frame at a time ----------------------------------------------------------------------------------------

    def few(self, count: int, now_s: int) -> None:
        """Handle `count` ready frames one by one, in order, and release them."""
        head = self.rx.head
        for slot in range(head, head + count):
            self.one(slot, now_s)
        self.rx.release(count)

    def one(self, slot: int, now_s: int) -> None:
        """Handle the frame in a slot; a fault drops that frame and ends nothing."""
        try:
            self._one(slot, now_s)
        except Exception as error:  # noqa: BLE001 - whatever a frame brings about must not end the worker
            self.counters.flat[_FAULT] += 1
            self._note(error)

    def _note(self, error: Exception) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
        self.fault = f"{type(error).__name__} at {place}: {error}"

    def _one(self, slot: int, now_s: int) -> None:
        rx = self.rx
        first = slot * rx.slot >> 2
        status, size, captured, offsets = rx.words[first : first + 4]
        start = slot * rx.slot + (offsets & 0xFFFF)
        flat = self.counters.flat
        flat[_RECEIVED] += 1
        if status & c.TP_STATUS_COPY:
            large = rx.take_large()
            if large is None or len(large) != c.VNET_BYTES + size:
                flat[_TRUNCATED] += 1
                return
            data = large
        elif captured < size:
            flat[_TRUNCATED] += 1
            return
        else:
            data = rx.view[start - c.VNET_BYTES : start + captured]
        target = self.scalar.decide(data, size, now_s)
        vlan = rx.words[first + _VLAN_U32] if status & c.TP_STATUS_VLAN_VALID else -1
        if target > PASS:
            self.forward(data, target, size, vlan, status)
        elif target == PASS:
            flat[_PASSED] += 1
        else:
            flat[_DROPPED - 1 - target] += 1
            if target == _TOO_BIG:
                self.tell_too_big(data, now_s, vlan, status)

    def forward(self, data: memoryview, target: int, size: int, vlan: int, status: int) -> None:
        """Send one frame to its target; `vlan` is tag control information and protocol as the slot has it, or -1."""
        lookup = self.tables.lookup
        data[10:16] = lookup.mac_bytes[target]
        data[16:22] = lookup.source_bytes
        flat = self.counters.flat
        whole = data[1] == c.VNET_GSO_NONE
        out = data if vlan < 0 else tagged(data, vlan, status)
        if self.unsent:
            self.flush()
        if self.unsent:
            # Frames of the same flow may wait in the ring: by another way this one would overtake them.
            if not whole or not self._queue(out):
                flat[_TX_FULL] += 1
                return
        else:
            try:
                (self.plain if whole else self.cutting).send(out, socket.MSG_DONTWAIT)
            except OSError:
                flat[_TX_ERROR] += 1
                return
        flat[_FORWARDED] += 1
        flat[_TARGET_PACKETS + target] += 1
        flat[_TARGET_BYTES + target] += size
        server = lookup.number[self.scalar.last_row]
        flat[_SERVER_PACKETS + server] += 1
        flat[_SERVER_BYTES + server] += size

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

    def tell_too_big(self, data: memoryview, now_s: int, vlan: int, status: int) -> None:
        """Tell the sender of a packet over the MTU, on the VLAN it came from, at most some times a second."""
        if now_s != self._icmp_second:
            self._icmp_second, self._icmp_sent = now_s, 0
        answer = (
            fragmentation_needed(data, self.tables.lookup.mtu) if self._icmp_sent < _ICMP_A_SECOND else None
        )
        if answer is not None:
            self._icmp_sent += 1
            try:
                out = answer if vlan < 0 else tagged(memoryview(answer), vlan, status)
                self.plain.send(out, socket.MSG_DONTWAIT)
            except OSError:
                self.counters.flat[_TX_ERROR] += 1

    # -- many frames at a time --------------------------------------------------------------------------------------

    def batch(self, count: int, now_s: int) -> None:
        """Handle `count` ready frames as a vector, and release them."""
        rx, head = self.rx, self.rx.head
        columns = self.columns[:, :count]
        columns[:] = rx.u64[head : head + count, :_WORDS].T
        if bool((columns[slots_of.STATUS] & c.TP_STATUS_COPY).any()):
            # Super-frames carry the bytes here; order within a flow matters more than the vector.
            self.few(count, now_s)
            return
        plain = self.vector.plain(columns)
        if plain.all():
            self.vectors(head, columns, plain, now_s)
        else:
            self.runs(head, columns, plain, now_s)
        rx.release(count)

    def runs(self, head: int, columns: U64, plain: NDArray[np.bool_], now_s: int) -> None:
        """Handle what is plain in vectors, and what stands between in its place: a flow's frames keep their order."""
        begin = 0
        for end in [*np.flatnonzero(~plain).tolist(), len(plain)]:
            if end - begin >= FEW:
                run = slice(begin, end)
                self.vectors(head + begin, np.ascontiguousarray(columns[:, run]), plain[run], now_s)
            else:
                for slot in range(head + begin, head + end):
                    self.one(slot, now_s)
            if end < len(plain):
                self.one(head + end, now_s)
            begin = end + 1

    def vectors(self, head: int, columns: U64, plain: NDArray[np.bool_], now_s: int) -> None:
        """Handle plain frames that stand in the slots from `head` on."""
        rx, count = self.rx, columns.shape[1]
        try:
            verdicts, rows = self.vector.decide(columns, now_s, plain)
        except Exception as error:  # noqa: BLE001 - as in `one`; the frame at fault is found by taking each by itself
            self._note(error)
            for slot in range(head, head + count):
                self.one(slot, now_s)
            return
        chosen = np.flatnonzero(verdicts > 0)
        if len(chosen) == count:
            self.vector.rewrite(columns, verdicts)
            rx.u64[head : head + count, _REWRITTEN] = columns[_REWRITTEN].T
            self.send(head, chosen, verdicts, rows, columns[slots_of.STATUS] >> _V_32)
        elif len(chosen):
            some = columns[:, chosen]
            self.vector.rewrite(some, verdicts[chosen])
            rx.u64[head + chosen, _REWRITTEN] = some[_REWRITTEN].T
            self.send(head, chosen, verdicts[chosen], rows[chosen], some[slots_of.STATUS] >> _V_32)
        flat = self.counters.flat
        if len(chosen) != count:
            others = np.flatnonzero(verdicts == NOT_PLAIN)
            dropped = verdicts[(verdicts < 0) & (verdicts > NOT_PLAIN)]
            drops = self.counters.dropped
            drops += np.bincount(-1 - dropped, minlength=len(DropReason))
            for slot in others.tolist():
                self.one(head + slot, now_s)
            flat[_RECEIVED] -= len(others)  # `one` has counted them
        flat[_RECEIVED] += count

    def send(
        self,
        head: int,
        slots: NDArray[np.intp],
        targets: NDArray[np.int64],
        rows: NDArray[np.intp],
        sizes: U64,
    ) -> None:
        """Copy frames (offsets of receive slots from `head`) to the transmit ring, send and count them."""
        rx, tx, count = self.rx, self.tx, len(slots)
        length = c.VNET_BYTES + int(sizes.max())
        whole = int(slots[-1]) - int(slots[0]) + 1 == count
        first = head + int(slots[0])
        done = 0
        reason = DropReason.TX_FULL
        while done < count:
            room = tx.room(count - done)
            if not room:
                reason = self.flush()
                room = tx.room(count - done)
                if not room:
                    break
            to = slice(tx.head, tx.head + room)
            rows_from = (
                slice(first + done, first + done + room) if whole else head + slots[done : done + room]
            )
            tx.u8[to, c.TX_VNET : c.TX_VNET + length] = rx.u8[rows_from, c.RX_VNET : c.RX_VNET + length]
            tx.length[to] = sizes[done : done + room] + c.VNET_BYTES
            tx.status[to] = c.TP_STATUS_SEND_REQUEST
            tx.advance(room)
            done += room
        self.flush()
        if done < count:
            self.counters.flat[_DROPPED + reason] += count - done
        if done:
            self.vector.count(targets[:done], rows[:done], sizes[:done])

    def flush(self) -> DropReason:
        """Send what waits in the transmit ring; returns why room may still be missing.

        What the device refuses twice is given up, so that it holds up nothing behind it; and so is all that waits
        when the interface is down, or it would come out of date when it is up again.
        """
        tx = self.tx
        try:
            tx.flush()
        except OSError as error:
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
            self.counters.flat[_TX_ERROR] += len(given_up)
            return DropReason.TX_FULL if self.unsent else DropReason.TX_ERROR
        self.unsent, self._refused = False, -1
        return DropReason.TX_FULL


def tagged(data: memoryview, vlan: int, status: int) -> bytes:
    """Put a VLAN tag back that the kernel took out on receipt (IEEE 802.1Q); checksum offsets move with it."""
    header = bytearray(data[: c.VNET_BYTES])
    if header[0] & c.VNET_NEEDS_CSUM:
        start = int.from_bytes(header[6:8], "little") + 4
        header[6:8] = start.to_bytes(2, "little")
    protocol = vlan >> 16 if status & c.TP_STATUS_VLAN_TPID_VALID else c.ETH_P_8021Q
    tag = _VLAN.pack(protocol, vlan & 0xFFFF)
    return b"".join((header, data[10:22], tag, data[22:]))
