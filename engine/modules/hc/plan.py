"""Which probes a configuration needs: one per (target, kind, parameters), shared by every server that needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.domain.checks import CHECK_KINDS, CheckSettings, ProbeKey
from engine.modules.state.view import pack

if TYPE_CHECKING:
    from engine.config.model import Server, Target
    from engine.modules.state.view import View


@dataclass(frozen=True, slots=True)
class Plan:
    """`base` by target number; `vip` by (server number, target number), of enabled servers only."""

    base: dict[int, tuple[ProbeKey, ...]] = field(default_factory=dict)
    vip: dict[tuple[int, int], ProbeKey] = field(default_factory=dict)

    def keys(self) -> dict[ProbeKey, None]:
        """Return every probe once, base checks first (a dict for its order)."""
        every = dict.fromkeys(key for keys in self.base.values() for key in keys)
        every.update(dict.fromkeys(self.vip.values()))
        return every


def make_plan(view: View) -> Plan:
    """Return the probes of every registered target whose network is known, and the VIP checks of the DSR ones."""
    plan = Plan()
    for number in view.target_site:
        plan.base[number] = tuple(_base(view.targets[number]))
    for server in view.servers.values():
        if not view.server_enabled(server) or pack(server.ipaddr) is None:
            continue
        for number in dict.fromkeys([*server.targets, *server.backup]):
            target = view.targets.get(number)
            if target is not None and target.dsr and number in view.target_site:
                plan.vip[server.number, number] = _vip(server, target)
    return plan


def _base(target: Target) -> list[ProbeKey]:
    given = ((word, target.checks[word]) for word in CHECK_KINDS if word in target.checks)
    return [
        ProbeKey(target.number, word, str(target.ipaddr), check.port, check.interval, check.timeout)
        for word, check in given
    ]


def _vip(server: Server, target: Target) -> ProbeKey:
    """Return the VIP check of a server on a target, timed like the target's own check.

    The port is the server's where that is one of TCP; else the one that `tcpopen` says is TCP; else none: an echo.
    """
    tcpopen = target.checks.get("tcpopen")
    timed = tcpopen or next(iter(target.checks.values()), CheckSettings())
    port: int | None = None
    if server.protocol == "tcp" and server.port:
        port = server.port
    elif server.protocol != "udp" and tcpopen is not None:
        port = tcpopen.port
    return ProbeKey(target.number, "vip", str(server.ipaddr), port, timed.interval, timed.timeout)
