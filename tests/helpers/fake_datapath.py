"""A datapath that forwards nothing: it remembers what it was told, and says what a test gives it to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.datapath.choice import Choice
from engine.datapath.contract import (
    Counters,
    DatapathError,
    Description,
    Flow,
    ForwardingTable,
    Found,
    WorkerEvent,
)

if TYPE_CHECKING:
    import numpy as np

    from engine.domain.address import Address


class FakeDatapath:
    """`did` is what was asked of it, in order; `refuses` the message of a DatapathError at the next start."""

    kind = "afpacket"

    def __init__(self, ifname: str, mtu: int, workers: int, refuses: str = "") -> None:
        self.ifname, self.mtu, self.workers = ifname, mtu, workers
        self.refuses = refuses
        self.did: list[str] = []
        self.tables: list[ForwardingTable] = []
        self.in_force = 0
        self.counted = Counters()
        self.known: list[Flow] = []
        self.found: Found | None = None
        self.asked: list[tuple[object, ...]] = []
        self.tells: list[WorkerEvent] = []
        self.silent = 0.0

    def start(self) -> None:
        if self.refuses:
            raise DatapathError(self.refuses)
        self.did.append("start")

    def stop(self) -> None:
        self.did.append("stop")

    def close(self) -> None:
        self.did.append("close")

    def restart(self, mtu: int) -> None:
        if self.refuses:
            raise DatapathError(self.refuses)
        self.mtu = mtu
        self.did.append(f"restart {mtu}")

    def silent_s(self) -> float:
        return self.silent

    def restart_part(self, part: int) -> None:
        self.did.append(f"restart part {part}")

    def watch(self, now: float, *, present: bool = True) -> list[WorkerEvent]:
        self.asked.append((now, present))
        return self.tells

    def describe(self) -> Description:
        return Description(self.kind, self.ifname, self.workers, 1000 * self.workers)

    def install(self, table: ForwardingTable) -> None:
        self.tables.append(table)

    def generation_in_force(self) -> int:
        return self.in_force

    async def wait_in_force(self, generation: int, _timeout_s: float) -> bool:
        return self.in_force >= generation

    def counters(self) -> Counters:
        return self.counted

    def flows(
        self, limit: int, server: int | None = None, target: int | None = None, client: Address | None = None
    ) -> list[Flow]:
        self.asked.append((limit, server, target, client))
        return self.known[:limit]

    def pairs(self) -> dict[tuple[int, int], int]:
        return {(flow.server, flow.target): 1 for flow in self.known}

    def find(
        self, client: Address, client_port: int, address: Address, port: int, protocol: int
    ) -> Found | None:
        self.asked.append((client, client_port, address, port, protocol))
        return self.found

    def export_flows(self) -> np.ndarray:
        raise NotImplementedError

    def import_flows(self, records: np.ndarray) -> None:
        raise NotImplementedError


class Factory:
    """Makes fakes and keeps them; those of an interface in `refuses` cannot be started."""

    def __init__(self) -> None:
        self.made: list[FakeDatapath] = []
        self.refuses: dict[str, str] = {}

    def __call__(self, ifname: str, mtu: int, workers: int) -> FakeDatapath:
        self.made.append(FakeDatapath(ifname, mtu, workers, self.refuses.get(ifname, "")))
        return self.made[-1]

    @property
    def choice(self) -> Choice:
        return Choice("afpacket", self, ("xdp: not on this host",))
