"""The worker process: frames in, MACs rewritten, frames out. It never waits for the control process.

Started by datapath.py with descriptors of the shared memory and a control socket; new tables come over that socket
and are taken up between two batches. When the control socket closes, the worker ends.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import struct
import sys
import time
from typing import NoReturn

import msgspec
import numpy as np

from engine.datapath import shared_memory
from engine.datapath.afpacket.icmp import fragmentation_needed
from engine.datapath.afpacket.ring import ReceiveRing, TransmitRing, packet_socket, slot_bytes
from engine.datapath.afpacket.single import PASS, Single, verdict
from engine.datapath.afpacket.state import State
from engine.datapath.afpacket.vector import NOT_PLAIN, WORDS, Vector
from engine.datapath.contract import (
    MEMBER_COLUMNS,
    NOT_MEMBER,
    SERVER_ROWS,
    TARGET_ROWS,
    DropReason,
    ForwardingTable,
)
from engine.datapath.flowtable import FlowTable
from engine.datapath.lookup import Installed
from engine.io import if_packet as c
from engine.io import packet_filter
from engine.io.if_packet import want_buffer

BATCH = 512
"""Most frames in one vector: a larger one gains little and lets the first frame wait, a smaller one pays more calls."""

FEW = 12
"""From about this many waiting frames on, the vector is faster than one frame at a time."""

IDLE_POLL_MS = 25
"""How long an idle worker sleeps: the pace of the sweep over the flow table."""

NICE = -10
"""Before consoles, checks and whatever else runs on the box: a worker held up for a ring's length loses frames."""

EXIT_INTERFACE_GONE = 3

_TOO_BIG = verdict(DropReason.TOO_BIG)
_ICMP_A_SECOND = 100  # answers of our own making, so that a flood of big packets is not doubled
_VLAN = struct.Struct(">HH")


class WorkerArgs(msgspec.Struct, kw_only=True):
    """What the control process hands over, as JSON in the last argument. Descriptors are inherited."""

    ifname: str
    mtu: int
    control_fd: int
    counters_fd: int
    flows_fd: int
    buckets: int
    index: int
    workers: int
    rx_slots: int
    tx_slots: int
    table_fd: int


def no_table() -> ForwardingTable:
    """Make a table without servers: every frame passes."""
    rows: list[bytes] = []
    none = np.frombuffer(b"".join(rows), np.uint8).reshape(0, 16)
    u2, u1, u4 = np.zeros(0, np.uint16), np.zeros(0, np.uint8), np.zeros(0, np.uint32)
    return ForwardingTable(
        generation=0,
        virtual_addr=none,
        server_number=u2,
        server_addr=none,
        server_port=u2,
        server_protocol=u1,
        server_by_port=u1,
        server_idle_s=u2,
        server_pick=u1,
        bucket_start=u4,
        bucket_len=u4,
        buckets=u2,
        member=np.full((SERVER_ROWS, MEMBER_COLUMNS), NOT_MEMBER, np.uint8),
        target_mac=np.zeros((TARGET_ROWS, 6), np.uint8),
        target_weight=np.ones(TARGET_ROWS, np.uint16),
        own_mac=np.zeros((1, 6), np.uint8),
        blocked_mac=np.zeros((0, 6), np.uint8),
        mtu=1500,
    )


