"""Memory that the control process and its workers share: tables, counters and flows as anonymous memory files."""

from __future__ import annotations

import mmap
import os
from dataclasses import fields
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.datapath.contract import (
    ARRAYS,
    SERVER_ROWS,
    TARGET_ROWS,
    Counters,
    DropReason,
    ForwardingTable,
    Swaps,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_ALIGN = 64


class SharedMemory:
    """A memory file and its mapping. The descriptor may be passed to another process, which maps it again."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        self.map = mmap.mmap(fd, size)

    @classmethod
    def create(cls, name: str, size: int) -> SharedMemory:
        """Make one of `size` bytes, all zero; `name` is what /proc shows."""
        fd = os.memfd_create(name, os.MFD_CLOEXEC)
        os.ftruncate(fd, size)
        return cls(fd, size)

    @classmethod
    def attach(cls, fd: int) -> SharedMemory:
        """Map one that another process made."""
        return cls(fd, os.fstat(fd).st_size)

    @property
    def view(self) -> memoryview:
        """The bytes, writable."""
        return memoryview(self.map)

    def close(self) -> None:
        """Close the descriptor; the mapping goes when the last view of it does."""
        os.close(self.fd)


class _Entry(msgspec.Struct, array_like=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int


class _Directory(msgspec.Struct, array_like=True):
    generation: int
    mtu: int
    entries: list[_Entry]


def store_table(table: ForwardingTable) -> SharedMemory:
    """Copy a table into shared memory: length and directory in front, then the arrays, each on its own cache line."""
    entries = []
    offset = 0
    for name, dtype in ARRAYS:
        array = getattr(table, name)
        entries.append(_Entry(name, dtype, array.shape, offset))
        offset += -(-array.nbytes // _ALIGN) * _ALIGN
    directory = msgspec.msgpack.encode(_Directory(table.generation, table.mtu, entries))
    base = -(-(4 + len(directory)) // _ALIGN) * _ALIGN
    memory = SharedMemory.create("bng-table", base + max(offset, 1))
    memory.map[:4] = len(directory).to_bytes(4, "little")
    memory.map[4 : 4 + len(directory)] = directory
    for entry in entries:
        array = np.ascontiguousarray(getattr(table, entry.name))
        memory.map[base + entry.offset : base + entry.offset + array.nbytes] = array.tobytes()
    return memory


def load_table(memory: SharedMemory) -> ForwardingTable:
    """View a stored table without copying it."""
    length = int.from_bytes(memory.map[:4], "little")
    directory = msgspec.msgpack.decode(memory.map[4 : 4 + length], type=_Directory)
    base = -(-(4 + length) // _ALIGN) * _ALIGN
    arrays = {}
    for entry in directory.entries:
        count = int(np.prod(entry.shape, dtype=np.int64))
        array = np.frombuffer(memory.view, np.dtype(entry.dtype), count, base + entry.offset)
        array.flags.writeable = False
        arrays[entry.name] = array.reshape(entry.shape)
    return ForwardingTable(generation=directory.generation, mtu=directory.mtu, **arrays)


_SCALARS = (
    "generation",
    "heartbeat_ns",
    "received",
    "forwarded",
    "passed",
    "ring_lost",
    "evicted",
    "unrecorded",
    "swaps",
    "swap_last_ns",
    "swap_longest_ns",
)
(
    GENERATION,
    HEARTBEAT,
    RECEIVED,
    FORWARDED,
    PASSED,
    RING_LOST,
    EVICTED,
    UNRECORDED,
    SWAPS,
    SWAP_LAST,
    SWAP_LONGEST,
) = range(len(_SCALARS))
"""Word of each scalar. `evicted`: flows in use that made room; `unrecorded`: new flows that found none; `swap_...`: how
long frames had to wait while a table was taken up."""

DROPPED = 16
TARGET_PACKETS = 64
TARGET_BYTES = TARGET_PACKETS + TARGET_ROWS
TARGET_SESSIONS = TARGET_BYTES + TARGET_ROWS
SERVER_PACKETS = TARGET_SESSIONS + TARGET_ROWS
SERVER_BYTES = SERVER_PACKETS + SERVER_ROWS
SERVER_SESSIONS = SERVER_BYTES + SERVER_ROWS
_WORDS = SERVER_SESSIONS + SERVER_ROWS


class CounterBlock:
    """The counters of one worker in shared memory: it alone writes, anybody reads.

    `flat` gives single words (int64) for single frames, at the offsets above; the arrays are views of the same.
    """

    def __init__(self, memory: SharedMemory) -> None:
        self.memory = memory
        self.flat = memory.view.cast("q")
        words: NDArray[np.int64] = np.frombuffer(memory.view, np.int64)
        self.dropped = words[DROPPED : DROPPED + len(DropReason)]
        self.target_packets = words[TARGET_PACKETS : TARGET_PACKETS + TARGET_ROWS]
        self.target_bytes = words[TARGET_BYTES : TARGET_BYTES + TARGET_ROWS]
        self.target_sessions = words[TARGET_SESSIONS : TARGET_SESSIONS + TARGET_ROWS]
        self.server_packets = words[SERVER_PACKETS : SERVER_PACKETS + SERVER_ROWS]
        self.server_bytes = words[SERVER_BYTES : SERVER_BYTES + SERVER_ROWS]
        self.server_sessions = words[SERVER_SESSIONS : SERVER_SESSIONS + SERVER_ROWS]

    @classmethod
    def create(cls) -> CounterBlock:
        """Make one, all zero."""
        return cls(SharedMemory.create("bng-counters", 8 * _WORDS))

    def get(self, name: str) -> int:
        """Read one of the scalars."""
        return int(self.flat[_SCALARS.index(name)])


def sum_counters(blocks: Sequence[CounterBlock]) -> Counters:
    """Add up the blocks of all workers."""

    def total(name: str) -> NDArray[np.int64]:
        return np.asarray(np.sum([getattr(b, name) for b in blocks], axis=0), np.int64)

    arrays = {f.name for f in fields(Counters)} - {"received", "forwarded", "passed", "ring_lost"}
    return Counters(
        received=sum(b.get("received") for b in blocks),
        forwarded=sum(b.get("forwarded") for b in blocks),
        passed=sum(b.get("passed") for b in blocks),
        ring_lost=sum(b.get("ring_lost") for b in blocks),
        **{name: total(name) for name in arrays},
    )


def slowest_swaps(blocks: Sequence[CounterBlock]) -> Swaps:
    """Of workers that swap side by side the slowest tells how long a change takes."""
    return Swaps(
        count=max(b.get("swaps") for b in blocks),
        last_ms=max(b.get("swap_last_ns") for b in blocks) / 1e6,
        longest_ms=max(b.get("swap_longest_ns") for b in blocks) / 1e6,
    )
