"""A backend with a state of its own, and states of any size: what the tests of sockets and consoles talk to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine.api import messages as m
from engine.api.server import OpError
from engine.config.finding import Finding

if TYPE_CHECKING:
    import asyncio

GIB = 1024**3


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
        "vrrp": [m.VrrpState(vrid=None, state="master", priority=None, network=None, note="no vrrp section")],
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


class CannedBackend:
    """Does the ops on a state in memory, and remembers who asked for what."""

    engine_version = "0.1.0"
    boot_id = "b-1"
    hostname = "lb1"

    def __init__(self, now: m.State | None = None) -> None:
        self.now = now or state()
        self.kept = [
            event(1),
            event(
                2, kind="arp", severity="error", subject="172.16.1.10", message="claimed by 02:00:00:00:00:02"
            ),
            event(3, kind="admin", severity="warning", message="disabled", actor="root(0) pid 7"),
        ]
        self.calls: list[tuple[str, Any, str]] = []
        self.hold: asyncio.Event | None = None  # set: op version waits for it

    def state(self) -> m.State:
        return self.now

    def events(self, since: int, limit: int) -> list[m.Event]:
        return [kept for kept in self.kept if kept.id > since][-limit:]

    async def call(self, op: str, args: Any, actor: str) -> Any:
        self.calls.append((op, args, actor))
        return await getattr(self, f"_{op}")(args)

    async def _version(self, _: m.NoArgs) -> m.Version:
        if self.hold is not None:
            await self.hold.wait()
        return m.Version(
            engine_version=self.engine_version,
            protocol=m.PROTOCOL,
            python="3.11.2",
            kernel="6.18.0",
            hostname=self.hostname,
            boot_id=self.boot_id,
            pid=4711,
            uptime_s=93_784.0,
        )

    async def _conf(self, _: m.NoArgs) -> str:
        return "modules arp,slb\nserver 1 {\n          ipaddr 172.16.1.10\n}\n"

    async def _sessions(self, args: m.SessionsArgs) -> m.Sessions:
        if args.client == "0.0.0.0":
            raise RuntimeError("this backend broke")
        entries = [
            m.Session(server=1, target=1, client="10.1.1.1", port=None, idle_s=3, state="open"),
            m.Session(server=1, target=2, client="10.1.1.2", port=40_000, idle_s=61, state="closing"),
        ]
        kept = [
            entry
            for entry in entries
            if args.server in (None, entry.server)
            and args.target in (None, entry.target)
            and args.client in (None, entry.client)
        ]
        return m.Sessions(total=len(kept), sessions=kept[: args.limit])

    async def _explain(self, args: m.ExplainArgs) -> m.Explanation:
        if args.server not in ("1", "172.16.1.10"):
            return m.Explanation(
                client=args.client, server=None, target=None, decided_by="none", steps=["no such server"]
            )
        return m.Explanation(
            client=args.client,
            server=1,
            target=1,
            decided_by="method",
            steps=[f"{args.client} port {args.client_port} is in no session", "rr picks target 1"],
        )

    async def _admin(self, args: m.AdminArgs) -> m.AdminResult:
        admin = {"enable": "enabled", "disable": "disabled", "drain": "draining"}[args.action]
        things: list[Any] = self.now.targets if args.what == "target" else self.now.servers  # type: ignore[assignment]
        by_number = {thing.number: thing for thing in things}
        for number in args.numbers:
            if number not in by_number:
                raise OpError("not-found", f"there is no {args.what} {number}")
        changed = [number for number in args.numbers if by_number[number].admin != admin]
        for number in changed:
            by_number[number].admin = admin
        return m.AdminResult(changed=changed, unchanged=[n for n in args.numbers if n not in changed])

    async def _check(self, args: m.CheckArgs) -> list[dict[str, Any]]:
        line = len(re.findall("\n", args.text))
        return [
            Finding(file=args.file, line=line, column=1, severity="error", code="test", message="a finding")
        ]