class Worker:
    """One receive ring, one transmit ring, one flow table."""

    def __init__(self, args: WorkerArgs) -> None:
        self.args = args
        self.control = socket.socket(fileno=args.control_fd)
        self.control.setblocking(False)
        self.counters = shared_memory.CounterBlock(shared_memory.SharedMemory.attach(args.counters_fd))
        flows = FlowTable(shared_memory.SharedMemory.attach(args.flows_fd).view, args.buckets)
        self.state = State(Installed(no_table()), flows, self.counters)
        self.single = Single(self.state)
        self.vector = Vector(self.state)
        slot = slot_bytes(args.mtu)
        self.rx = ReceiveRing(args.ifname, args.rx_slots, slot)
        self.tx = TransmitRing(args.ifname, args.tx_slots, slot)
        self.plain = packet_socket(args.ifname, protocol=0)
        self.cutting = packet_socket(args.ifname, protocol=0, direct=False)  # for super-frames
        for sock in (self.tx.sock, self.plain, self.cutting):
            want_buffer(sock, c.SO_SNDBUFFORCE, 32 << 20)  # super-frames are 64 KiB each
        self.columns = np.zeros((WORDS, BATCH), np.uint64)
        self._icmp_second, self._icmp_sent = 0, 0
        self._held, self._breath = 0, time.monotonic_ns()  # how long frames waited in a swap, and since when
        self.unsent = False  # frames wait in the transmit ring that the device did not take
        self._refused = -1  # the slot at which it stopped
        self.state.recount()
        self.install(args.table_fd)
        self.counters.flat[shared_memory.HEARTBEAT] = time.monotonic_ns()

    def install(self, descriptor: int) -> None:
        """Take up the table in a memory file: from the next frame on it decides, whole."""
        memory = shared_memory.SharedMemory.attach(descriptor)
        table = shared_memory.load_table(memory)
        memory.close()
        self.breathe()
        former = self.state.installed  # to the end: giving its memory back takes a while, too
        installed = Installed(table, self.breathe)
        if installed.virtual != self.state.installed.virtual or self.state.installed.generation == 0:
            self.breathe()
            program = packet_filter.for_addresses(installed.virtual, (self.args.index, self.args.workers))
            self.breathe()
            # No frame is decided between the two: the former table knows nothing of addresses that are new.
            packet_filter.attach(self.rx.sock, program)
        self.state.install(installed)
        self.breathe()
        del former

    def swap(self, descriptor: int) -> None:
        """`install` while frames go on by the former table; the longest that one had to wait for it is counted."""
        self._held, self._breath = 0, time.monotonic_ns()
        self.install(descriptor)
        self.breathe()
        flat = self.counters.flat
        flat[shared_memory.SWAPS] += 1
        flat[shared_memory.SWAP_LAST] = self._held
        flat[shared_memory.SWAP_LONGEST] = max(flat[shared_memory.SWAP_LONGEST], self._held)

    def breathe(self) -> None:
        """Forward what waits, in the middle of something that takes long."""
        self._held = max(self._held, time.monotonic_ns() - self._breath)
        if count := self.rx.ready(BATCH):
            (self.batch if count >= FEW else self.few)(count, int(time.monotonic()))
        self._breath = time.monotonic_ns()

    def run(self) -> NoReturn:
        """Forward until the control process is gone."""
        poll = select.poll()
        poll.register(self.rx.sock, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        control = self.control.fileno()
        next_sweep = next_second = 0.0
        ready, batch, few = self.rx.ready, self.batch, self.few
        while True:
            count = ready(BATCH)
            if self.unsent:
                self.flush()
            if count:
                now = time.monotonic()
                (batch if count >= FEW else few)(count, int(now))
            else:
                for fd, events in poll.poll(1 if self.unsent else IDLE_POLL_MS):
                    if fd == control:
                        self.take_orders()
                    elif events & ~select.POLLIN:
                        self.look_after_interface()
                now = time.monotonic()
            if now >= next_sweep:
                next_sweep = now + IDLE_POLL_MS / 1000
                self.state.sweep(int(now))
                self.counters.flat[shared_memory.HEARTBEAT] = time.monotonic_ns()
                if count:
                    self.take_orders()
                if now >= next_second:
                    next_second = now + 1
                    self.counters.flat[shared_memory.RING_LOST] += self.rx.lost()
                    if self.rx.troubled:
                        self.rx.troubled = False
                        self.look_after_interface()

    def take_orders(self) -> None:
        """Take up the newest table that waits on the control socket; end where its other end is closed."""
        newest = -1
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self.control, 64, 4)
            except BlockingIOError:
                break
            except ConnectionResetError:
                message, descriptors = b"", []
            if not message:
                os._exit(0)  # nothing to put in order: the kernel takes rings and descriptors back
            for descriptor in descriptors:
                if newest >= 0:
                    os.close(newest)
                newest = descriptor
        if newest >= 0:
            self.swap(newest)

    def look_after_interface(self) -> None:
        """Clear the socket's error after the link went down; end where the interface is gone for good."""
        self.rx.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        try:
            socket.if_nametoindex(self.args.ifname)
        except OSError:
            sys.exit(EXIT_INTERFACE_GONE)
        if self.rx.sock.getsockname()[0] != self.args.ifname:
            sys.exit(EXIT_INTERFACE_GONE)
        time.sleep(IDLE_POLL_MS / 1000)

    # -- one frame at a time ----------------------------------------------------------------------------------------

    def few(self, count: int, now_s: int) -> None:
        """Handle `count` ready frames one by one, in order, and release them."""
        head = self.rx.head
        for slot in range(head, head + count):
            self.one(slot, now_s)
        self.rx.release(count)

    def one(self, slot: int, now_s: int) -> None:
        """Handle the frame in a slot."""
        rx = self.rx
        word = slot * rx.slot >> 2
        status, size, captured, offsets = rx.words[word : word + 4]
        start = slot * rx.slot + (offsets & 0xFFFF)
        flat = self.counters.flat
        flat[shared_memory.RECEIVED] += 1
        if status & c.TP_STATUS_COPY:
            large = rx.take_large()
            if large is None or len(large) != c.VNET_BYTES + size:
                flat[shared_memory.DROPPED + DropReason.TRUNCATED] += 1
                return
            data = large
        elif captured < size:
            flat[shared_memory.DROPPED + DropReason.TRUNCATED] += 1
            return
        else:
            data = rx.view[start - c.VNET_BYTES : start + captured]
        target = self.single.decide(data, size, now_s)
        vlan = rx.words[word + 6] if status & c.TP_STATUS_VLAN_VALID else -1
        if target > PASS:
            self.forward(data, target, size, vlan, status)
        elif target == PASS:
            flat[shared_memory.PASSED] += 1
        else:
            flat[shared_memory.DROPPED - 1 - target] += 1
            if target == _TOO_BIG:
                self.tell_too_big(data, now_s, vlan, status)

    def forward(self, data: memoryview, target: int, size: int, vlan: int, status: int) -> None:
        """Send one frame to its target; `vlan` is tag control information and protocol as the slot has it, or -1."""
        installed = self.state.installed
        data[10:16] = installed.mac_bytes[target]
        data[16:22] = installed.source_bytes
        flat = self.counters.flat
        sock = self.plain if data[1] == c.VNET_GSO_NONE else self.cutting
        try:
            sock.send(data if vlan < 0 else tagged(data, vlan, status), socket.MSG_DONTWAIT)
        except OSError:
            flat[shared_memory.DROPPED + DropReason.TX_ERROR] += 1
            return
        flat[shared_memory.FORWARDED] += 1
        flat[shared_memory.TARGET_PACKETS + target] += 1
        flat[shared_memory.TARGET_BYTES + target] += size
        server = installed.number[self.single.last_row]
        flat[shared_memory.SERVER_PACKETS + server] += 1
        flat[shared_memory.SERVER_BYTES + server] += size

    def tell_too_big(self, data: memoryview, now_s: int, vlan: int, status: int) -> None:
        """Tell the sender of a packet over the MTU, on the VLAN it came from, at most some times a second."""
        if now_s != self._icmp_second:
            self._icmp_second, self._icmp_sent = now_s, 0
        answer = (
            fragmentation_needed(data, self.state.installed.mtu) if self._icmp_sent < _ICMP_A_SECOND else None
        )
        if answer is not None:
            self._icmp_sent += 1
            try:
                out = answer if vlan < 0 else tagged(memoryview(answer), vlan, status)
                self.plain.send(out, socket.MSG_DONTWAIT)
            except OSError:
                self.counters.flat[shared_memory.DROPPED + DropReason.TX_ERROR] += 1

    # -- many frames at a time --------------------------------------------------------------------------------------

    def batch(self, count: int, now_s: int) -> None:
        """Handle `count` ready frames as a vector, and release them."""
        rx, head = self.rx, self.rx.head
        columns = self.columns[:, :count]
        columns[:] = rx.u64[head : head + count, :WORDS].T
        if bool((columns[0] & c.TP_STATUS_COPY).any()):
            # Super-frames carry the bytes here; order within a flow matters more than the vector.
            self.few(count, now_s)
            return
        verdicts, rows = self.vector.decide(columns, now_s)
        chosen = np.flatnonzero(verdicts > 0)
        if len(chosen) == count:
            self.vector.rewrite(columns, verdicts)
            rx.u64[head : head + count, 8:12] = columns[8:12].T
            self.send(chosen, verdicts, rows, columns[0] >> np.uint64(32))
        elif len(chosen):
            some = columns[:, chosen]
            self.vector.rewrite(some, verdicts[chosen])
            rx.u64[head + chosen, 8:12] = some[8:12].T
            self.send(chosen, verdicts[chosen], rows[chosen], some[0] >> np.uint64(32))
        flat = self.counters.flat
        if len(chosen) != count:
            others = np.flatnonzero(verdicts == NOT_PLAIN)
            dropped = verdicts[(verdicts < 0) & (verdicts > NOT_PLAIN)]
            self.counters.dropped += np.bincount(-1 - dropped, minlength=len(DropReason))
            for slot in others.tolist():
                self.one(head + slot, now_s)
            flat[shared_memory.RECEIVED] -= len(others)  # `one` has counted them
        flat[shared_memory.RECEIVED] += count
        rx.release(count)

    def send(
        self,
        slots: np.ndarray[tuple[int], np.dtype[np.intp]],
        targets: np.ndarray[tuple[int], np.dtype[np.int64]],
        rows: np.ndarray[tuple[int], np.dtype[np.intp]],
        sizes: np.ndarray[tuple[int], np.dtype[np.uint64]],
    ) -> None:
        """Copy frames (offsets of receive slots from `head`) to the transmit ring, send and count them."""
        rx, tx, count = self.rx, self.tx, len(slots)
        length = c.VNET_BYTES + int(sizes.max())
        whole = int(slots[-1]) - int(slots[0]) + 1 == count
        first = rx.head + int(slots[0])
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
                slice(first + done, first + done + room) if whole else rx.head + slots[done : done + room]
            )
            tx.u8[to, c.TX_VNET : c.TX_VNET + length] = rx.u8[rows_from, c.RX_VNET : c.RX_VNET + length]
            tx.u32[to, 1] = sizes[done : done + room] + c.VNET_BYTES
            tx.status[to] = c.TP_STATUS_SEND_REQUEST
            tx.advance(room)
            done += room
        self.flush()
        if done < count:
            self.counters.flat[shared_memory.DROPPED + reason] += count - done
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
            self.counters.flat[shared_memory.DROPPED + DropReason.TX_ERROR] += len(given_up)
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


def main() -> None:
    """Run a worker; the last argument is `WorkerArgs` as JSON."""
    args = msgspec.json.decode(sys.argv[-1], type=WorkerArgs)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group; the control process decides
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    worker = Worker(args)
    worker.control.send(b"ready")
    gc.collect()
    gc.freeze()
    gc.disable()  # nothing here makes cycles, and a collection would hold frames up
    worker.run()


if __name__ == "__main__":
    main()
