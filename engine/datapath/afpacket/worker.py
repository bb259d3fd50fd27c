"""The worker process: frames in, MACs rewritten, frames out. It never waits for the control process.

Started by process.py with descriptors of the shared memory and a control socket; new tables come over that socket
and are taken up between two batches. When the control socket closes, the worker ends.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import msgspec
import numpy as np
import numpy.ma  # numpy imports it at need, when a worker may import nothing any more

from engine.datapath.afpacket import sockets
from engine.datapath.afpacket.forwarder import BATCH, Forwarder
from engine.datapath.afpacket.messages import (
    EXIT_INTERFACE_GONE,
    MESSAGE_BYTES,
    Arguments,
    Fault,
    Ready,
    TakeFlows,
    UseTable,
    decode_to_worker,
    encode,
)
from engine.datapath.afpacket.ring import ReceiveRing, slot_bytes
from engine.datapath.afpacket.sender import Sender
from engine.datapath.afpacket.tables import Tables
from engine.datapath.contract import FLOW_RECORD, ForwardingTable
from engine.datapath.counters import HEARTBEAT_NS, CounterBlock, word
from engine.datapath.flow_records import of_worker, write_records
from engine.datapath.flowtable import FlowTable
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory, load_table
from engine.io import packet_filter, privileges

if TYPE_CHECKING:
    from numpy.typing import NDArray

IDLE_POLL_MS = 25
"""How long an idle worker sleeps: the pace of the sweep over the flow table."""

NICE = -10
"""Before consoles, checks and whatever else runs on the box: a worker held up for a ring's length loses frames."""

SOCKETS = 3
"""Packet sockets that are opened ahead, for one further interface that frames leave by. More would make its end slow: the
kernel waits for all processors (synchronize_net) at each that is closed."""

_FAULT_CHARACTERS = 160
"""Of the text of a fault, so that it fits `MESSAGE_BYTES` whatever its letters are."""

_TAKE_AT_ONCE = 4096
"""Flow records written between two looks at the ring: about half a millisecond."""

_RING_LOST = word("ring_lost")
_SWAPS, _SWAP_LAST, _SWAP_LONGEST = word("swaps"), word("swap_last_ns"), word("swap_longest_ns")


