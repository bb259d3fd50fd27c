"""Ways a frame can take through a datapath, each running a case of tests/fixtures and saying what came of it.

A later datapath joins by an entry in `PATHS`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.forwarder import ODD_IN_A_CROWD, Forwarder
from engine.datapath.afpacket.tables import Tables
from engine.datapath.contract import Counters, DropReason
from engine.datapath.counters import CounterBlock
from engine.datapath.flow_records import records_of
from engine.datapath.flow_states import FlowState
from engine.datapath.flowtable import (
    GENERATION_MASK,
    SERVER_SHIFT,
    FlowTable,
    Rules,
    pack,
    table_bytes,
)
from engine.datapath.keys import flow_hash, swap16
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory
from engine.domain.address import Address
from tests.helpers import fixtures
from tests.helpers.fixtures import Flow
from tests.helpers.rings import PretendedInterface, PretendedReceiveRing

if TYPE_CHECKING:
    from engine.datapath.afpacket.sender import Sender
    from tests.helpers.fixtures import Case, Kind

BUCKETS = 64
LOOP = "A frame from a target is a loop"
ODD_LOOP = "A frame with IP options from a target is one, too"
MANY = 1 << 16
"""Frames in a receive ring that are more than enough for a crowd."""

OTHERS = 15
"""Frames around the one of a case in a mixed batch: each is a loop, which every table drops."""

FIRST = 5
"""Frames that went before a mixed batch, so that it does not begin with the ring's first slot."""


@dataclass
class Result:
    """What came of a frame."""

    fate: int | str
    out: list[tuple[int, bytes]]  # index of the interface (0: its own), virtio header and frame
    counters: dict[str, int]
    flows: list[Flow]


class Bench:
    """A forwarder on pretended rings."""

    def __init__(self, case: Case) -> None:
        self.memory = SharedMemory.create("test-flows", table_bytes(BUCKETS))
        block = CounterBlock.create()
        self.block = block
        lookup = Lookup(fixtures.table(case.table))
        self.tables = Tables(lookup, FlowTable(self.memory.view, BUCKETS), block)
        self.rx, own = PretendedReceiveRing(), PretendedInterface()
        self.tx, self.plain, self.cutting = own.tx, own.plain, own.cutting
        self.own = own.sender(block)
        self.interfaces = {0: own}  # by index
        self.forwarder = Forwarder(self.tables, self.rx, self.own, self.open)
        for flow in case.before:
            self.write(flow, case.now_s)

    def open(self, ifindex: int) -> Sender:
        if ifindex not in fixtures.interfaces():
            raise OSError(errno.ENXIO, "No such device or address")
        self.interfaces[ifindex] = PretendedInterface()
        return self.interfaces[ifindex].sender(self.block)

    def write(self, flow: Flow, now_s: int) -> None:
        self.tables.count_session(write(flow, self.tables.flows, now_s, self.tables.lookup.rules), 1)

    def flows(self, now_s: int) -> list[Flow]:
        return flows_of(self.tables.flows, now_s, self.tables.lookup.rules)

    def transmit(self, how: str) -> None:
        if how == "full":
            self.tx.fill()
            self.interfaces[0].refuse(errno.EAGAIN)
        elif how == "down":
            self.interfaces[0].refuse(errno.ENETDOWN)

    def sent(self) -> list[tuple[int, bytes]]:
        """What was sent, with the index of the interface."""
        return [
            (ifindex, data)
            for ifindex, one in self.interfaces.items()
            for data in (*one.tx.sent, *one.plain.sent, *one.cutting.sent)
        ]

    def close(self) -> None:
        self.memory.close()
        self.block.memory.close()


def write(flow: Flow, flows: FlowTable, now_s: int, rules: Rules) -> int:
    """Write a flow into a table that has no seed; returns the entry."""
    client, port = Address.parse(flow.client), swap16(flow.port or 0)
    found = flow_hash(client, port, flow.server)
    index = flows.victim(found, now_s, rules)
    state = FlowState[flow.state.upper()]
    generation = int(rules.member[flow.server << SERVER_SHIFT | flow.target]) & GENERATION_MASK
    entry = pack(flow.target, flow.server, state, generation, now_s - flow.idle_s, found)
    flows.flat[index] = entry
    high, low = (int.from_bytes(client[at : at + 8], "little") for at in (0, 8))
    flows.remember_client(index, high, low, port)
    return entry


