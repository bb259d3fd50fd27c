"""States, servers, targets and events as an engine publishes them, of any size. `changes` are the fields that differ."""

from __future__ import annotations

from typing import Any

from engine.api import messages as m

GIB = 1024**3
MASTER = m.VrrpState(vrid=None, state="master", priority=None, network=None, note="no vrrp section")


def target(number: int, **changes: Any) -> m.TargetState:
    values: dict[str, Any] = {
        "number": number,
        "name": f"web{number}",
        "ipaddr": f"172.16.{1 + number // 200}.{100 + number % 100}",
        "port": 80,
        "protocol": "tcp",
        "mac": f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        "dsr": True,
        "admin": "enabled",
        "health": "up",
        "operational": True,
        "reason": None,
        "servers": [1],
        "checks": [
            m.CheckState(kind="ping", port=None, state="up", last_ok_s=1.2, rtt_ms=0.31, error=None),
            m.CheckState(
                kind="tcpopen",
                port=80,
                state="up",
                last_ok_s=0.4,
                rtt_ms=0.5,
                error=None,
                address=f"172.16.{1 + number // 200}.{100 + number % 100}",
            ),
            m.CheckState(
                kind="vip", port=80, state="up", last_ok_s=2.0, rtt_ms=0.6, error=None, address="172.16.1.10"
            ),
        ],
        "sessions": 12 * number,
        "packets": 1_234_567 * number,
        "bytes": 3 * GIB,
        "pps": 1520.5,
        "bps": 18_250_000.0,
        "last_change_s": 3725.0,
    }
    return m.TargetState(**(values | changes))


def server(number: int, **changes: Any) -> m.ServerState:
    values: dict[str, Any] = {
        "number": number,
        "name": "",
        "ipaddr": f"172.16.1.{9 + number % 200}",
        "port": 80,
        "protocol": "tcp",
        "method": "rr",
        "admin": "enabled",
        "operational": True,
        "targets": [1, 2],
        "backup": [],
        "sessions": 36,
        "packets": 3_703_701,
        "bytes": 6 * GIB,
        "pps": 3041.0,
        "bps": 36_500_000.0,
    }
    return m.ServerState(**(values | changes))


def state(**changes: Any) -> m.State:
    """The seed's network with target 2 down for want of its loopback alias."""
    vip = m.CheckState(
        kind="vip",
        port=80,
        state="down",
        last_ok_s=None,
        rtt_ms=None,
        error="no answer",
        address="172.16.1.10",
    )
    values: dict[str, Any] = {
        "time": "2026-03-01T12:00:00Z",
        "hostname": "lb1",
        "engine_version": "0.1.0",
        "boot_id": "b-1",
        "uptime_s": 93_784.0,
        "role": "master",
        "config_file": "/etc/bng/bng.conf",
        "first_round_done": True,
        "servers": [server(1)],
        "targets": [
            target(1),
            target(
                2,
                health="down",
                operational=False,
                reason="does not accept 172.16.1.10; add it to the loopback interface",
                checks=[vip],
                pps=0.0,
                bps=0.0,
                sessions=0,
                last_change_s=4.0,
            ),
        ],
        "datapath": m.DatapathState(
            kind="afpacket",
            workers=1,
            interfaces=["eth0"],
            received=5_000_000,
            forwarded=4_900_000,
            passed=99_000,
            dropped={"no-server": 900, "loop": 100},
            why=["xdp: the driver veth refuses native mode (EOPNOTSUPP)"],
            received_pps=3050.0,
            forwarded_pps=3041.0,
            sessions=36,
            sessions_max=1_048_576,
            table_generation=7,
            swaps=6,
            swap_last_ms=0.412,
            swap_longest_ms=1.204,
        ),
        "interfaces": [
            m.InterfaceState(
                number=1,
                name="eth0",
                mac="02:00:00:00:00:fe",
                mtu=1500,
                link="up",
                addresses=["172.16.1.252/24"],
            )
        ],
        "networks": [
            m.NetworkState(
                number=1,
                name="local network",
                addr="172.16.1.0",
                mask="255.255.255.0",
                real="172.16.1.252",
                virt="172.16.1.253",
                interface=1,
            )
        ],
        "arp": [
            m.ArpState(
                address="172.16.1.10",
                mac="02:00:00:00:00:fe",
                kind="virtual",
                owner="server 1",
                age_s=None,
                state="answering",
            ),
            m.ArpState(
                address="172.16.1.101",
                mac="02:00:00:00:00:01",
                kind="target",
                owner="target 1",
                age_s=12.0,
                state="resolved",
            ),
            m.ArpState(
                address="172.16.1.10",
                mac="02:00:00:00:00:02",
                kind="conflict",
                owner="target 2",
                age_s=3.0,
                state="conflict",
            ),
        ],
        "modules": [
            m.ModuleState(name="arp", state="active", frames=321, note=""),
            m.ModuleState(name="nat", state="idle", frames=0, note="nothing to do in pure DSR"),
        ],
        "vrrp": [MASTER],
        "alarms": [m.Alarm(severity="error", subject="target 2", message="does not accept 172.16.1.10")],
        "last_event_id": 3,
    }
    return m.State(**(values | changes))


def large_state(servers: int, targets: int, *, each: int) -> m.State:
    """`each` servers per target, with a VIP check for each of them."""

    def checks(number: int) -> list[m.CheckState]:
        vips = [
            m.CheckState(
                kind="vip",
                port=80,
                state="up",
                last_ok_s=1.25,
                rtt_ms=0.625,
                error=None,
                address=f"172.16.{i % 250}.{i % 250}",
            )
            for i in range(each)
        ]
        return target(number).checks[:2] + vips

    members = [
        [1 + (first + step) % targets for step in range(targets * each // servers)]
        for first in range(servers)
    ]
    return state(
        servers=[
            server(n, name=f"server-{n:04}", targets=members[n - 1], backup=[n])
            for n in range(1, servers + 1)
        ],
        targets=[
            target(
                n,
                name=f"a-longer-name-{n:04}",
                servers=[1 + (n + i) % servers for i in range(each)],
                checks=checks(n),
                reason="does not accept 172.16.1.10; add it to the loopback interface",
            )
            for n in range(1, targets + 1)
        ],
        arp=[
            m.ArpState(
                address=f"172.16.{n // 250}.{n % 250}",
                mac="02:00:00:00:00:01",
                kind="target",
                owner=f"target {n}",
                age_s=12.5,
                state="resolved",
            )
            for n in range(servers + targets)
        ],
    )


def duty(name: str, what: str, **changes: Any) -> m.DutyState:
    values: dict[str, Any] = {
        "name": name,
        "what": what,
        "last_ok_s": 0.4,
        "under_way_s": None,
        "failures": 0,
        "fault": None,
        "longest_ms": 0.8,
    }
    return m.DutyState(**(values | changes))


def event(number: int, **changes: Any) -> m.Event:
    values: dict[str, Any] = {
        "id": number,
        "time": f"2026-03-01T12:{number // 60 % 60:02}:{number % 60:02}Z",
        "kind": "health",
        "severity": "info",
        "subject": "target 1",
        "message": f"up, message {number}",
    }
    return m.Event(**(values | changes))
