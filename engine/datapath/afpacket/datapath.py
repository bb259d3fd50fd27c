"""The AF_PACKET datapath as the control process sees it: workers started, fed with tables, watched and read."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.process import WorkerProcess
from engine.datapath.contract import (
    FLOW_RECORD,
    Counters,
    DatapathError,
    Description,
    Flow,
    ForwardingTable,
    Found,
    Kind,
    WorkerEvent,
)
from engine.datapath.counters import total
from engine.datapath.flow_records import of_worker, records_of, write_records
from engine.datapath.flowtable import (
    DEFAULT_BUCKETS,
    SEEN_MASK,
    SEEN_SHIFT,
    TARGET_MASK,
    WAYS,
    is_live,
)
from engine.datapath.keys import flow_hash, swap16
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory, store_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.domain.address import Address

_POLL_S = 0.001
"""How often `wait_in_force` looks: a worker takes a table up within some milliseconds."""


class AfPacketDatapath:
    """Workers for one interface (contract.Datapath); each is a part of it."""

    kind: Kind = "afpacket"

    def __init__(self, ifname: str, mtu: int, workers: int = 1, buckets: int = DEFAULT_BUCKETS) -> None:
        self.ifname = ifname
        self.mtu = mtu
        self.workers = workers
        self._processes = [WorkerProcess(ifname, index, workers, buckets) for index in range(workers)]
        for process in self._processes:
            process.beside = tuple(other.block for other in self._processes if other is not process)
        self._table = ForwardingTable.empty()
        self._lookup = Lookup(self._table)
        self._table_memory = store_table(self._table)

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the workers and wait until they receive; raises DatapathError, then none of them runs."""
        try:
            for process in self._processes:
                process.start(self.mtu, self._table_memory)
        except DatapathError:
            self.stop()
            raise

    def restart(self, mtu: int) -> None:
        """Start the workers afresh for another MTU; flows and counters stay. Raises DatapathError."""
        self.stop()
        self.mtu = mtu
        self.start()

    def restart_part(self, part: int) -> None:
        """Start one worker afresh; the others forward on. Raises DatapathError."""
        self._processes[part].stop()
        self._processes[part].start(self.mtu, self._table_memory)

    def stop(self) -> None:
        """End the workers. Counters and flows can still be read."""
        for process in self._processes:
            process.ask_to_stop()
        for process in self._processes:
            process.stop()

    def close(self) -> None:
        """End the workers and give the memory back: counters and flows are gone."""
        for process in self._processes:
            process.close()
        self._table_memory.close()

    def watch(self, now: float, *, present: bool = True) -> list[WorkerEvent]:
        """Start workers again that died, report stalls, and hand tables over that found no room before."""
        events: list[WorkerEvent] = []
        for process in self._processes:
            events += process.watch(now, self.mtu, self._table_memory, present=present)
            process.remind(self._table.generation, self._table_memory)
        return events

    def silent_s(self) -> float:
        """Return for how many seconds the worker that is silent longest has given no sign of life; 0 where none runs."""
        return max((process.silent_s() for process in self._processes), default=0.0)

    def process_ids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [process.pid for process in self._processes if process.pid is not None]

    def describe(self) -> Description:
        """Count the workers that run and the flows that fit."""
        fit = sum(process.flows.buckets * WAYS for process in self._processes)
        pids = tuple(self.process_ids())
        return Description(self.kind, self.ifname, len(pids), fit, pids)

    # -- tables in --------------------------------------------------------------------------------------------------

    def install(self, table: ForwardingTable) -> None:
        """Hand a table to every worker, which takes it up between two frames. Returns at once."""
        memory = store_table(table)
        self._table_memory.close()
        self._table_memory = memory
        self._table = table
        self._lookup = Lookup(table)
        for process in self._processes:
            process.hand_over(table.generation, memory)

    def generation_in_force(self) -> int:
        """Return the generation of the oldest table that a worker still uses."""
        return min(process.generation for process in self._processes)

    async def wait_in_force(self, generation: int, timeout_s: float) -> bool:
        """Wait until every worker uses a table of `generation` or later; False where that takes longer."""
        deadline = time.monotonic() + timeout_s
        while self.generation_in_force() < generation:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    # -- counters and flows out -------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """Return the totals of all workers."""
        return total([process.block.read() for process in self._processes])

    def flows(
        self,
        limit: int,
        server: int | None = None,
        target: int | None = None,
        client: Address | None = None,
    ) -> list[Flow]:
        """Return live flows for people, at most `limit`; of one server, target or client where given."""
        now_s = int(time.monotonic())
        found: list[Flow] = []
        for process in self._processes:
            left = limit - len(found)
            if left > 0:
                found += process.flows.flows(now_s, self._lookup.rules, left, server, target, client)
        return found

    def pairs(self) -> dict[tuple[int, int], int]:
        """Count live flows by (server, target)."""
        now_s = int(time.monotonic())
        counted: Counter[tuple[int, int]] = Counter()
        for process in self._processes:
            counted.update(process.flows.pairs(now_s, self._lookup.rules))
        return dict(counted)

    def find(
        self, client: Address, client_port: int, address: Address, port: int, protocol: int
    ) -> Found | None:
        """Tell where a flow goes; None where no server takes it. For round robin a new flow's target is not foretold."""
        lookup = self._lookup
        row = lookup.find_row(int.from_bytes(address.packed, "little"), swap16(port), protocol)
        if row < 0:
            return None
        server = lookup.number[row]
        key_port = swap16(client_port) if lookup.by_port[row] else 0
        now_s = int(time.monotonic())
        for process in self._processes:
            flow = flow_hash(client, key_port, server, process.flows.seed)
            index = process.flows.find(flow, server)
            if index >= 0 and is_live(entry := process.flows.flat[index], now_s, lookup.rules):
                idle_s = now_s - (entry >> SEEN_SHIFT) & SEEN_MASK
                return Found(row, server, entry & TARGET_MASK, known=True, idle_s=idle_s)
        new = lookup.would_pick(row, flow_hash(client, key_port, server))
        if new is not None and lookup.limit[new]:
            sessions = sum(int(process.block.target_sessions[new]) for process in self._processes)
            new = new if sessions < lookup.limit[new] else None
        return Found(row, server, new, known=False, idle_s=None)

    # -- flows from one datapath to another -------------------------------------------------------------------------

    def export_flows(self) -> NDArray[np.void]:
        """Return the live flows of all workers as an array of `FLOW_RECORD`."""
        now_s = int(time.monotonic())
        return np.concatenate([records_of(p.flows, now_s, self._lookup.rules) for p in self._processes])

    def import_flows(self, records: NDArray[np.void]) -> None:
        """Take flows over, each into the table of the worker that its client's packets go to.

        A worker that runs is the only writer of its table and does it itself; for one that does not it is done here.
        """
        records = np.ascontiguousarray(records, FLOW_RECORD)
        if not len(records):
            return
        memory = SharedMemory.create("bng-records", records.nbytes)
        memory.map[:] = records.tobytes()
        for process in self._processes:
            if process.pid is None:
                mine = of_worker(records, process.index, self.workers)
                write_records(process.flows, mine, int(time.monotonic()), self._lookup.rules)
            else:
                process.take_flows(len(records), memory)
        memory.close()
