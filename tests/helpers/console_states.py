"""States for the tests of the console: the seed's network, a busy one, and what a second of traffic makes of either."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api.messages import (
    ArpState,
    CheckState,
    DatapathState,
    Event,
    InterfaceState,
    ModuleState,
    NetworkState,
    ServerState,
    State,
    TargetState,
)
from engine.config.model import DEFAULT_MODULES
from engine.domain.notices import Alarm
from tests.helpers import states

if TYPE_CHECKING:
    import random


def make_target(number: int, servers: list[int], **changes: Any) -> TargetState:
    up = changes.get("health", "up") == "up"
    address = f"172.17.2.{number + 100}"
    ping = CheckState(
        kind="ping", port=None, state="up", last_ok_s=1.0, rtt_ms=0.21, error=None, address=address
    )
    opened = CheckState(
        kind="tcpopen",
        port=80,
        state="up" if up else "down",
        last_ok_s=1.2 if up else 47.0,
        rtt_ms=0.34 if up else None,
        error=None if up else "connection refused",
        address=address,
    )
    vip = CheckState(
        kind="vip", port=80, state="up", last_ok_s=2.0, rtt_ms=0.4, error=None, address="172.16.1.10"
    )
    values = {
        "ipaddr": address,
        "mac": f"02:00:00:00:02:{number % 256:02x}",
        "operational": up,
        "servers": servers,
        "checks": [ping, opened, vip],
        "sessions": 100 * number + 4,
        "packets": 123_456 * number,
        "bytes": 98_765_432 * number,
        "pps": 1234.0 * number if up else 0.0,
        "bps": 9_876_543.0 * number if up else 0.0,
        "last_change_s": 11_520.0 + number,
    }
    return states.target(number, **(values | changes))


def make_server(
    number: int, targets: list[int], of: list[TargetState] | None = None, **changes: Any
) -> ServerState:
    members = [t for t in of or [] if t.number in targets]
    values = {
        "name": ["www", "shop", "mail", "dns"][(number - 1) % 4],
        "ipaddr": f"172.16.1.{9 + number}",
        "targets": targets,
        **{f: sum(getattr(t, f) for t in members) for f in ("sessions", "packets", "bytes", "pps", "bps")},
    }
    return states.server(number, **(values | changes))


def make_state(
    targets: list[TargetState] | None = None, servers: list[ServerState] | None = None, **changes: Any
) -> State:
    """A state of the seed's shape: server 1, targets 1 and 2."""
    if targets is None:
        targets = [make_target(1, [1]), make_target(2, [1])]
    if servers is None:
        servers = [make_server(1, [t.number for t in targets], targets)]
    values = {
        "time": "2026-03-01T12:00:30Z",
        "boot_id": "boot-1",
        "uptime_s": 11_575.0,
        "servers": servers,
        "targets": targets,
        "datapath": DatapathState(
            kind="afpacket",
            workers=1,
            interfaces=["eth1"],
            received=1_234_567,
            forwarded=1_234_000,
            passed=421,
            dropped={"no-server": 12},
            why=["xdp: the driver has no native mode"],
            received_pps=sum(t.pps for t in targets),
            forwarded_pps=sum(t.pps for t in targets),
            sessions=sum(t.sessions for t in targets),
            sessions_max=1_048_576,
            table_generation=3,
        ),
        "interfaces": [
            InterfaceState(
                number=1,
                name="eth1",
                mac="02:00:00:00:01:01",
                mtu=1500,
                link="up",
                addresses=["172.17.2.254"],
            )
        ],
        "networks": [
            NetworkState(
                number=1,
                name="servers",
                addr="172.17.2.0",
                mask="255.255.255.0",
                real="172.17.2.254",
                virt=None,
                interface=1,
            )
        ],
        "arp": [
            ArpState(
                address="172.16.1.10",
                mac="02:00:00:00:01:01",
                kind="virtual",
                owner="server 1",
                age_s=None,
                state="answering",
            ),
            *[
                ArpState(
                    address=t.ipaddr,
                    mac=t.mac,
                    kind="target",
                    owner=f"target {t.number}",
                    age_s=8.0,
                    state="resolved",
                )
                for t in targets
            ],
        ],
        "modules": [
            ModuleState(name=m, state="idle" if m in {"tnat", "nat", "rt"} else "active", frames=17, note="")
            for m in DEFAULT_MODULES
        ],
        "vrrp": [msgspec.structs.replace(states.MASTER, note="no vrrp section: master at once")],
        "alarms": [],
        "last_event_id": 0,
    }
    return states.state(**(values | changes))


