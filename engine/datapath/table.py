"""Servers, health and weights compiled into a `ForwardingTable`: who may get what, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath import maglev
from engine.datapath.contract import GENERATIONS, MEMBER_COLUMNS, TARGET_ROWS, ForwardingTable, Pick
from engine.datapath.declare import Array, declared

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from engine.domain.address import Address

PROTOCOL_NUMBER = {"tcp": 6, "udp": 17, "any": 0}

_PICK = {
    "rr": Pick.NEXT,
    "first": Pick.FIRST,
    "random": Pick.RANDOM,
    "hash": Pick.HASH,
    "session": Pick.LEAST,
}

_MAX_TURNS = 4096
"""Longest round of weighted round robin; weights that need more are rounded to shares of it."""


@dataclass(frozen=True)
class EgressInput:
    """A way out that is not the way in: another interface, or another VLAN of the same (`ifindex` 0). `vlan` 0: untagged."""

    ifindex: int
    mac: bytes
    mtu: int
    vlan: int = 0


@dataclass(frozen=True)
class TargetInput:
    """A target as the compiler sees it. `identity` names it the same on every node: its address and port.

    `egress` is None where its frames leave by the interface they came by, under the tag they came with.
    """

    number: int
    identity: str
    mac: bytes
    weight: int = 1
    limit: int = 0  # sessions at most, 0: any number
    egress: EgressInput | None = None


@dataclass(frozen=True)
class ServerInput:
    """A server and who serves it: `new` get new flows, in order; known flows stay on those of `keep`.

    One that does not answer (it is disabled) takes no frame, and its flows are still there when it does again.
    """

    number: int
    address: Address
    port: int
    protocol: str
    method: str
    by_port: bool
    idle_s: int
    new: tuple[int, ...]
    keep: tuple[int, ...]
    answers: bool = True
    leaving: tuple[int, ...] = ()  # of `keep`: a client that begins anew goes elsewhere


@dataclass
class Compiler:
    """Compiles tables one after the other; it remembers each target's generation and who kept flows before."""

    generation: int = 0
    _target_generation: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(TARGET_ROWS, np.uint8))
    _kept: dict[int, str] = field(default_factory=dict)  # number -> identity

    def compile(
        self,
        servers: Sequence[ServerInput],
        targets: Sequence[TargetInput],
        *,
        virtual: Sequence[Address],
        vlans: Mapping[Address, int] | None = None,
        own_mac: Sequence[bytes],
        blocked_mac: Sequence[bytes],
        mtu: int,
    ) -> ForwardingTable:
        """Make the next table. `vlans`: of the virtual addresses that are not untagged. Targets named by a server must be among `targets`; methods not built pick like rr."""
        self.generation += 1
        by_number = {t.number: t for t in targets}
        kept = {n: by_number[n].identity for s in servers for n in s.keep}
        for number, identity in self._kept.items():
            if kept.get(number) != identity:
                self._target_generation[number] = (self._target_generation[number] + 1) % GENERATIONS
        self._kept = kept
        rows = declared(ForwardingTable, Array)
        names = ("member", "idle_s", "target_mac", "target_weight", "target_limit", "target_egress")
        member, idle_s, mac, weight, limit, way_out = (rows[name].empty() for name in names)
        ways_out = list(dict.fromkeys(t.egress for t in targets if t.egress is not None))
        place = {egress: n for n, egress in enumerate(ways_out, start=1)}
        for target in targets:
            mac[target.number] = np.frombuffer(target.mac, np.uint8)
            weight[target.number] = target.weight
            limit[target.number] = target.limit
            if target.egress is not None:
                way_out[target.number] = place[target.egress]
        parts: list[NDArray[np.uint16]] = []
        starts: list[int] = []
        answering: list[ServerInput] = []
        end = 0
        for server in servers:
            keep = np.array(server.keep, np.intp)
            member[server.number, keep] = self._target_generation[keep]
            idle_s[server.number] = server.idle_s
            if not server.answers:
                continue
            answering.append(server)
            part = buckets(server.method, [by_number[n] for n in server.new])
            parts.append(part)
            starts.append(end)
            end += len(part)
        return ForwardingTable(
            generation=self.generation,
            virtual_addr=_rows(virtual, 16),
            virtual_vlan=np.array([(vlans or {}).get(address, 0) for address in virtual], np.uint16),
            server_number=np.array([s.number for s in answering], np.uint16),
            server_addr=_rows((s.address for s in answering), 16),
            server_port=np.array([s.port for s in answering], np.uint16),
            server_protocol=np.array([PROTOCOL_NUMBER[s.protocol] for s in answering], np.uint8),
            server_by_port=np.array([s.by_port for s in answering], np.uint8),
            server_pick=np.array([_PICK.get(s.method, Pick.NEXT) for s in answering], np.uint8),
            bucket_start=np.array(starts, np.uint32),
            bucket_len=np.array([len(p) for p in parts], np.uint32),
            buckets=np.concatenate(parts) if parts else np.zeros(0, np.uint16),
            member=member,
            idle_s=idle_s,
            target_mac=mac,
            target_weight=weight,
            target_limit=limit,
            leaving=np.array(
                [s.number * MEMBER_COLUMNS + n for s in answering for n in s.leaving if n not in s.new],
                np.uint32,
            ),
            target_egress=way_out,
            egress_ifindex=np.array([e.ifindex for e in ways_out], np.uint32),
            egress_mac=_rows((e.mac for e in ways_out), 6),
            egress_mtu=np.array([e.mtu for e in ways_out], np.uint32),
            egress_vlan=np.array([e.vlan for e in ways_out], np.uint16),
            own_mac=_rows(own_mac, 6),
            blocked_mac=_rows(blocked_mac, 6),
            mtu=mtu,
        )


def _rows(values: Iterable[bytes], width: int) -> NDArray[np.uint8]:
    """Stack values of `width` bytes as rows."""
    return np.frombuffer(b"".join(values), np.uint8).reshape(-1, width).copy()


def buckets(method: str, targets: Sequence[TargetInput]) -> NDArray[np.uint16]:
    """Target numbers for new flows of a server, laid out for its method; empty where there are none."""
    usable = [t for t in targets if t.weight > 0]
    if not usable:
        return np.zeros(0, np.uint16)
    numbers = np.array([t.number for t in usable], np.uint16)
    if len(usable) == 1:
        # Of one target every method makes the same, and Maglev's way takes milliseconds a server.
        return numbers[:1]
    if method in {"first", "session"}:
        return numbers
    if method == "hash":
        slots = _maglev(tuple(t.identity for t in usable), tuple(t.weight for t in usable))
        return numbers[slots]
    return numbers[_turns(tuple(t.weight for t in usable))]


@lru_cache(maxsize=640)  # 128 KiB each: every server of a full configuration, and some change
def _maglev(identities: tuple[str, ...], weights: tuple[int, ...]) -> NDArray[np.uint16]:
    return maglev.build(identities, weights)


@lru_cache(maxsize=2048)
def _turns(weights: tuple[int, ...]) -> NDArray[np.intp]:
    """One round of smooth weighted round robin: heavy targets are spread over the round, not bunched."""
    divisor = gcd(*weights)
    shares = [w // divisor for w in weights]
    if sum(shares) > _MAX_TURNS:
        shares = [max(1, w * _MAX_TURNS // sum(weights)) for w in weights]
    # The k-th turn of a target with share s stands at (k + 1/2) / s of the round.
    at = np.concatenate([(np.arange(s) + 0.5) / s for s in shares])
    who = np.concatenate([np.full(s, i, np.intp) for i, s in enumerate(shares)])
    return who[np.lexsort((who, at))]
