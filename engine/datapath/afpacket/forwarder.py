"""Frames from the receive ring to the transmit ring, one by one or a batch at a time, and counted."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket import slot as slots_of
from engine.datapath.afpacket.icmp import fragmentation_needed
from engine.datapath.afpacket.scalar import PASS, Scalar, server_of, too_big, verdict
from engine.datapath.afpacket.sender import tag_bytes, tagged
from engine.datapath.afpacket.transfers import Transfers
from engine.datapath.afpacket.vector import NOT_PLAIN, Vector
from engine.datapath.contract import DropReason
from engine.datapath.counters import word
from engine.io import if_packet as c

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from engine.datapath.afpacket.ring import ReceiveRing
    from engine.datapath.afpacket.sender import Sender
    from engine.datapath.afpacket.tables import Tables
    from engine.datapath.keys import U64
    from engine.datapath.lookup import Egress

BATCH = 512
"""Most frames in one vector: a larger one gains little and lets the first frame wait, a smaller one pays more calls."""

FEW = 12
"""From about this many waiting frames on, the vector is faster than one frame at a time."""

CROWD, CRAMPED = 4096, 8192
"""Frames behind a batch from which on not all have their turn, and super-frames neither: a quarter and half of a ring of
usual size. Bursts are waited for; before there is no room for what is plain the others are given up."""

ODD_IN_A_CROWD = 4
"""Frames of a batch that are not plain and have their turn in a crowd, whatever else is in it."""

ODD_COST = 8
"""Plain frames that cost as much as one that is not: of so many that are not, one more has its turn. So a batch takes as
long as if all of it were plain, whatever it is made of."""

_TOO_BIG = verdict(DropReason.TOO_BIG)
_ICMP_A_SECOND = 100  # answers of our own making, so that a flood of big packets is not doubled
_RECEIVED, _PASSED, _FORWARDED, _DROPPED = (
    word("received"),
    word("passed"),
    word("forwarded"),
    word("dropped"),
)
_TARGET_PACKETS, _TARGET_BYTES = word("target_packets"), word("target_bytes")
_SERVER_DROPPED = word("server_dropped")
_SERVER_PACKETS, _SERVER_BYTES = word("server_packets"), word("server_bytes")
_FAULT = _DROPPED + DropReason.FAULT
_WORDS, _REWRITTEN, _VLAN_U32 = slots_of.WORDS, slots_of.REWRITTEN, slots_of.VLAN_U32
_V_32, _COPY = np.uint64(32), np.uint64(c.TP_STATUS_COPY)
_V_VID, _V_PRIORITY = np.uint64(0x0FFF), np.uint64(0xF000)
_ETHERNET = 14  # bytes of a header
_VID = 0x0FFF  # of a tag's control information


OPEN_AGAIN_S = 1
"""How often an interface is tried that could not be opened: it comes back under a new index, and with a new table."""


class Forwarder:
    """Takes frames from `rx`, decides about them by `tables`, and sends them by the interface of their target.

    `own` sends by the interface that frames come by; `open_sender` opens another by its index, and raises OSError.
    """

    def __init__(
        self, tables: Tables, rx: ReceiveRing, own: Sender, open_sender: Callable[[int], Sender]
    ) -> None:
        self.tables = tables
        self.counters = tables.counters
        self.rx = rx
        self.own = own
        self.scalar = Scalar(tables)
        self.transfers = Transfers(self.scalar)
        self.vector = Vector(tables, self.scalar)
        self.columns = np.zeros((_WORDS, BATCH), np.uint64)
        self.fault: str | None = None  # the last that met a frame, until somebody takes it from here
        self.unsent = False  # frames wait for a device that did not take them
        self._open_sender = open_sender
        self._senders: dict[int, Sender] = {0: own}  # by index of the interface
        self._open_again: dict[int, int] = {}  # by index, in seconds
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
        data = rx.view[start - c.VNET_BYTES : start + captured]
        is_large = bool(status & c.TP_STATUS_COPY)
        if is_large:
            large = rx.take_large()
            if large is None or len(large) != c.VNET_BYTES + size:
                self._drop(DropReason.TRUNCATED, server_of(data, self.tables.lookup))
                return
            data = large
        elif captured < size:
            self._drop(DropReason.TRUNCATED, server_of(data, self.tables.lookup))
            return
        tag, vid = b"", 0
        if status & c.TP_STATUS_VLAN_VALID:
            vlan = rx.words[first + _VLAN_U32]
            vid = vlan & _VID
            known = status & c.TP_STATUS_VLAN_TPID_VALID
            tag = tag_bytes(vlan & 0xFFFF, vlan >> 16 if known else c.ETH_P_8021Q)
        fits = False
        if is_large:
            target = self.transfers.decide(data, size, now_s, vid)
            fits = self.transfers.fits
        else:
            target = self.scalar.decide(data, size, now_s, vid)
        lookup = self.tables.lookup
        mtu = lookup.mtu_most
        if not fits and target > PASS and size > lookup.mtu_least + _ETHERNET:
            mtu = lookup.egress[lookup.egress_of[target]].mtu
            if too_big(data, size, mtu):
                target = _TOO_BIG
        if target > PASS:
            self.forward(data, target, size, tag, now_s)
        elif target == PASS:
            flat[_PASSED] += 1
        else:
            self._drop(-1 - target, server_of(data, lookup))
            if target == _TOO_BIG:
                self.tell_too_big(data, mtu, now_s, tag)

    def forward(self, data: memoryview, target: int, size: int, tag: bytes, now_s: int) -> None:
        """Send one frame to its target; `tag` is the VLAN tag that the kernel took out on receipt, if there was one."""
        lookup = self.tables.lookup
        number = lookup.egress_of[target]
        egress = lookup.egress[number]
        data[10:16] = lookup.mac_bytes[target]
        data[16:22] = egress.mac
        flat = self.counters.flat
        if number:
            tag = _retagged(tag, egress)
        out = tagged(data, tag) if tag else data
        server = lookup.number[self.scalar.last_row]
        sender = self._sender(egress.ifindex, now_s)
        if sender is None:
            self._drop(DropReason.TX_ERROR, server)
            return
        reason = sender.one(out, whole=data[1] == c.VNET_GSO_NONE)
        self.unsent |= sender.unsent
        if reason is not None:
            self._drop(reason, server)
            return
        flat[_FORWARDED] += 1
        flat[_TARGET_PACKETS + target] += 1
        flat[_TARGET_BYTES + target] += size
        flat[_SERVER_PACKETS + server] += 1
        flat[_SERVER_BYTES + server] += size

    def _drop(self, reason: int, server: int) -> None:
        """Count a frame that is dropped."""
        flat = self.counters.flat
        flat[_DROPPED + reason] += 1
        flat[_SERVER_DROPPED + server * len(DropReason) + reason] += 1

    def _drop_many(self, reasons: NDArray[np.int64], rows: NDArray[np.intp]) -> None:
        """Count frames that are dropped, by reason and the row of their server."""
        drops = self.counters.dropped
        drops += np.bincount(reasons, minlength=len(DropReason))
        servers = self.tables.lookup.v_number.take(rows).view(np.int64)
        cells, count = np.unique(servers * len(DropReason) + reasons, return_counts=True)
        self.counters.server_dropped.reshape(-1)[cells] += count

    def tell_too_big(self, data: memoryview, mtu: int, now_s: int, tag: bytes) -> None:
        """Tell the sender of a packet over `mtu`, on the VLAN it came from, at most some times a second."""
        if now_s != self._icmp_second:
            self._icmp_second, self._icmp_sent = now_s, 0
        answer = fragmentation_needed(data, mtu) if self._icmp_sent < _ICMP_A_SECOND else None
        if answer is not None:
            self._icmp_sent += 1
            self.own.answer(tagged(memoryview(answer), tag) if tag else answer)

    # -- many frames at a time --------------------------------------------------------------------------------------

    def batch(self, count: int, now_s: int) -> None:
        """Handle `count` ready frames as a vector, and release them."""
        rx, head = self.rx, self.rx.head
        columns = self.columns[:, :count]
        columns[:] = rx.u64[head : head + count, :_WORDS].T
        plain = self.vector.plain(columns)
        if plain.all():
            self.vectors(head, columns, plain, now_s)
        elif rx.waits(count + CROWD):
            self.crowd(head, columns, plain, now_s)
        else:
            self.runs(head, columns, plain, now_s)
        rx.release(count)

    def crowd(self, head: int, columns: U64, plain: NDArray[np.bool_], now_s: int) -> None:
        """Handle what is plain and a few of the other frames: there is no time for all of them.

        Super-frames are segments of a client that hears of a loss and slows down: they are given up last.
        """
        odd = ~plain
        if not self.rx.waits(columns.shape[1] + CRAMPED):
            odd &= (columns[slots_of.STATUS] & _COPY | columns[slots_of.VIRTIO] & slots_of.GSO) == 0
        others = np.flatnonzero(odd)
        given_up = others[ODD_IN_A_CROWD + len(others) // ODD_COST :]
        kept = np.delete(np.arange(len(plain)), given_up)
        self.runs(head, columns[:, kept], plain[kept], now_s, kept)
        # After those that came before: whole super-frames wait in the order of the ring.
        self.give_up(columns[:, given_up])

    def give_up(self, columns: U64) -> None:
        """Count frames that nobody has time for, each for the server that has its address alone."""
        addresses = columns[slots_of.ADDRESSES] >> _V_32
        served = np.unique(addresses, return_counts=True)
        for address, count in zip(*map(np.ndarray.tolist, served), strict=True):
            server = self.tables.lookup.only_server.get(address, 0)
            self.counters.server_dropped[server, DropReason.OVERLOAD] += count
        self.counters.flat[_DROPPED + DropReason.OVERLOAD] += columns.shape[1]
        self.counters.flat[_RECEIVED] += columns.shape[1]
        for _ in range(np.count_nonzero(columns[slots_of.STATUS] & _COPY)):
            self.rx.take_large()

    def runs(
        self,
        head: int,
        columns: U64,
        plain: NDArray[np.bool_],
        now_s: int,
        at: NDArray[np.intp] | None = None,
    ) -> None:
        """Handle what is plain in vectors, and what stands between in its place: a flow's frames keep their order.

        The frames stand in the slots from `head` on, or `at` these offsets from it.
        """
        begin = 0
        slots = range(head, head + len(plain)) if at is None else (head + at).tolist()
        for end in [*np.flatnonzero(~plain).tolist(), len(plain)]:
            if end - begin >= FEW:
                run = slice(begin, end)
                some = np.ascontiguousarray(columns[:, run])
                if at is None:
                    self.vectors(head + begin, some, plain[run], now_s)
                else:
                    self.vectors(head, some, plain[run], now_s, at[run])
            else:
                for slot in slots[begin:end]:
                    self.one(slot, now_s)
            if end < len(plain):
                self.one(slots[end], now_s)
            begin = end + 1

    def vectors(
        self,
        head: int,
        columns: U64,
        plain: NDArray[np.bool_],
        now_s: int,
        at: NDArray[np.intp] | None = None,
    ) -> None:
        """Handle plain frames that stand in the slots from `head` on, or `at` these offsets from it."""
        rx, count = self.rx, columns.shape[1]
        try:
            verdicts, rows = self.vector.decide(columns, now_s, plain)
        except Exception as error:  # noqa: BLE001 - as in `one`; the frame at fault is found by taking each by itself
            self._note(error)
            for slot in range(count) if at is None else at.tolist():
                self.one(head + slot, now_s)
            return
        tags = slots_of.tags(columns)
        chosen = np.flatnonzero(verdicts > 0)
        if len(chosen) == count:
            self.vector.rewrite(columns, verdicts)
            rx.u64[slice(head, head + count) if at is None else head + at, _REWRITTEN] = columns[_REWRITTEN].T
            slots = chosen if at is None else at
            self.send(head, _Chosen(slots, verdicts, rows, columns[slots_of.STATUS] >> _V_32, tags), now_s)
        elif len(chosen):
            some = columns[:, chosen]
            slots = chosen if at is None else at[chosen]
            self.vector.rewrite(some, verdicts[chosen])
            rx.u64[head + slots, _REWRITTEN] = some[_REWRITTEN].T
            sizes = some[slots_of.STATUS] >> _V_32
            out = _Chosen(slots, verdicts[chosen], rows[chosen], sizes, _at(tags, chosen))
            self.send(head, out, now_s)
        flat = self.counters.flat
        if len(chosen) != count:
            others = np.flatnonzero(verdicts == NOT_PLAIN)
            dropped = np.flatnonzero((verdicts < 0) & (verdicts > NOT_PLAIN))
            if len(dropped):
                self._drop_many(-1 - verdicts[dropped], rows[dropped])
            for slot in (others if at is None else at[others]).tolist():
                self.one(head + slot, now_s)
            flat[_RECEIVED] -= len(others)  # `one` has counted them
        flat[_RECEIVED] += count

    def send(self, head: int, frames: _Chosen, now_s: int) -> None:
        """Send frames by the interfaces of their targets; those of one interface keep their order."""
        lookup = self.tables.lookup
        if lookup.one_egress:
            self._send(head, frames, 0, now_s)
            return
        by = lookup.v_egress.take(frames.targets)
        numbers = np.flatnonzero(np.bincount(by)).tolist()
        for number in numbers:
            some = frames if len(numbers) == 1 else frames.some(np.flatnonzero(by == number))
            self._send(head, some, number, now_s)

    def _send(self, head: int, frames: _Chosen, number: int, now_s: int) -> None:
        """Send frames by one way out, and count them."""
        egress = self.tables.lookup.egress[number]
        sender = self._sender(egress.ifindex, now_s)
        if sender is None:
            self._drop_many(np.full(len(frames.slots), DropReason.TX_ERROR), frames.rows)
            return
        tags = _all_retagged(frames, egress) if number else frames.tags
        done, reason = sender.many(self.rx, head, frames.slots, frames.sizes, tags)
        self.unsent |= sender.unsent
        if done < len(frames.slots):
            self._drop_many(np.full(len(frames.slots) - done, reason), frames.rows[done:])
        if done:
            self.vector.count(frames.targets[:done], frames.rows[:done], frames.sizes[:done])

    def flush(self) -> None:
        """Send what waits for a device, wherever it does."""
        for sender in self._senders.values():
            if sender.unsent:
                sender.flush()
        self.unsent = any(sender.unsent for sender in self._senders.values())

    # -- ways out ---------------------------------------------------------------------------------------------------

    def follow_table(self, now_s: int) -> None:
        """Open the interfaces that the table in force sends by, and close those that it does not."""
        wanted = {egress.ifindex for egress in self.tables.lookup.egress}
        for ifindex in [n for n in self._senders if n not in wanted]:
            self._senders.pop(ifindex).close()
        self._open_again.clear()
        for ifindex in wanted:
            self._sender(ifindex, now_s)

    def _sender(self, ifindex: int, now_s: int) -> Sender | None:
        """Return the sender of an interface; None where it cannot be opened."""
        sender = self._senders.get(ifindex)
        if sender is self.own or (sender is not None and not sender.gone):
            return sender
        if sender is not None:
            self._senders.pop(ifindex).close()
        if now_s < self._open_again.get(ifindex, 0):
            return None
        self._open_again[ifindex] = now_s + OPEN_AGAIN_S
        try:
            sender = self._open_sender(ifindex)
        except OSError:
            return None
        self._senders[ifindex] = sender
        return sender


@dataclass(slots=True)
class _Chosen:
    """Frames to be sent: their receive slots (offsets from the batch's first), targets, rows of servers, sizes in bytes, tags."""

    slots: NDArray[np.intp]
    targets: NDArray[np.int64]
    rows: NDArray[np.intp]
    sizes: U64
    tags: U64 | None  # `slot.tags`: as they came

    def some(self, at: NDArray[np.intp]) -> _Chosen:
        return _Chosen(self.slots[at], self.targets[at], self.rows[at], self.sizes[at], _at(self.tags, at))


def _at(tags: U64 | None, at: NDArray[np.intp]) -> U64 | None:
    return None if tags is None else tags[at]


def _retagged(tag: bytes, egress: Egress) -> bytes:
    """Return the tag of a frame on another way out than it came by: its priority stays, its VLAN is the target's."""
    control = int.from_bytes(tag[2:4], "big")  # 0 where there is none
    if egress.ifindex == 0 and control & _VID == egress.vlan:
        return tag
    return tag_bytes(control & ~_VID | egress.vlan) if egress.vlan else b""


def _all_retagged(frames: _Chosen, egress: Egress) -> U64 | None:
    """`_retagged` for many frames."""
    tags = np.zeros(len(frames.slots), np.uint64) if frames.tags is None else frames.tags
    vlan = np.uint64(egress.vlan or 0)
    other = np.uint64(c.ETH_P_8021Q << 16) | tags & _V_PRIORITY | vlan if vlan else np.zeros_like(tags)
    if egress.ifindex == 0:
        other = np.where(tags & _V_VID == vlan, tags, other)
    return other if np.count_nonzero(other) else None