def make_event(number: int, **changes: Any) -> Event:
    return states.event(number, **({"message": "is up: all checks answer"} | changes))


EVENTS = [
    make_event(1, kind="config", subject="engine", message="started with /etc/bng/bng.conf"),
    make_event(2, kind="arp", subject="172.16.1.10", message="announced (gratuitous ARP, 1 of 5)"),
    make_event(3, subject="target 1"),
    make_event(4, subject="target 2"),
    make_event(
        5,
        kind="arp",
        severity="error",
        subject="172.16.1.10",
        message="ARP conflict: 02:00:00:00:02:03 (target 3) answers for 172.16.1.10; set net.ipv4.conf.all.arp_ignore=1",
    ),
    make_event(6, severity="warning", subject="target 3", message="is down: does not accept 172.16.1.10"),
    make_event(7, kind="admin", subject="target 4", message="draining", actor="root(0) pid 812"),
]


def busy_state(count: int = 40) -> State:
    """Many targets in every state, over three servers."""
    targets = [make_target(n, [1 + n % 3]) for n in range(1, count + 1)]
    for n, changes in {
        3: {
            "health": "down",
            "operational": False,
            "reason": "does not accept 172.16.1.10",
            "pps": 0.0,
            "bps": 0.0,
            "sessions": 0,
        },
        4: {"admin": "draining", "operational": False, "reason": "draining: 404 sessions left"},
        7: {
            "admin": "disabled",
            "operational": False,
            "reason": "disabled by root(0)",
            "pps": 0.0,
            "bps": 0.0,
            "sessions": 0,
        },
        9: {
            "health": "unknown",
            "operational": False,
            "reason": "no check has answered yet",
            "mac": None,
            "pps": 0.0,
            "bps": 0.0,
        },
        12: {
            "health": "down",
            "operational": False,
            "reason": "tcpopen 80: connection refused",
            "pps": 0.0,
            "bps": 0.0,
            "sessions": 0,
        },
    }.items():
        if n <= count:
            base = make_target(n, [1 + n % 3], health=changes.get("health", "up"))
            targets[n - 1] = msgspec.structs.replace(base, **changes)
    servers = [make_server(s, [t.number for t in targets if s in t.servers], targets) for s in (1, 2, 3)]
    servers[0].backup = [5]
    state = make_state(targets, servers)
    state.arp.append(
        ArpState(
            address="172.16.1.10",
            mac="02:00:00:00:02:03",
            kind="conflict",
            owner="target 3",
            age_s=4.0,
            state="conflict",
        )
    )
    state.alarms = [
        Alarm(
            severity="error",
            subject="172.16.1.10",
            message="ARP conflict: 02:00:00:00:02:03 (target 3) answers for it",
        ),
        Alarm(severity="warning", subject="target 12", message="is down: tcpopen 80: connection refused"),
    ]
    state.last_event_id = EVENTS[-1].id
    return state


def move(state: State, chance: random.Random) -> State:
    """One second later, with traffic on every target that has any."""
    phase = state.uptime_s
    targets = []
    for t in state.targets:
        if not t.pps:
            targets.append(t)
            continue
        wave = 1 + 0.4 * math.sin(phase / 11 + t.number) + chance.uniform(-0.1, 0.1)
        pps = 900.0 * (1 + t.number % 7) * wave
        targets.append(
            msgspec.structs.replace(
                t,
                pps=pps,
                bps=pps * 8 * 540,
                sessions=max(0, t.sessions + chance.randint(-9, 10)),
                packets=t.packets + int(pps),
                bytes=t.bytes + int(pps * 540),
                checks=[
                    msgspec.structs.replace(
                        c, last_ok_s=(phase + t.number) % 3, rtt_ms=0.2 + chance.random() / 4
                    )
                    for c in t.checks
                ],
            )
        )
    servers = []
    for s in state.servers:
        members = [t for t in targets if t.number in s.targets]
        servers.append(
            msgspec.structs.replace(
                s,
                pps=sum(t.pps for t in members),
                bps=sum(t.bps for t in members),
                sessions=sum(t.sessions for t in members),
                packets=sum(t.packets for t in members),
                bytes=sum(t.bytes for t in members),
            )
        )
    total = sum(s.pps for s in servers)
    path = msgspec.structs.replace(
        state.datapath,
        received_pps=total,
        forwarded_pps=total,
        received=state.datapath.received + int(total),
        forwarded=state.datapath.forwarded + int(total),
        sessions=sum(s.sessions for s in servers),
    )
    return msgspec.structs.replace(state, targets=targets, servers=servers, datapath=path, uptime_s=phase + 1)
