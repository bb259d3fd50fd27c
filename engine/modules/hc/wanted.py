"""Which probes a configuration wants: one per (target, kind, parameters), shared by every server that needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.domain.address import Address
from engine.domain.checks import CHECK_KINDS, VIP, CheckSettings, ProbeKey
from engine.packets.questions import QUESTIONS

if TYPE_CHECKING:
    from engine.config.model import Server, Target
    from engine.modules.state.view import View


@dataclass(frozen=True, slots=True)
class WantedProbes:
    """`base` by target number; `vip` by (server number, target number), of enabled servers only.

    `witness` by number of a target whose silence to a VIP check may mean that it answers no echo: the check of an echo at
    its own address, its own where it has one.
    """

    base: dict[int, tuple[ProbeKey, ...]] = field(default_factory=dict)
    vip: dict[tuple[int, int], ProbeKey] = field(default_factory=dict)
    witness: dict[int, ProbeKey] = field(default_factory=dict)

    def keys(self) -> dict[ProbeKey, None]:
        """Return every probe once, base checks first (a dict for its order)."""
        every = dict.fromkeys(key for keys in self.base.values() for key in keys)
        every.update(dict.fromkeys(self.vip.values()))
        every.update(dict.fromkeys(self.witness.values()))
        return every


def wanted_probes(view: View) -> WantedProbes:
    """Return the probes of every registered target whose network is known, and the VIP checks of the DSR ones.

    None without `hc` in the modules line: the file has asked for that.
    """
    wanted = WantedProbes()
    if "hc" not in view.world.config.modules:
        return wanted
    for number in view.target_site:
        wanted.base[number] = tuple(_base(view.targets[number], view.target_address[number]))
    for server in view.servers.values():
        virtual = Address.parse_v4(server.ipaddr)
        if virtual is None:
            continue
        # Of a disabled server, too: when it is enabled it serves at once, and the flows that it had go on.
        for number in dict.fromkeys([*server.targets, *server.backup]):
            target = view.targets.get(number)
            if target is not None and target.dsr and number in view.target_site:
                key = wanted.vip[server.number, number] = _vip(server, virtual, target)
                if may_be_silent(key):
                    wanted.witness[number] = _witness(wanted.base[number], key, view.target_address[number])
    return wanted


def may_be_silent(key: ProbeKey) -> bool:
    """Whether a well target may leave a VIP check unanswered: an echo, or a datagram that means nothing to its service."""
    return key.port is None or (bool(key.asks) and not QUESTIONS[key.asks].must_answer)


def _witness(base: tuple[ProbeKey, ...], vip: ProbeKey, address: Address) -> ProbeKey:
    own = (key for key in base if key.kind == "ping")
    asked = ProbeKey(vip.target, "ping", address, None, vip.interval_s, vip.timeout_s, witness=True)
    return next(own, asked)


def _checks(target: Target) -> list[tuple[str, CheckSettings]]:
    """Return a target's checks in the order of their kinds."""
    return [(word, target.checks[word]) for word in CHECK_KINDS if word in target.checks]


def _base(target: Target, address: Address) -> list[ProbeKey]:
    return [
        ProbeKey(target.number, word, address, check.port, check.interval, check.timeout)
        for word, check in _checks(target)
    ]


def _vip(server: Server, virtual: Address, target: Target) -> ProbeKey:
    """Return the VIP check of a server on a target, timed like the target's own check.

    A server's port of UDP is asked what a check of that port asks, or by an empty datagram. Else the port is the server's
    where that is one of TCP; else the one that a check says is TCP; else none: an echo.
    """
    over_tcp = [check for word, check in _checks(target) if CHECK_KINDS[word].over_tcp]
    over_udp = {check.port: (word, check) for word, check in _checks(target) if CHECK_KINDS[word].over_udp}
    timed = next(iter([*over_tcp, *(check for _, check in _checks(target))]), CheckSettings())
    port: int | None = None
    if server.protocol == "udp" and server.port:
        asks, timed = over_udp.get(server.port, ("udp", timed))
        return ProbeKey(target.number, VIP, virtual, server.port, timed.interval, timed.timeout, asks=asks)
    if server.protocol == "tcp" and server.port:
        port = server.port
    elif server.protocol != "udp" and over_tcp:
        port = over_tcp[0].port
    return ProbeKey(target.number, VIP, virtual, port, timed.interval, timed.timeout)