def flows_of(flows: FlowTable, now_s: int, rules: Rules) -> list[Flow]:
    found = [
        Flow(
            server=int(record["server"]),
            target=int(record["target"]),
            client=str(Address(record["client"].tobytes())),
            idle_s=int(record["idle_s"]),
            state=FlowState(int(record["state"])).name.lower(),
            port=int(record["port"]) or None,
        )
        for record in records_of(flows, now_s, rules)
    ]
    return sorted(found, key=lambda flow: (flow.client, flow.port or 0))


def flat(counters: Counters) -> dict[str, int]:
    """Every counter that is not 0, arrays as NAME.INDEX, drops by their labels."""
    found = {}
    for one in fields(Counters):
        value = getattr(counters, one.name)
        if one.name == "server_dropped":
            continue  # of `dropped`; the reference model has a say about it
        if isinstance(value, np.ndarray):
            for at in np.flatnonzero(value):
                label = DropReason(at).label if one.name == "dropped" else at
                found[f"{one.name}.{label}"] = int(value[at])
        elif value:
            found[one.name] = value
    return found


def difference(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """Return what moved, sorted by name."""
    moved = {name: now.get(name, 0) - before.get(name, 0) for name in now.keys() | before.keys()}
    return {name: value for name, value in sorted(moved.items()) if value}


def fate_of(moved: dict[str, int]) -> int | str:
    """Tell the fate of one frame from the counters that it moved: a drop, though it had been handed over, is a drop."""
    dropped: list[int | str] = [
        name.removeprefix("dropped.") for name in moved if name.startswith("dropped.")
    ]
    targets = [
        int(name.removeprefix("target_packets.")) for name in moved if name.startswith("target_packets.")
    ]
    (fate,) = dropped or targets or ["pass"] * moved["passed"]
    return fate


Handle = Callable[[Forwarder, int, int], None]
"""Has a forwarder handle so many frames at a time in seconds."""


def _run(case: Case, handle: Handle, others: int = 0) -> Result:
    bench = Bench(case)
    try:
        loops = [fixtures.case(LOOP).frame] * others if others else []
        for frame in (*loops[:FIRST], *case.earlier):
            bench.rx.put(frame)
            handle(bench.forwarder, 1, case.now_s)
        before, sent = flat(bench.block.read()), len(bench.sent())
        before_it = [*loops, *[fixtures.case(ODD_LOOP).frame] * ODD_IN_A_CROWD] if case.crowded else loops
        bench.transmit(case.transmit)
        bench.rx.ready_frames = MANY if case.crowded else 0
        vlan = fixtures.vlan(case.table) or None
        for frame in before_it:
            bench.rx.put(frame, vlan=vlan)
        bench.rx.put(
            case.frame,
            virtio=case.virtio,
            captured=case.captured,
            copied=case.copied,
            vlan=case.vlan,
            tpid=case.tpid,
        )
        for frame in loops:
            bench.rx.put(frame, vlan=vlan)
        count = len(before_it) + len(loops)
        handle(bench.forwarder, count + 1, case.now_s)
        now = flat(bench.block.read())
        now["received"] -= count
        now["dropped.loop"] = now.get("dropped.loop", 0) - count
        moved = difference(before, now)
        return Result(fate_of(moved), bench.sent()[sent:], moved, bench.flows(case.now_s))
    finally:
        bench.close()


@dataclass(frozen=True)
class Path:
    """A way through a datapath; `kind` is what a case may be `only` for."""

    name: str
    kind: Kind
    run: Callable[[Case], Result]


PATHS = (
    Path("AF_PACKET, one by one", "single", lambda case: _run(case, Forwarder.few)),
    Path("AF_PACKET, as a batch", "batch", lambda case: _run(case, Forwarder.batch)),
    Path("AF_PACKET, in a batch with others", "batch", lambda case: _run(case, Forwarder.batch, OTHERS)),
)