class Worker:
    """One receive ring, one transmit ring, one flow table."""

    def __init__(self, args: Arguments) -> None:
        self.args = args
        self.control = socket.socket(fileno=args.control_fd)
        self.control.setblocking(False)
        self.counters = CounterBlock(SharedMemory.attach(args.counters_fd))
        flows = FlowTable(SharedMemory.attach(args.flows_fd).view, args.buckets)
        beside = [CounterBlock(SharedMemory.attach(fd)) for fd in args.beside_fds]
        self.tables = Tables(Lookup(ForwardingTable.empty()), flows, self.counters, beside)
        self.rx = ReceiveRing(args.ifname, args.rx_slots, slot_bytes(args.mtu))
        self.forwarder = Forwarder(
            self.tables,
            self.rx,
            self.open_sender(args.ifname),
            lambda ifindex: self.open_sender(socket.if_indextoname(ifindex)),
        )
        self._told = False  # of a fault
        self._held, self._breath = 0, time.monotonic_ns()  # how long frames waited in a swap, and since when
        self.tables.recount()
        self.install(args.table_fd)
        self.counters.flat[HEARTBEAT_NS] = time.monotonic_ns()

    def open_sender(self, ifname: str) -> Sender:
        """Open the way out by an interface, whose slots take what comes in. Raises OSError."""
        try:
            return Sender.open(ifname, self.args.tx_slots, slot_bytes(self.args.mtu), self.counters)
        except PermissionError:
            sys.exit("the sockets opened ahead are used up")  # its successor has new ones

    def install(self, descriptor: int) -> None:
        """Take up the table in a memory file: from the next frame on it decides, whole."""
        memory = SharedMemory.attach(descriptor)
        table = load_table(memory)
        memory.close()
        self.breathe()
        former = self.tables.lookup  # to the end: giving its memory back takes a while, too
        lookup = Lookup(table, self.breathe)
        if lookup.virtual_vlan != former.virtual_vlan or former.generation == 0:
            self.breathe()
            program = packet_filter.for_addresses(lookup.by_vlan(), (self.args.index, self.args.workers))
            self.breathe()
            # No frame is decided between the two: the former table knows nothing of addresses that are new.
            packet_filter.attach(self.rx.sock, program)
        self.tables.install(lookup, self.breathe)
        self.breathe()
        self.forwarder.follow_table(int(time.monotonic()))
        self.breathe()
        del former

    def swap(self, descriptor: int) -> None:
        """`install` while frames go on by the former table; the longest that one had to wait for it is counted."""
        self._held, self._breath = 0, time.monotonic_ns()
        self.install(descriptor)
        self.breathe()
        flat = self.counters.flat
        flat[_SWAPS] += 1
        flat[_SWAP_LAST] = self._held
        flat[_SWAP_LONGEST] = max(flat[_SWAP_LONGEST], self._held)

    def breathe(self) -> None:
        """Forward what waits, in the middle of something that takes long."""
        self._held = max(self._held, time.monotonic_ns() - self._breath)
        if count := self.rx.ready(BATCH):
            self.forwarder.frames(count, int(time.monotonic()))
        self._breath = time.monotonic_ns()

    def run(self) -> NoReturn:
        """Forward until the control process is gone."""
        poll = select.poll()
        poll.register(self.rx.sock, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        control = self.control.fileno()
        next_sweep = next_second = 0.0
        forwarder = self.forwarder
        ready, frames = self.rx.ready, forwarder.frames
        while True:
            count = ready(BATCH)
            if forwarder.unsent:
                forwarder.flush()
            if count:
                now = time.monotonic()
                frames(count, int(now))
            else:
                for fd, events in poll.poll(1 if forwarder.unsent else IDLE_POLL_MS):
                    if fd == control:
                        self.take_orders()
                    elif events & ~select.POLLIN:
                        self.look_after_interface()
                now = time.monotonic()
            if now >= next_sweep:
                next_sweep = now + IDLE_POLL_MS / 1000
                self.tables.sweep(int(now))
                self.counters.flat[HEARTBEAT_NS] = time.monotonic_ns()
                if count:
                    self.take_orders()
                if now >= next_second:
                    next_second = now + 1
                    self.counters.flat[_RING_LOST] += self.rx.lost()
                    self.tell_fault()
                    if self.rx.troubled:
                        self.rx.troubled = False
                        self.look_after_interface()

    def take_orders(self) -> None:
        """Do what messages on the control socket ask for; end where its other end is closed."""
        table: int | None = None  # of tables the newest that was handed over
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.control, MESSAGE_BYTES, 1)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data, descriptors = b"", []
            if not data:
                os._exit(0)  # nothing to put in order: the kernel takes rings and descriptors back
            message = decode_to_worker(data)
            if message is None or len(descriptors) != 1:
                # Of another version, or there was no room for the descriptor. A table is handed over again (`remind`).
                for descriptor in descriptors:
                    os.close(descriptor)
            elif isinstance(message, UseTable):
                if table is not None:
                    os.close(table)
                (table,) = descriptors
            else:
                if table is not None:
                    self.swap(table)
                    table = None
                self.take_flows(message, *descriptors)
        if table is not None:
            self.swap(table)

    def tell_fault(self) -> None:
        """Tell the control process of the first fault; what comes after it is counted only."""
        if self._told or self.forwarder.fault is None:
            return
        with contextlib.suppress(OSError):
            self.control.send(encode(Fault(self.forwarder.fault[:_FAULT_CHARACTERS])))
            self._told = True

    def take_flows(self, message: TakeFlows, descriptor: int) -> None:
        """Take over flows of another datapath, those of this worker's clients, while frames go on."""
        memory = SharedMemory.attach(descriptor)
        records: NDArray[np.void] = np.frombuffer(memory.view, FLOW_RECORD, message.count)
        mine = of_worker(records, self.args.index, self.args.workers)
        memory.close()
        for first in range(0, len(mine), _TAKE_AT_ONCE):
            part = mine[first : first + _TAKE_AT_ONCE]
            now_s = int(time.monotonic())
            written, replaced = write_records(self.tables.flows, part, now_s, self.tables.lookup.rules)
            self.tables.count_sessions(written, 1)
            self.tables.count_ends(replaced, now_s)
            self.breathe()

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


def main() -> None:
    """Run a worker; the last argument is `Arguments` as JSON."""
    args = msgspec.json.decode(sys.argv[-1], type=Arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group; the control process decides
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    worker = Worker(args)
    sockets.open_ahead(SOCKETS)
    privileges.restrict_worker()
    worker.control.send(encode(Ready(worker.tables.lookup.generation)))
    gc.collect()
    gc.freeze()
    gc.disable()  # nothing here makes cycles, and a collection would hold frames up
    worker.run()


if __name__ == "__main__":
    main()
