"""The program in the kernel with its maps: loaded once, fed with tables, its flows and counters mapped into this process."""

from __future__ import annotations

import mmap
import os
import secrets
import struct
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.datapath.contract import GENERATIONS, SERVER_ROWS, TARGET_ROWS, Counters, ForwardingTable
from engine.datapath.counters import CounterBlock, total, word
from engine.datapath.flowtable import (
    LINE_BYTES,
    SERVER_MASK,
    SERVER_SHIFT,
    TARGET_MASK,
    FlowTable,
    rules_of,
    session_mask,
    table_bytes,
)
from engine.datapath.shared_memory import SharedMemory
from engine.datapath.xdp import declarations as words
from engine.datapath.xdp import libbpf
from engine.datapath.xdp.image import PAGE, Image
from engine.datapath.xdp.rings import Rings

OBJECT = Path(__file__).with_name("dsr.bpf.o")
PROGRAM, SWEEP = "dsr", "sweep"

_TABLES = 4
"""Tables that the program can reach (state.h); all but one are former ones, by which frames may be under way."""

_POSSIBLE = Path("/sys/devices/system/cpu/possible")


class MapMemory(SharedMemory):
    """A map of the kernel's, or a part of one, as memory of this process; `whole` is what the part belongs to."""

    def __init__(self, fd: int, size: int, whole: MapMemory | None = None, first: int = 0) -> None:
        self.fd, self.size, self._first = fd, size, first
        pages = -(-size // mmap.PAGESIZE)
        self.map = mmap.mmap(fd, pages * mmap.PAGESIZE) if whole is None else whole.map

    @property
    def view(self) -> memoryview:
        """The bytes, writable."""
        return memoryview(self.map)[self._first : self._first + self.size]

    def part(self, first: int, size: int) -> MapMemory:
        """View a part of it."""
        return MapMemory(self.fd, size, self, first)


def processors() -> int:
    """Return how many processors there can be: the program counts on each by itself."""
    return int(_POSSIBLE.read_text().strip().rsplit(",", 1)[-1].rsplit("-", 1)[-1]) + 1


class Program:
    """The program and its maps, with the flow table and the counters in them. Raises BpfError where the kernel refuses.

    `rings_decide` False: every flow has an entry, also where the ring could decide by itself. `cut_later`: what is larger
    than the interface's MTU is a super-frame, which the kernel cuts into packets on its way out. `blocks` are the
    counters of each processor and, last, those that all share.
    """

    def __init__(self, buckets: int, *, rings_decide: bool = True, cut_later: bool = False) -> None:
        self.buckets = buckets
        self._cut_later = cut_later
        self.rings = Rings() if rings_decide else None
        count = processors()
        lines = -(-table_bytes(buckets) // LINE_BYTES)
        one = libbpf.Object(OBJECT.read_bytes())
        try:
            one.size("flows", lines)
            one.size("counters", count + 1, words.BLOCK_BYTES)
            one.constants(words.layout(count))
            one.load()
            self.fd = one.program_fd(PROGRAM)
            self._sweep_fd = one.program_fd(SWEEP)
            self._tables_fd = one.map_fd("tables")
            self._flow_memory = MapMemory(one.map_fd("flows"), lines * LINE_BYTES)
            self._counter_memory = MapMemory(one.map_fd("counters"), (count + 1) * words.BLOCK_BYTES)
        finally:
            one.close()
        parts = [
            self._counter_memory.part(n * words.BLOCK_BYTES, words.BLOCK_BYTES) for n in range(count + 1)
        ]
        self.blocks = [CounterBlock(part) for part in parts]
        self.shared = self.blocks[-1].flat
        self.flows = FlowTable(self._flow_memory.view, buckets)
        self.flows.choose_seed()
        for block in self.blocks:
            block.flat[words.RANDOM] = secrets.randbits(63)
        self._sweeper = libbpf.Runner(self._sweep_fd)
        self._unswept = -1  # changes of table since all lines were looked at; the first is none
        self.install(ForwardingTable.empty())

    def install(self, table: ForwardingTable, now_s: float | None = None) -> None:
        """Decide by another table from the next frame on. Frames under way finish by the former one."""
        self._rules = rules_of(table)
        if self.rings is not None:
            now_s = time.monotonic() if now_s is None else now_s
            if self.rings.follow(table, now_s):
                self.rings.mark_differing(self.flows, int(now_s), self._rules)
        rings = self.rings.by_number if self.rings else {}
        image = Image(table, self.buckets, self.flows.seed, rings, cut_later=self._cut_later)
        fd = libbpf.create_array("bng_table", PAGE, image.pages)
        try:
            memory = MapMemory(fd, image.pages * PAGE)
            image.write(memory.view)
            slot = (self.shared[words.IN_FORCE] + 1) % _TABLES
            libbpf.put_map(self._tables_fd, slot, fd)
        finally:
            os.close(fd)
        self._image, self._pages = image, memory
        self.shared[words.IN_FORCE] = slot
        self.shared[word("swaps")] += 1
        self._unswept += 1
        if self._unswept == GENERATIONS - 1:
            # Before generations have come round, and what targets have lost would be valid again.
            self.sweep(0, self.buckets, strangers=True)

    def mark_differing(self, now_s: int) -> None:
        """Have the next table look for entries wherever one that lives differs from its ring."""
        if self.rings is not None:
            self.rings.mark_differing(self.flows, now_s, self._rules)

    def settle(self, now_s: float | None = None) -> None:
        """End transitions of buckets that are over, in the table in force; call every few seconds."""
        now_s = time.monotonic() if now_s is None else now_s
        if self.rings is None or not any(ring.marked.any() for ring in self.rings.by_number.values()):
            return
        differing = self.rings.differing(self.flows, int(now_s), self._rules)
        for number, ring in self.rings.by_number.items():
            if number not in self._image.ring_first:
                continue  # it does not answer now
            before, buckets = (
                np.frombuffer(self._pages.view, np.uint16, len(ring.target), first)
                for first in (self._image.before_first[number], self._image.ring_first[number])
            )
            # An entry could still be written while the target before was known, so the mark stays for another time.
            done = ring.settle(differing[number])
            buckets[done] = ring.target[done]
            before[ring.expire(now_s)] = 0

    def sweep(self, first: int, lines: int, *, strangers: bool = False) -> None:
        """Clear what binds no flow any more in lines of the flow table, and settle the session counts.

        `strangers`: only entries whose target may not keep them, whatever their age.
        """
        self._sweeper.run(struct.pack("<IIII", first, lines, strangers, 0))
        if (first, lines) == (0, self.buckets):
            self._unswept = 0

    def recount(self) -> None:
        """Count the sessions of the flow table as it stands; only while nothing is forwarded."""
        entries = self.flows.entries[np.flatnonzero(self.flows.entries)]
        sessions = session_mask(entries)
        target = (entries & np.uint64(TARGET_MASK)).view(np.intp)
        server = (entries >> np.uint64(SERVER_SHIFT) & np.uint64(SERVER_MASK)).view(np.intp)
        shared = self.blocks[-1]
        for which, kind in ((sessions, "sessions"), (~sessions, "half_open")):
            getattr(shared, f"target_{kind}")[:] = np.bincount(target[which], minlength=TARGET_ROWS)
            getattr(shared, f"server_{kind}")[:] = np.bincount(server[which], minlength=SERVER_ROWS)

    def counters(self) -> Counters:
        """Return the totals of all processors."""
        found = total([block.read() for block in self.blocks])
        # Not counted by themselves: they follow, and a frame costs that much less.
        forwarded = int(found.server_packets.sum())
        received = forwarded + found.passed + int(found.dropped.sum())
        return replace(found, received=received, forwarded=forwarded)

    def close(self) -> None:
        """Give it all back, but for what is attached."""
        for fd in (self.fd, self._sweep_fd, self._tables_fd, self._flow_memory.fd, self._counter_memory.fd):
            os.close(fd)
