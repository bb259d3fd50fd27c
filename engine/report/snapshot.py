"""The engine's state as consoles see it, gathered from world, modules and counters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.api.messages import (
    ArpState,
    CheckState,
    DatapathState,
    DrainState,
    InterfaceState,
    MemberState,
    ModuleState,
    NetworkState,
    QueueState,
    ServerState,
    TargetState,
    VrrpState,
)
from engine.api.timestamp import timestamp
from engine.datapath.contract import DropReason
from engine.datapath.counters import numbers
from engine.domain.mac import mac_text
from engine.domain.reason import Cause, Reason
from engine.report.drained import left

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.changes.admin import AdminState
    from engine.config.model import Config, Server, Target
    from engine.datapath.contract import Counters
    from engine.domain.checks import ProbeKey
    from engine.domain.frame import Link
    from engine.forwarding import Forwarding
    from engine.io.control_sockets import QueueCount
    from engine.modules.chain import Chain
    from engine.modules.state.world import CheckResult, Membership, ServerDecision, TargetStatus, World
    from engine.report.drained import Drained
    from engine.trends.rates import Rates


class Gatherer:
    """Builds the lists of a `State`; `now` is monotonic seconds, `counters` the totals at that time."""

    def __init__(
        self,
        world: World,
        chain: Chain,
        forwarding: Forwarding,
        rates: Rates,
        admin: AdminState,
        drained: Drained | None = None,
    ) -> None:
        self._world = world
        self._chain = chain
        self._forwarding = forwarding
        self._rates = rates
        self._admin = admin
        self._drained = drained
        self._memberships: dict[int, tuple[Membership, ...]] = {}
        self._members: dict[int, list[MemberState]] = {}  # of these, as they are published

    @property
    def _config(self) -> Config:
        return self._world.config

    def servers(self, counters: Counters, now: float) -> list[ServerState]:
        """Every registered server."""
        decisions = self._chain.slb.eligibility(now)
        memberships = self._chain.slb.members(now)
        if memberships is not self._memberships:
            # Pairs can be tens of thousands, and change far less often than they are told.
            self._memberships = memberships
            self._members = {n: [_member(one) for one in members] for n, members in memberships.items()}
        return [
            self._server(s, counters, decisions.get(s.number)) for s in self._config.servers if s.registered
        ]

    def _server(self, server: Server, counters: Counters, decision: ServerDecision | None) -> ServerState:
        number = server.number
        pps, bps = self._rates.server(number)
        admin = self._admin.of_server(server)
        enabled = admin == "enabled"
        reason = decision.reason if decision else None
        return ServerState(
            number=number,
            name=server.name,
            ipaddr=server.ipaddr or "",
            port=server.port,
            protocol=server.protocol,
            method=server.method,
            admin=admin,
            operational=bool(enabled and self._world.is_master and decision and decision.new),
            targets=server.targets,
            backup=server.backup,
            sessions=int(counters.server_sessions[number]),
            half_open=int(counters.server_half_open[number]),
            packets=int(counters.server_packets[number]),
            bytes=int(counters.server_bytes[number]),
            pps=round(pps, 1),
            bps=round(bps, 1),
            reason=_text(reason if enabled else Cause(Reason.DISABLED)),
            members=self._members.get(number, []),
        )

    def targets(self, counters: Counters, now: float) -> list[TargetState]:
        """Every registered target."""
        serving: dict[int, list[int]] = {}
        backing: dict[int, list[int]] = {}
        for server in self._config.servers:
            if server.registered:
                for number in server.targets:
                    serving.setdefault(number, []).append(server.number)
                for number in server.backup:
                    backing.setdefault(number, []).append(server.number)
        checks: dict[int, list[CheckState]] = {}
        for key, result in self._world.checks.items():
            if not key.witness:
                checks.setdefault(key.target, []).append(_check(key, result, now))
        statuses = self._chain.slb.targets(now)
        return [
            self._target(
                t,
                statuses.get(t.number),
                counters,
                now,
                serving.get(t.number, []),
                backing.get(t.number, []),
                checks.get(t.number, []),
            )
            for t in self._config.targets
            if t.registered
        ]

    def _target(
        self,
        target: Target,
        status: TargetStatus | None,
        counters: Counters,
        now: float,
        serving: list[int],
        backing: list[int],
        checks: list[CheckState],
    ) -> TargetState:
        number = target.number
        pps, bps = self._rates.target(number)
        address = self._chain.view.target_address.get(number)
        neighbour = self._world.neighbours.get(address) if address is not None else None
        return TargetState(
            number=number,
            name=target.name,
            ipaddr=target.ipaddr or "",
            port=target.port,
            protocol=target.protocol,
            mac=_mac(neighbour.mac if neighbour else None),
            dsr=target.dsr,
            admin=self._admin.of_target(target),
            health=status.health if status else "unknown",
            operational=bool(status and status.operational),
            reason=_text(status.reason if status else Cause(Reason.NOT_DECIDED)),
            servers=sorted({*serving, *backing}),
            checks=checks,
            sessions=int(counters.target_sessions[number]),
            half_open=int(counters.target_half_open[number]),
            unanswered=int(counters.target_unanswered[number]),
            maxsessions=max(0, target.maxsessions),
            drainwithin=target.drainwithin,
            drain=self._drain(number, counters, now),
            packets=int(counters.target_packets[number]),
            bytes=int(counters.target_bytes[number]),
            pps=round(pps, 1),
            bps=round(bps, 1),
            last_change_s=round(now - status.last_change, 1) if status else 0.0,
            weight=target.weight,
            backup_of=backing,
            out_of=list(status.out_of) if status else [],
        )

    def _drain(self, number: int, counters: Counters, now: float) -> DrainState | None:
        drain, end = self._world.drains.get(number), self._world.drain_ends.get(number)
        if drain is None:
            return None
        quiet_s = self._drained.quiet_s(number, now) if self._drained is not None else None
        return DrainState(
            since=timestamp(datetime.fromtimestamp(drain.since, UTC)),
            by=drain.by,
            within_s=drain.within_s,
            left_s=None if end is None else round(max(0.0, end - now), 1),
            flows=left(counters, number),
            quiet_s=None if quiet_s is None else round(quiet_s, 1),
        )

    def datapath(self, counters: Counters) -> DatapathState:
        """Workers and counters."""
        running, choice, rates = self._forwarding.describe(), self._forwarding.choice, self._rates
        return DatapathState(
            kind=choice.kind,
            workers=sum(one.workers for one in running),
            interfaces=[one.ifname for one in running],
            received=counters.received,
            forwarded=counters.forwarded,
            passed=counters.passed,
            dropped={r.label: int(counters.dropped[r]) for r in DropReason if counters.dropped[r]},
            why=list(choice.why),
            received_pps=round(rates.scalar("received"), 1),
            forwarded_pps=round(rates.scalar("forwarded"), 1),
            dropped_pps=round(rates.lost_pps, 1),
            sessions=int(counters.target_sessions.sum()),
            half_open=int(counters.target_half_open.sum()),
            sessions_max=sum(one.sessions_max for one in running),
            table_generation=self._forwarding.generation,
            ring_lost=counters.ring_lost,
            swaps=counters.swaps,
            swap_last_ms=round(counters.swap_last_ns / 1e6, 3),
            swap_longest_ms=round(counters.swap_longest_ns / 1e6, 3),
            counters=numbers(counters),
        )

    def interfaces(
        self, addresses: dict[str, set[str]], counts: Iterable[QueueCount]
    ) -> list[InterfaceState]:
        """Every registered interface; `addresses` by interface name, as the kernel has them."""
        queues: dict[int, list[QueueState]] = {}
        for one in counts:
            queue = QueueState(name=one.frame_class.value, read=one.read, unread=one.unread)
            queues.setdefault(one.interface, []).append(queue)
        return [
            _interface(
                i.number,
                i.name,
                self._world.links.get(i.number),
                addresses.get(i.name, set()),
                queues.get(i.number, []),
            )
            for i in self._config.interfaces
            if i.registered
        ]

    def networks(self) -> list[NetworkState]:
        """Every registered network."""
        return [
            NetworkState(
                number=n.number,
                name=n.name,
                addr=n.addr or "",
                mask=n.mask or "",
                real=n.real,
                virt=n.virt,
                interface=n.interface,
            )
            for n in self._config.networks
            if n.registered
        ]

    def arp(self, now: float) -> list[ArpState]:
        """Every address that is answered for, resolved or in conflict."""
        return [
            ArpState(
                address=str(entry.address),
                mac=_mac(entry.mac),
                kind=entry.kind,
                owner=entry.owner,
                age_s=None if entry.age_s is None else round(entry.age_s, 3),
                state=entry.state,
            )
            for entry in self._chain.arp.entries(now)
        ]

    def modules(self) -> list[ModuleState]:
        """Every module of the `modules` line, in its order."""
        return [
            ModuleState(name=status.name, state=status.state, frames=status.frames, note=status.note)
            for status in self._chain.describe()
        ]

    def vrrp(self) -> list[VrrpState]:
        """Every election that this node takes part in."""
        return [
            VrrpState(
                vrid=election.vrid,
                state=election.role.value,
                priority=election.priority,
                network=election.network,
                note=election.note,
            )
            for election in self._chain.vrrp.elections()
        ]


def _member(one: Membership) -> MemberState:
    return MemberState(
        target=one.target, backup=one.backup, health=one.health, able=one.able, reason=_text(one.cause)
    )


def _mac(mac: bytes | None) -> str | None:
    return mac_text(mac) if mac else None


def _text(cause: Cause | None) -> str | None:
    return str(cause) if cause is not None else None


def _interface(
    number: int, name: str, link: Link | None, addresses: set[str], queues: list[QueueState]
) -> InterfaceState:
    state = "missing" if link is None else "up" if link.up else "down"
    return InterfaceState(
        number=number,
        name=name,
        mac=_mac(link.mac if link else None),
        mtu=link.mtu if link else None,
        link=state,  # type: ignore[arg-type] # one of the three words, by the expression above
        addresses=sorted(addresses),
        queues=queues,
    )


def _check(key: ProbeKey, result: CheckResult, now: float) -> CheckState:
    return CheckState(
        kind=key.kind,
        port=key.port,
        state=result.state,
        last_ok_s=None if result.last_ok is None else round(now - result.last_ok, 1),
        rtt_ms=None if result.rtt_ms is None else round(result.rtt_ms, 3),
        error=result.error,
        address=str(key.address),
    )
