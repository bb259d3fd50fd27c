"""From decisions to frames: one datapath for each interface that carries a network, fed with compiled tables."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.datapath import AfPacketDatapath, DatapathError, Found
from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS, Counters, DropReason, Flow, Swaps
from engine.datapath.table import PROTOCOL_NUMBER, Compiler, ServerInput, TargetInput, buckets
from engine.domain.address import Address
from engine.domain.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from engine.config.model import Server
    from engine.domain.frame import Link
    from engine.modules.state.view import View, Virtual
    from engine.modules.state.world import ServerDecision, World

log = logging.getLogger("engine.forwarding")

WHY_AFPACKET = "xdp: not built into this version"


PARKED = 4
"""Ended datapaths whose flows are kept, some 50 MiB of address space each, of which only used pages cost memory."""


TURN_S = 0.005
"""How long the preparation of a table keeps checks and consoles waiting."""


class Forwarding:
    """Owns the datapaths; `compile` makes and hands out the tables."""

    def __init__(self, world: World, view: View, workers: int) -> None:
        self._world = world
        self._view = view
        self._workers = workers
        self._datapaths: dict[int, AfPacketDatapath] = {}
        self._compilers: dict[int, Compiler] = {}
        self._started: dict[int, Link] = {}
        self._parked: dict[
            tuple[int, str], AfPacketDatapath
        ] = {}  # ended, with flows that may be wanted again
        self._ended: list[Counters] = []  # of datapaths that are no more, so that totals never fall
        self._compiled: dict[int, ServerDecision] = {}
        self.generation = 0

    def follow_links(self) -> list[Notice]:
        """Start a datapath where an interface has appeared, and afresh where its MTU changed; flows outlive both.

        An interface that went and came back is not among these: its workers ended with it, and `watch` starts them
        again. Another number of workers waits for the next start of the engine, since each has flows of its own.
        """
        notices = []
        wanted = {site.interface for site in self._view.sites}
        for number in [n for n in self._datapaths if n not in wanted or self._renamed(n)]:
            self._end(number)
        for number in wanted:
            link = self._world.links.get(number)
            if link is None:
                continue
            try:
                text = self._follow(number, link)
            except DatapathError as error:
                notices.append(Notice("datapath", "error", f"interface {number}", str(error)))
                continue
            if text:
                notices.append(Notice("datapath", "info", f"interface {number}", text))
        return notices

    def _renamed(self, number: int) -> bool:
        interface = self._world.config.interface(number)
        return interface is None or interface.name != self._datapaths[number].ifname

    def _follow(self, number: int, link: Link) -> str | None:
        datapath = self._datapaths.get(number)
        if datapath is None:
            self._start(number, link)
            return f"afpacket forwards on {link.name}"
        self._started[number] = link
        if datapath.mtu != link.mtu:
            datapath.restart(link.mtu)
            return f"{link.name} has an MTU of {link.mtu} now"
        return None

    def _workers_on(self, number: int) -> int:
        interface = self._world.config.interface(number)
        return (interface.threads if interface else None) or self._workers

    def _start(self, number: int, link: Link) -> None:
        workers = self._workers_on(number)
        parked = self._parked.get((number, link.name))
        if parked is not None and parked.workers == workers:
            parked.restart(link.mtu)
            datapath = self._parked.pop((number, link.name))
        else:
            datapath = AfPacketDatapath(link.name, link.mtu, workers)
            try:
                datapath.start()
            except DatapathError:
                datapath.close()
                raise
        self._datapaths[number] = datapath
        self._started[number] = link
        self._compilers.setdefault(number, Compiler())

    def _end(self, number: int) -> None:
        """Stop a datapath and keep its flows: a change that is taken back finds them again."""
        datapath = self._datapaths.pop(number)
        del self._started[number]
        datapath.stop()
        if len(self._parked) >= PARKED:
            oldest = next(iter(self._parked))
            self._forget(self._parked.pop(oldest))
        former = self._parked.pop((number, datapath.ifname), None)
        if former is not None:
            self._forget(former)
        self._parked[number, datapath.ifname] = datapath

    def _forget(self, datapath: AfPacketDatapath) -> None:
        """Give the memory of an ended datapath back; its totals stay."""
        self._ended = [_add([*self._ended, datapath.counters()], [])]
        datapath.close()

    def stop(self) -> None:
        """End every datapath."""
        for number in list(self._datapaths):
            self._end(number)

    def watch(self, now: float) -> list[Notice]:
        """Look after the workers; call about once a second."""
        return [
            Notice("datapath", e.severity, f"interface {number}", e.message)
            for number, datapath in self._datapaths.items()
            for e in datapath.watch(now, present=number in self._world.links)
        ]

    # -- tables -----------------------------------------------------------------------------------------------------

    async def prepare(self, decisions: Mapping[int, ServerDecision]) -> None:
        """Make beforehand what takes long in a table (Maglev: 10 ms a server), and let others have their turns."""
        targets = {t.number: t for t in self._targets()}
        begin = time.monotonic()
        for number in list(self._datapaths):
            for server in list(self._servers(number, decisions)):
                buckets(server.method, [targets[n] for n in server.new if n in targets])
                if time.monotonic() - begin > TURN_S:
                    await asyncio.sleep(0)
                    begin = time.monotonic()

    def compile(self, decisions: Mapping[int, ServerDecision]) -> None:
        """Compile the decisions and hand the tables to the workers, which swap between two frames."""
        for number, datapath in self._datapaths.items():
            link = self._world.links.get(number) or self._started[number]
            table = self._compilers[number].compile(
                list(self._servers(number, decisions)),
                list(self._targets()),
                virtual=[str(v.address) for v in self._view.virtuals.values() if v.interface == number],
                own_mac=[link.mac],
                blocked_mac=sorted({n.mac for n in self._world.neighbours.values() if n.mac}),
                mtu=link.mtu,
            )
            datapath.install(table)
        self._compiled = dict(decisions)
        self.generation += 1

    def _servers(self, number: int, decisions: Mapping[int, ServerDecision]) -> Iterable[ServerInput]:
        if not self._world.is_master:
            return
        for decision in decisions.values():
            server = self._view.servers.get(decision.server)
            if server is None or not self._view.server_enabled(server):
                continue
            virtual = self._virtual_of(server)
            if virtual is not None and virtual.interface == number:
                yield self._server(server, decision)

    def _virtual_of(self, server: Server) -> Virtual | None:
        address = Address.parse_v4(server.ipaddr)
        return self._view.virtuals.get(address) if address is not None else None

    def _server(self, server: Server, decision: ServerDecision) -> ServerInput:
        resolved = {n for n in {*decision.new, *decision.keep} if self._mac(n) is not None}
        return ServerInput(
            number=server.number,
            address=str(server.ipaddr),
            port=server.port,
            protocol=server.protocol,
            method=server.method,
            by_port=server.sessionid == "src+port",
            idle_s=server.stimeout,
            new=tuple(n for n in decision.new if n in resolved),
            keep=tuple(n for n in decision.keep if n in resolved),
        )

    def _targets(self) -> Iterable[TargetInput]:
        for target in self._view.targets.values():
            mac = self._mac(target.number)
            if mac is not None:
                identity = f"{target.ipaddr}:{target.port}"
                yield TargetInput(target.number, identity, mac, target.weight)

    def _mac(self, number: int) -> bytes | None:
        address = self._view.target_address.get(number)
        neighbour = self._world.neighbours.get(address) if address is not None else None
        return neighbour.mac if neighbour else None

    def settled(self, decisions: Mapping[int, ServerDecision]) -> bool:
        """Whether every worker uses a table of these decisions; a decision is up to a tick older than its table."""
        return decisions == self._compiled and all(
            datapath.installed_generation() >= self._compilers[number].generation
            for number, datapath in self._datapaths.items()
        )

    # -- counters and flows -----------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """Totals of all interfaces, those of ended datapaths included (their sessions are over)."""
        live = [d.counters() for d in self._datapaths.values()]
        parked = [d.counters() for d in self._parked.values()]
        return _add([*live, *parked, *self._ended], live)

    def swaps(self) -> Swaps:
        """Count changes of table (on the interface that had most) and tell how long frames waited for them."""
        parts = [d.swaps() for d in self._datapaths.values()]
        return Swaps(
            count=max((p.count for p in parts), default=0),
            last_ms=max((p.last_ms for p in parts), default=0.0),
            longest_ms=max((p.longest_ms for p in parts), default=0.0),
        )

    def describe(self) -> tuple[int, list[str], int]:
        """Workers that run, interfaces, and how many flows fit."""
        paths = self._datapaths.values()
        return (
            sum(len(d.process_ids()) for d in paths),
            [d.ifname for d in paths],
            sum(d.sessions_max() for d in paths),
        )

    def flows(
        self, limit: int, server: int | None, target: int | None, client: str | None = None
    ) -> list[Flow]:
        """Live flows, at most `limit`. Raises ValueError where `client` is no address."""
        found: list[Flow] = []
        for datapath in self._datapaths.values():
            found += datapath.flows(limit - len(found), server, target, client)
        return found

    def pairs(self) -> dict[tuple[int, int], int]:
        """Count live flows by (server, target)."""
        total: Counter[tuple[int, int]] = Counter()
        for datapath in self._datapaths.values():
            total.update(datapath.pairs())
        return dict(total)

    def find(self, client: str, client_port: int, server: Server, port: int) -> Found | None:
        """Where a flow of a server goes; None where no datapath has the server."""
        for datapath in self._datapaths.values():
            protocol = PROTOCOL_NUMBER[server.protocol]
            found = datapath.find(client, client_port, str(server.ipaddr), port, protocol)
            if found is not None:
                return found
        return None


def _add(all_time: list[Counters], live: list[Counters]) -> Counters:
    def total(name: str, parts: list[Counters], rows: int) -> NDArray[np.int64]:
        return np.asarray(
            np.sum([np.zeros(rows, np.int64), *(getattr(p, name) for p in parts)], axis=0), np.int64
        )

    return Counters(
        received=sum(p.received for p in all_time),
        forwarded=sum(p.forwarded for p in all_time),
        passed=sum(p.passed for p in all_time),
        ring_lost=sum(p.ring_lost for p in all_time),
        dropped=total("dropped", all_time, len(DropReason)),
        target_packets=total("target_packets", all_time, TARGET_ROWS),
        target_bytes=total("target_bytes", all_time, TARGET_ROWS),
        target_sessions=total("target_sessions", live, TARGET_ROWS),
        server_packets=total("server_packets", all_time, SERVER_ROWS),
        server_bytes=total("server_bytes", all_time, SERVER_ROWS),
        server_sessions=total("server_sessions", live, SERVER_ROWS),
    )
