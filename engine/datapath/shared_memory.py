"""Memory that the control process and its workers share: anonymous memory files, and a table laid out in one."""

from __future__ import annotations

import fcntl
import mmap
import os

import msgspec
import numpy as np

from engine.datapath.contract import ForwardingTable
from engine.datapath.declare import Array, declared

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
        fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, size)
        # Nobody who gets the descriptor can make it smaller, which would end whoever reads what is gone (SIGBUS).
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
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
    for name, one in declared(ForwardingTable, Array).items():
        array = getattr(table, name)
        entries.append(_Entry(name, one.dtype, array.shape, offset))
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
