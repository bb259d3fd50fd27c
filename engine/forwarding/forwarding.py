"""One datapath for each interface that carries a network: started, fed with compiled tables, watched and counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from engine.datapath.contract import Counters, DatapathError
from engine.datapath.counters import total
from engine.datapath.table import PROTOCOL_NUMBER, Compiler, buckets
from engine.domain.address import Address
from engine.domain.notices import Notice
from engine.forwarding.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.config.model import Server
    from engine.datapath.choice import Choice
    from engine.datapath.contract import Datapath, Description, Flow, Found
    from engine.domain.frame import Link
    from engine.modules.state.view import View
    from engine.modules.state.world import ServerDecision, World

PARKED = 4
"""Ended datapaths whose flows are kept, some 50 MiB of address space each, of which only used pages cost memory."""

TURN_S = 0.005
"""How long the preparation of a table keeps checks and consoles waiting."""


class Forwarding:
    """Owns the datapaths, which `choice` makes; `compile` makes and hands out the tables."""

    def __init__(self, world: World, view: View, choice: Choice, workers: int) -> None:
        self._world = world
        self._view = view
        self.choice = choice
        self._workers = workers
        self._datapaths: dict[int, Datapath] = {}
        self._compilers: dict[int, Compiler] = {}
        self._started: dict[int, Link] = {}
        self._parked: dict[tuple[int, str], Datapath] = {}  # ended, with flows that may be wanted again
        self._ended = Counters()  # of datapaths that are no more, so that totals never fall
        self._compiled: dict[int, ServerDecision] = {}
        self.generation = 0

    # -- which datapath runs where ----------------------------------------------------------------------------------

    def follow_links(self) -> list[Notice]:
        """Start a datapath where an interface has appeared, and afresh where its MTU changed; flows outlive both.

        The link of an interface is the one that has its name. Where another index has the name now, or none, the
        datapath ends, and its flows wait for the next link of that name (`_parked`). Another number of workers waits for the next start of the engine, since each has flows of its own.
        """
        notices = []
        wanted = {site.interface for site in self._view.sites}
        for number in [n for n in self._datapaths if n not in wanted or self._renamed(n) or self._moved(n)]:
            self._end(number)
        for number in sorted(wanted):
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

    def _moved(self, number: int) -> bool:
        link = self._world.links.get(number)
        return link is None or link.ifindex != self._started[number].ifindex

    def _follow(self, number: int, link: Link) -> str | None:
        datapath = self._datapaths.get(number)
        if datapath is None:
            self._start(number, link)
            return f"{self.choice.kind} forwards on {link.name}"
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
            datapath = self.choice.make(link.name, link.mtu, workers)
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
        former = self._parked.pop((number, datapath.ifname), None)
        if former is not None:
            self._forget(former)
        elif len(self._parked) >= PARKED:
            self._forget(self._parked.pop(next(iter(self._parked))))  # the oldest
        self._parked[number, datapath.ifname] = datapath

    def _forget(self, datapath: Datapath) -> None:
        """Give the memory of an ended datapath back; its totals stay."""
        self._ended = total([], [self._ended, datapath.counters()])
        datapath.close()

    def stop(self) -> None:
        """End every datapath."""
        for number in list(self._datapaths):
            self._end(number)

    def silent_s(self) -> float:
        """Return for how many seconds the worker that is silent longest has given no sign of life; 0 where none runs."""
        return max((datapath.silent_s() for datapath in self._datapaths.values()), default=0.0)

    def watch(self, now: float) -> list[Notice]:
        """Look after the workers; call about once a second, `now` in monotonic seconds."""
        return [
            Notice("datapath", e.severity, f"interface {number}", e.message)
            for number, datapath in self._datapaths.items()
            for e in datapath.watch(now, present=number in self._world.links)
        ]

    # -- tables -----------------------------------------------------------------------------------------------------

    async def prepare(self, decisions: Mapping[int, ServerDecision]) -> None:
        """Make beforehand what takes long in a table (Maglev: 10 ms a server), and let others have their turns."""
        inputs = Inputs(self._world, self._view, decisions)
        targets = {t.number: t for t in inputs.targets}
        begin = time.monotonic()
        for number in list(self._datapaths):
            for server in inputs.servers(number):
                buckets(server.method, [targets[n] for n in server.new])
                if time.monotonic() - begin > TURN_S:
                    await asyncio.sleep(0)
                    begin = time.monotonic()

    def compile(self, decisions: Mapping[int, ServerDecision]) -> None:
        """Compile the decisions and hand the tables to the datapaths, which take them up between two frames."""
        inputs = Inputs(self._world, self._view, decisions)
        for number, datapath in self._datapaths.items():
            link = self._world.links.get(number) or self._started[number]
            table = self._compilers[number].compile(
                inputs.servers(number),
                inputs.targets_from(number),
                virtual=inputs.virtual(number),
                vlans=inputs.vlans(number),
                own_mac=[link.mac],
                blocked_mac=inputs.blocked_mac(number),
                mtu=link.mtu,
            )
            datapath.install(table)
        self._compiled = dict(decisions)
        self.generation += 1

    def settled(self, decisions: Mapping[int, ServerDecision]) -> bool:
        """Whether every datapath uses a table of these decisions; a decision is up to a tick older than its table."""
        return decisions == self._compiled and all(
            datapath.generation_in_force() >= self._compilers[number].generation
            for number, datapath in self._datapaths.items()
        )

    def in_force(self) -> bool:
        """Whether every datapath that runs uses the table compiled last."""
        return all(
            datapath.generation_in_force() >= self._compilers[number].generation
            for number, datapath in self._datapaths.items()
            if datapath.describe().workers
        )

    async def wait_in_force(self, timeout_s: float) -> bool:
        """Wait until every datapath that runs uses the table compiled last; False where that takes longer."""
        deadline = time.monotonic() + timeout_s
        wanted = [
            datapath.wait_in_force(self._compilers[number].generation, deadline - time.monotonic())
            for number, datapath in self._datapaths.items()
            if datapath.describe().workers
        ]
        return all(await asyncio.gather(*wanted))

    # -- counters and flows -----------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """Return the totals of all interfaces, those of ended datapaths included (their sessions are over)."""
        parked = [d.counters() for d in self._parked.values()]
        return total([d.counters() for d in self._datapaths.values()], [*parked, self._ended])

    def received(self) -> dict[int, int]:
        """Return how many frames for virtual addresses came by each interface that forwards, by its number."""
        return {number: datapath.counters().received for number, datapath in self._datapaths.items()}

    def describe(self) -> list[Description]:
        """Describe the datapaths that run."""
        return [d.describe() for d in self._datapaths.values()]

    def flows(
        self, limit: int, server: int | None, target: int | None, client: str | None = None
    ) -> list[Flow]:
        """Return live flows, at most `limit`. Raises ValueError where `client` is not an address."""
        address = None if client is None else Address.parse(client)
        found: list[Flow] = []
        for datapath in self._datapaths.values():
            found += datapath.flows(limit - len(found), server, target, address)
        return found

    def pairs(self) -> dict[tuple[int, int], int]:
        """Count live flows by (server, target)."""
        counted: Counter[tuple[int, int]] = Counter()
        for datapath in self._datapaths.values():
            counted.update(datapath.pairs())
        return dict(counted)

    def find(self, client: str, client_port: int, server: Server, port: int) -> Found | None:
        """Tell where a flow of a server goes; None where no datapath has the server."""
        protocol = PROTOCOL_NUMBER[server.protocol]
        for datapath in self._datapaths.values():
            address = Address.parse(str(server.ipaddr))
            found = datapath.find(Address.parse(client), client_port, address, port, protocol)
            if found is not None:
                return found
        return None
