"""The XDP datapath as the control process sees it: a program attached to an interface, fed with tables, watched and read."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import numpy as np

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
from engine.datapath.flow_records import records_of, write_records
from engine.datapath.flowtable import DEFAULT_BUCKETS, SEEN_MASK, SEEN_SHIFT, TARGET_MASK, WAYS, is_live
from engine.datapath.keys import flow_hash, swap16
from engine.datapath.lookup import Lookup
from engine.datapath.xdp import libbpf, refusals
from engine.datapath.xdp.program import Program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.domain.address import Address

_SWEEP_LINES = 2048
"""Of the flow table in one run of the program: about a quarter of a millisecond, for which a processor takes no frames."""

_SWEEPS = 16
"""Runs at each call of `watch`: a whole table within eight seconds, as the workers of AF_PACKET do it."""

_SETTLE_S = 5.0
"""How often transitions of buckets are looked at: it reads the whole flow table."""


class XdpDatapath:
    """The program on one interface (contract.Datapath), native or generic; it has one part.

    Native, the driver runs it before there is a packet of the kernel's; generic, the kernel does, on every interface.
    """

    def __init__(
        self, ifname: str, mtu: int, workers: int = 1, *, generic: bool, buckets: int = DEFAULT_BUCKETS
    ) -> None:
        self.kind: Kind = "xdp-generic" if generic else "xdp"
        self.ifname = ifname
        self.mtu = mtu
        self.workers = workers
        self._generic = generic
        try:
            self._program = Program(buckets, cut_later=generic)
        except (libbpf.BpfError, OSError) as error:
            raise DatapathError(refusals.not_loaded(error)) from error
        self._number = libbpf.number_of(self._program.fd)
        self._link: int | None = None
        self._ifindex = 0
        self._table = ForwardingTable.empty()
        self._lookup = Lookup(self._table)
        self._swept = 0
        self._settled = 0.0

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Attach the program; raises DatapathError."""
        if self._link is not None:
            return
        try:
            self._ifindex = socket.if_nametoindex(self.ifname)
        except OSError as error:
            raise DatapathError(f"there is no interface {self.ifname!r}") from error
        if not self._generic and (why := refusals.loses_frames(self.ifname)):
            raise DatapathError(why)
        try:
            self._link = libbpf.attach(self._program.fd, self._ifindex, generic=self._generic)
        except libbpf.BpfError as error:
            raise DatapathError(
                refusals.not_attached(self.ifname, self._ifindex, error, generic=self._generic)
            ) from error

    def stop(self) -> None:
        """Take the program off the interface. Counters and flows can still be read."""
        if self._link is not None:
            os.close(self._link)
            self._link = None

    def close(self) -> None:
        """Take the program off, and give the memory back: counters and flows are gone."""
        self.stop()
        self._program.close()

    def restart(self, mtu: int) -> None:
        """Go on with another MTU, which the next table tells the program; attach it where it is not."""
        self.mtu = mtu
        self.start()

    def restart_part(self, part: int) -> None:  # noqa: ARG002 - it has one
        """Attach the program anew; raises DatapathError."""
        self.stop()
        self.start()

    def watch(self, now: float, *, present: bool = True) -> list[WorkerEvent]:
        """Sweep a part of the flow table, end what is over, and see that the program is still on the interface."""
        for _ in range(_SWEEPS):
            self._program.sweep(self._swept, min(_SWEEP_LINES, self._program.buckets))
            self._swept = (self._swept + _SWEEP_LINES) % self._program.buckets
        if now - self._settled >= _SETTLE_S:
            self._settled = now
            self._program.settle(now)
        return self._attached_again() if present and self._link is not None else []

    def _attached_again(self) -> list[WorkerEvent]:
        try:
            if libbpf.attached(self._ifindex) == self._number:
                return []
        except libbpf.BpfError:
            pass  # the interface is going, or is another one; whoever follows links will say so
        self.stop()
        try:
            self.start()
        except DatapathError as error:
            return [WorkerEvent("error", f"the XDP program is off {self.ifname}: {error}")]
        return [
            WorkerEvent("warning", f"the XDP program had been taken off {self.ifname}; it is attached again")
        ]

    def silent_s(self) -> float:
        """Return 0: the program has no life of its own that could stand still."""
        return 0.0

    def describe(self) -> Description:
        """Tell whether it is attached, and how many flows fit."""
        return Description(self.kind, self.ifname, int(self._link is not None), self._program.buckets * WAYS)

    # -- tables in --------------------------------------------------------------------------------------------------

    def install(self, table: ForwardingTable) -> None:
        """Have the next frame be decided by a table."""
        self._table, self._lookup = table, Lookup(table)
        self._program.install(table)

    def generation_in_force(self) -> int:
        """Return the generation of the table that the program decides by."""
        return self._table.generation

    async def wait_in_force(self, generation: int, timeout_s: float) -> bool:  # noqa: ARG002 - the contract's
        """Return whether a table of `generation` or later is in force: one that is installed is."""
        return self.generation_in_force() >= generation

    # -- counters and flows out -------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """Return the totals of all processors."""
        return self._program.counters()

    def flows(
        self,
        limit: int,
        server: int | None = None,
        target: int | None = None,
        client: Address | None = None,
    ) -> list[Flow]:
        """Return live flows for people, at most `limit`; of one server, target or client where given."""
        now_s = int(time.monotonic())
        return list(self._program.flows.flows(now_s, self._lookup.rules, limit, server, target, client))

    def pairs(self) -> dict[tuple[int, int], int]:
        """Count live flows by (server, target)."""
        return self._program.flows.pairs(int(time.monotonic()), self._lookup.rules)

    def find(
        self, client: Address, client_port: int, address: Address, port: int, protocol: int
    ) -> Found | None:
        """Tell where a flow goes; None where no server takes it. For round robin a new flow's target is not foretold."""
        lookup, flows = self._lookup, self._program.flows
        row = lookup.find_row(int.from_bytes(address.packed, "little"), swap16(port), protocol)
        if row < 0:
            return None
        server = lookup.number[row]
        key_port = swap16(client_port) if lookup.by_port[row] else 0
        now_s = int(time.monotonic())
        flow = flow_hash(client, key_port, server, flows.seed)
        index = flows.find(flow, server)
        if index >= 0 and is_live(entry := flows.flat[index], now_s, lookup.rules):
            idle_s = now_s - (entry >> SEEN_SHIFT) & SEEN_MASK
            return Found(row, server, entry & TARGET_MASK, known=True, idle_s=idle_s)
        new = lookup.would_pick(row, flow_hash(client, key_port, server))
        return Found(row, server, new, known=False, idle_s=None)

    # -- flows from one datapath to another -------------------------------------------------------------------------

    def export_flows(self) -> NDArray[np.void]:
        """Return the live flows as an array of `FLOW_RECORD`; those that go by the ring have no entry."""
        return records_of(self._program.flows, int(time.monotonic()), self._lookup.rules)

    def import_flows(self, records: NDArray[np.void]) -> None:
        """Take flows over. While it writes, the program is off the interface, as two may not write."""
        running = self._link is not None
        self.stop()
        now_s = int(time.monotonic())
        write_records(
            self._program.flows, np.ascontiguousarray(records, FLOW_RECORD), now_s, self._lookup.rules
        )
        self._program.recount()
        self._program.mark_differing(now_s)
        self._program.install(self._table)
        if running:
            self.start()
