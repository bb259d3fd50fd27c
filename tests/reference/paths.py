"""The datapaths under test, each behind the same few calls: another one joins by a class with these methods."""

from __future__ import annotations

import errno
import struct
from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.datapath.afpacket.forwarder import FEW, Forwarder
from engine.datapath.afpacket.tables import Tables
from engine.datapath.contract import NO_INTERFACE, Counters, DropReason, ForwardingTable
from engine.datapath.counters import CounterBlock
from engine.datapath.declare import Counter, declared
from engine.datapath.flowtable import FlowTable, table_bytes
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory
from engine.io.if_packet import RX_FRAME, VNET_BYTES
from tests.helpers.rings import PretendedInterface, PretendedReceiveRing
from tests.reference.draws import Draws, table_seed
from tests.reference.flows import WAYS, Shown
from tests.reference.model import UNSEEN
from tests.reference.wire import GSO_NONE, Frame, Offload, Sent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.datapath.afpacket.sender import Sender
    from tests.reference.model import Fate, Name


class Path(Protocol):
    """What a datapath has to show."""

    def install(self, table) -> None: ...
    def decide(self, frames: Sequence[Frame], fates: Sequence[Fate], now_s: int) -> list[Sent]:
        """Decide about a batch, and return what was sent, in order; `fates` say how much is to be waited for."""

    def change(self, frames: Sequence[Frame], fates: Sequence[Fate], now_s: int, table) -> list[Sent]:
        """Install a table while a batch waits that came before it."""

    def sweep(self, now_s: int) -> None: ...
    def counts(self) -> dict[Name, int]:
        """Every counter that is not 0, named as the model names them."""

    def flows(self) -> dict[int, list[Shown]]:
        """Every entry by its line; the lines of a second worker follow on those of the first."""

    def told(self) -> list[str]:
        """What the path itself has to say about what went wrong."""

    def close(self) -> None: ...


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


def seen(data: bytes, ifindex: int) -> Sent:
    flags, kind, _, size, start, offset = struct.unpack_from("<BBHHHH", data)
    return Sent(data[VNET_BYTES:], Offload(flags, kind, size, start, offset), ifindex)


MOST_FRAMES = 128
"""Slots of a ring: more than a batch has."""

UNFORETOLD = {"swaps", "swap_last_ns", "swap_longest_ns", "target_opened"}
"""Counters of times and not of frames, and the one that counts a flow which opens twice in a batch once."""


def counted(counters: Counters) -> dict[Name, int]:
    """Return every counter that is not 0 but for `UNFORETOLD`, named as the model names them."""
    found: dict[Name, int] = {}
    for name, one in declared(Counters, Counter).items():
        value = getattr(counters, name)
        if name in UNFORETOLD:
            continue
        if not one.shape:
            found[name] = value
        elif name == "dropped":
            found |= {(name, reason.label): int(value[reason]) for reason in DropReason}
        elif name == "server_dropped":
            for number, reason in np.argwhere(value).tolist():
                found[name, number, DropReason(reason).label] = int(value[number, reason])
        else:
            found |= {(name, number): int(value[number]) for number in np.flatnonzero(value).tolist()}
    return {name: value for name, value in found.items() if value}


def entries(flows: FlowTable, first_line: int = 0) -> dict[int, list[Shown]]:
    """Return every entry of a flow table by its line."""
    found = defaultdict(list)
    for at in np.flatnonzero(flows.entries).tolist():
        entry = int(flows.entries[at])
        found[first_line + at // WAYS].append(
            Shown(
                target=entry & 0x7FF,
                server=entry >> 11 & 0x3FF,
                state=entry >> 21 & 3,
                generation=entry >> 23 & 15,
                seen_s=entry >> 27 & 0xFFFF,
                print_=entry >> 43,
                client=".".join(map(str, flows.address[at].tobytes()[12:])),
                port=int.from_bytes(flows.port[at].tobytes(), "big"),
            )
        )
    return found


class PretendedWorker:
    """A worker of AF_PACKET between rings of memory; batches from `few` frames on are vectors."""

    def __init__(self, lines: int, seed: int, few: int) -> None:
        self._few = few
        self._memory = SharedMemory.create("reference-flows", table_bytes(lines))
        self._block = CounterBlock.create()
        self._memory.map[-8:] = table_seed(seed).to_bytes(8, "little")
        self._flows = FlowTable(self._memory.view, lines)
        self._tables = Tables(Lookup(ForwardingTable.empty()), self._flows, self._block)
        self._tables.random = self._tables.generator = Draws(seed)
        self._rx = PretendedReceiveRing(MOST_FRAMES)
        self._sent: dict[int, list[bytes]] = {}  # by index of the interface, in the order of the wire
        self._forwarder = Forwarder(self._tables, self._rx, self._open(0), self._open)

    def _open(self, ifindex: int) -> Sender:
        if ifindex == NO_INTERFACE:
            raise OSError(errno.ENXIO, "No such device or address")
        interface = PretendedInterface(MOST_FRAMES)
        interface.merge(self._sent.setdefault(ifindex, []))
        return interface.sender(self._block)

    def install(self, table) -> None:
        self._tables.install(Lookup(table))

    def decide(self, frames: Sequence[Frame], fates: Sequence[Fate], now_s: int) -> list[Sent]:
        taken = zip(frames, fates, strict=True)  # by the kernel's filter
        return self._decide([frame for frame, fate in taken if fate.verdict != UNSEEN], now_s)

    def change(self, frames: Sequence[Frame], fates: Sequence[Fate], now_s: int, table) -> list[Sent]:
        sent = self.decide(frames, fates, now_s)
        self.install(table)
        return sent

    def _decide(self, frames: list[Frame], now_s: int) -> list[Sent]:
        for sent in self._sent.values():
            sent.clear()
        self._rx.empty()
        for frame in frames:
            tci, tpid = frame.vlan or (None, None)
            self._rx.put(
                frame.data,
                virtio=vnet(frame.offload),
                captured=frame.kept,
                copied=frame.kept is None and len(frame.data) > self._rx.slot - RX_FRAME,
                vlan=tci,
                tpid=tpid or None,
            )
        if len(frames) >= self._few:
            self._forwarder.batch(len(frames), now_s)
        elif frames:
            self._forwarder.few(len(frames), now_s)
        return [seen(data, ifindex) for ifindex, sent in self._sent.items() for data in sent]

    def sweep(self, now_s: int) -> None:
        self._tables.sweep(now_s)

    def counts(self) -> dict[Name, int]:
        return counted(self._block.read())

    def flows(self) -> dict[int, list[Shown]]:
        return entries(self._flows)

    def told(self) -> list[str]:
        fault = self._forwarder.fault
        return [fault] if fault else []

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
