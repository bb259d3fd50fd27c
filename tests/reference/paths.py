"""The datapaths under test, each behind the same few calls: another one joins by a class with these methods."""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import Protocol

import numpy as np

from engine.datapath import shared_memory
from engine.datapath.afpacket.ring import slot_bytes
from engine.datapath.afpacket.single import Single
from engine.datapath.afpacket.state import State
from engine.datapath.afpacket.vector import WORDS, Vector
from engine.datapath.afpacket.worker import BATCH, FEW, Worker, no_table
from engine.datapath.contract import DropReason
from engine.datapath.flowtable import FlowTable, table_bytes
from engine.datapath.lookup import Installed
from engine.io import if_packet as c
from tests.reference.draws import Draws
from tests.reference.flows import WAYS, Shown
from tests.reference.wire import GSO_NONE, Frame, Offload, Sent

SLOTS = 64


class Path(Protocol):
    """What a datapath has to show."""

    def install(self, table) -> None: ...
    def decide(self, frames: list[Frame], now_s: int) -> list[Sent]:
        """Decide about a batch, and return what was sent, in order."""

    def sweep(self, now_s: int) -> None: ...
    def counts(self) -> dict[str | tuple[str, int], int]:
        """Every counter that is not 0, named as the model names them."""

    def flows(self) -> dict[int, list[Shown]]:
        """Every entry by its line."""

    def close(self) -> None: ...


class _Receive:
    """A receive ring into which a batch is written as the kernel would."""

    def __init__(self) -> None:
        self.slot = slot_bytes(1500)
        self.memory = bytearray(SLOTS * self.slot)
        self.view = memoryview(self.memory)
        self.words = self.view.cast("I")
        self.u8 = np.frombuffer(self.memory, np.uint8).reshape(SLOTS, self.slot)
        self.u64 = np.frombuffer(self.memory, np.uint64).reshape(SLOTS, self.slot // 8)
        self.head = 0
        self._large: list[bytearray | None] = []

    def put(self, frames: list[Frame]) -> None:
        self._large.clear()
        for slot, frame in enumerate(frames):
            size = len(frame.data)
            room = self.slot - c.RX_FRAME
            whole = bytearray(vnet(frame.offload)) + frame.data
            status, captured = c.TP_STATUS_USER, min(size, room)
            if size > room:
                status |= c.TP_STATUS_COPY
                self._large.append(whole if frame.kept is None else None)
            elif frame.kept is not None:
                captured = frame.kept
            tci, tpid = frame.vlan or (0, 0)
            if frame.vlan:
                status |= c.TP_STATUS_VLAN_VALID | (c.TP_STATUS_VLAN_TPID_VALID if tpid else 0)
            start = slot * self.slot
            self.memory[start : start + self.slot] = bytes(self.slot)
            struct.pack_into(
                "<IIIHH", self.memory, start, status, size, captured, c.RX_FRAME, c.RX_FRAME + 14
            )
            struct.pack_into("<HH", self.memory, start + 24, tci, tpid)
            self.memory[start + c.RX_VNET : start + c.RX_FRAME + captured] = whole[: c.VNET_BYTES + captured]

    def release(self, count: int) -> None:
        pass

    def take_large(self) -> memoryview | None:
        large = self._large.pop(0)
        return None if large is None else memoryview(large)


class _Transmit:
    """A transmit ring that sends what is in it at once."""

    def __init__(self, sent: list[Sent]) -> None:
        slot = slot_bytes(1500)
        self.u8 = np.zeros((SLOTS, slot), np.uint8)
        self.u32 = self.u8.view(np.uint32)
        self.status = self.u32[:, 0]
        self.head = 0
        self._sent = sent

    def room(self, most: int) -> int:
        return min(most, SLOTS - self.head)

    def advance(self, count: int) -> None:
        self.head += count

    def flush(self) -> None:
        for slot in range(self.head):
            size = int(self.u32[slot, 1])
            self._sent.append(seen(self.u8[slot, c.TX_VNET : c.TX_VNET + size].tobytes()))
        self.head = 0


class _Socket:
    def __init__(self, sent: list[Sent]) -> None:
        self._sent = sent

    def send(self, data, _flags: int = 0) -> None:
        self._sent.append(seen(bytes(data)))


def vnet(offload: Offload) -> bytes:
    head = 54 if offload.gso_type != GSO_NONE else 0
    return struct.pack(
        "<BBHHHH",
        offload.flags,
        offload.gso_type,
        head,
        offload.gso_size,
        offload.csum_start,
        offload.csum_offset,
    )


def seen(data: bytes) -> Sent:
    flags, kind, _, size, start, offset = struct.unpack_from("<BBHHHH", data)
    return Sent(data[c.VNET_BYTES :], Offload(flags, kind, size, start, offset))


class PretendedWorker:
    """A worker of AF_PACKET between rings of memory; batches from `few` frames on are vectors."""

    def __init__(self, lines: int, seed: int, few: int) -> None:
        self._few = few
        self._sent: list[Sent] = []
        self._memory = shared_memory.SharedMemory.create("reference-flows", table_bytes(lines))
        self._block = shared_memory.CounterBlock.create()
        self._flows = FlowTable(self._memory.view, lines)
        self._state = State(Installed(no_table()), self._flows, self._block)
        self._state.random = self._state.generator = Draws(seed)
        self._worker = worker = object.__new__(Worker)
        worker.state, worker.counters = self._state, self._block
        worker.single, worker.vector = Single(self._state), Vector(self._state)
        worker.rx, worker.tx = _Receive(), _Transmit(self._sent)
        worker.plain = worker.cutting = _Socket(self._sent)
        worker.columns = np.zeros((WORDS, BATCH), np.uint64)
        worker.unsent, worker._refused = False, -1
        worker._icmp_second, worker._icmp_sent = 0, 0

    def install(self, table) -> None:
        self._state.install(Installed(table))

    def decide(self, frames: list[Frame], now_s: int) -> list[Sent]:
        self._sent.clear()
        self._worker.rx.put(frames)
        if len(frames) >= self._few:
            self._worker.batch(len(frames), now_s)
        elif frames:
            self._worker.few(len(frames), now_s)
        return list(self._sent)

    def sweep(self, now_s: int) -> None:
        self._state.sweep(now_s)

    def counts(self) -> dict[str | tuple[str, int], int]:
        block = self._block
        found: dict[str | tuple[str, int], int] = {
            name: block.get(name) for name in ("received", "forwarded", "passed", "evicted", "unrecorded")
        }
        for reason in DropReason:
            found["dropped", reason.label] = int(block.dropped[reason])
        for who in ("target", "server"):
            for what in ("packets", "bytes", "sessions"):
                array = getattr(block, f"{who}_{what}")
                for number in np.flatnonzero(array).tolist():
                    found[f"{who}_{what}", number] = int(array[number])
        return {name: value for name, value in found.items() if value}

    def flows(self) -> dict[int, list[Shown]]:
        found = defaultdict(list)
        for at in np.flatnonzero(self._flows.entries).tolist():
            entry = int(self._flows.entries[at])
            found[at // WAYS].append(
                Shown(
                    target=entry & 0x7FF,
                    server=entry >> 11 & 0x3FF,
                    state=entry >> 21 & 3,
                    generation=entry >> 23 & 15,
                    seen_s=entry >> 27 & 0xFFFF,
                    print_=entry >> 43,
                    client=".".join(map(str, self._flows.address[at].tobytes()[12:])),
                    port=int.from_bytes(self._flows.port[at].tobytes(), "big"),
                )
            )
        return found

    def close(self) -> None:
        self._memory.close()
        self._block.memory.close()


def scalar(lines: int, seed: int) -> PretendedWorker:
    """Every frame by itself."""
    return PretendedWorker(lines, seed, few=1 << 30)


def vector(lines: int, seed: int) -> PretendedWorker:
    """Every batch as a vector, also of one frame."""
    return PretendedWorker(lines, seed, few=1)


def worker(lines: int, seed: int) -> PretendedWorker:
    """As a worker chooses: few frames one by one, many as a vector."""
    return PretendedWorker(lines, seed, few=FEW)


PATHS = {"scalar": scalar, "vector": vector, "worker": worker}
