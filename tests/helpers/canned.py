"""A backend with a state of its own: what the tests of sockets and of bngctl talk to."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import messages as m
from engine.api import ops
from engine.config.difference.change import Change
from engine.config.editing.rewrite import run_commands
from engine.config.finding import Finding
from engine.config.load import load
from engine.domain.errors import OpError
from tests.helpers.states import event, state

if TYPE_CHECKING:
    import asyncio

    from engine.domain.actor import Actor

TEXT = """// the seed, cut short
modules arp,ping,hc,master,slb
interface 1 {
    name lo
}
network 1 {
    name "local network"   // with a comment
    addr 172.16.1.0
    mask 255.255.255.0
    real 172.16.1.252
    interface 1
}
server 1 {
    ipaddr 172.16.1.10
    port 80
    protocol tcp
    targets 1,2
}
target 1 {
    ipaddr 172.16.1.101
    port 80
    protocol tcp
    tcpopen 80,3,10
    dsr enable
}
target 2 {
    ipaddr 172.16.1.102
    port 80
    protocol tcp
    tcpopen 80,3,10
    dsr enable
}
register interface 1
register network 1
register server 1
register targets 1,2
enable interface 1
enable network 1
enable server 1
enable targets 1,2
"""


def revision(number: int, **changes: Any) -> m.Revision:
    values: dict[str, Any] = {
        "number": number,
        "time": f"2026-03-01T12:{number:02}:00Z",
        "uid": 0,
        "user": "root",
        "note": "started",
        "language": "balanceng",
        "running": True,
        "confirmed": True,
        "text": TEXT,
    }
    values |= changes
    return m.Revision(**values, lines=values["text"].count("\n"))


def pending(**changes: Any) -> m.Pending:
    values: dict[str, Any] = {"revision": 2, "reverts_to": 1, "seconds_left": 42.0, "actor": "root(0) pid 7"}
    return m.Pending(**(values | changes))


CHANGES = [
    Change(kind="added", subject="target 3", message="172.16.1.103:80, in server 1"),
    Change(
        kind="changed",
        subject="target 2",
        message="tcpopen interval 3 → 5 s",
        effect="its check restarts, 0 flows move",
    ),
    Change(
        kind="removed",
        subject="server 2",
        message="172.16.1.11:80 is answered no more",
        effect="1,204 flows end",
        flows=1204,
        cuts=True,
    ),
]


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
        self.calls: list[tuple[str, Any, Actor]] = []
        self.refusal: OpError | None = None  # of every op
        self.hold: asyncio.Event | None = None  # op version, and what changes something, wait for it
        self.revisions = [revision(1)]
        self.trial: m.Pending | None = None
        self.changes = CHANGES
        self.in_force = True

    def state(self) -> m.State:
        return self.now

    def events(self, since: int, limit: int) -> list[m.Event]:
        return [kept for kept in self.kept if kept.id > since][-limit:]

    async def call(self, op: str, args: Any, actor: Actor) -> Any:
        self.calls.append((op, args, actor))
        if self.hold is not None and (op == "version" or ops.OPS[op].changes):
            await self.hold.wait()
        if self.refusal is not None:
            raise self.refusal
        return await getattr(self, f"_{op.replace('-', '_')}")(args)

    async def _version(self, _: ops.NoArgs) -> m.Version:
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

    async def _processes(self, _: ops.NoArgs) -> list[m.ProcessState]:
        control = ["CAP_SETGID", "CAP_SETUID", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_NICE"]
        return [
            m.ProcessState(
                name="control",
                pid=4711,
                user="root",
                capabilities=control,
                no_new_privileges=True,
                seccomp=False,
            ),
            m.ProcessState(
                name="worker 0 on eth0",
                pid=4712,
                user="bng-worker",
                capabilities=[],
                no_new_privileges=True,
                seccomp=True,
            ),
            m.ProcessState(
                name="worker 1 on eth0",
                pid=4713,
                user=None,
                capabilities=None,
                no_new_privileges=None,
                seccomp=None,
            ),
            m.ProcessState(
                name="worker 0 on eth1",
                pid=4714,
                user="root",
                capabilities=[],
                no_new_privileges=False,
                seccomp=False,
            ),
        ]

    async def _conf(self, _: ops.NoArgs) -> str:
        return "modules arp,slb\nserver 1 {\n          ipaddr 172.16.1.10\n}\n"

    # -- configuration: texts are checked in earnest, what a change does is made up -----------------------------------

    def calls_of(self, op: str) -> list[Any]:
        return [args for name, args, _ in self.calls if name == op]

    @property
    def running(self) -> m.Revision:
        return next(one for one in self.revisions if one.running)

    async def _running(self, _: ops.NoArgs) -> m.RunningConfig:
        now = self.running
        return m.RunningConfig(
            file="/etc/bng/bng.conf",
            revision=now.number,
            language=now.language,
            text=now.text or "",
            pending=self.trial,
        )

    async def _diff(self, args: ops.DiffArgs) -> m.ConfigDiff:
        findings = load(args.text, args.file).findings
        ok = not any(finding.severity == "error" for finding in findings)
        return self._compared(self.running, args.text, args.file, findings or [], ok=ok)

    async def _file_diff(self, _: ops.NoArgs) -> m.ConfigDiff:
        return self._compared(self.running, self.running.text or "", "bng.conf", [], ok=True)

    async def _revision_diff(self, args: ops.RevisionDiffArgs) -> m.ConfigDiff:
        old, new = self._known(args.old), self._known(args.new)
        return self._compared(old, new.text or "", f"revision {new.number}", [], ok=True)

    def _compared(
        self, old: m.Revision, text: str, name: str, findings: list[Finding], *, ok: bool
    ) -> m.ConfigDiff:
        lines = difflib.unified_diff(
            (old.text or "").splitlines(True), text.splitlines(True), f"revision {old.number}", name
        )
        unified = "".join(lines)
        return m.ConfigDiff(
            base=old.number,
            changes=self.changes if unified and ok else [],
            unified=unified,
            findings=findings,
        )

    async def _history(self, _: ops.NoArgs) -> list[m.Revision]:
        return [msgspec.structs.replace(one, text=None) for one in reversed(self.revisions)]

    async def _revision(self, args: ops.RevisionArgs) -> m.Revision:
        return self._known(args.revision)

    async def _apply(self, args: ops.ApplyArgs) -> m.Applied:
        return self._run(args.text, args.file, args.base, args.confirm_within_s, args.note or args.file)

    async def _command(self, args: ops.CommandArgs) -> m.Applied:
        edited = run_commands(self.running.text or "", "balanceng", args.text, "command")
        if not edited.ok:
            raise OpError("invalid", str(edited.findings[0]), edited.findings)
        return self._run(edited.text, "running.conf", args.base, args.confirm_within_s, "command")

    async def _confirm(self, _: ops.ConfirmArgs) -> m.Applied:
        if self.trial is None:
            raise OpError("refused", "no change waits to be confirmed")
        self.trial = None
        self.running.confirmed = True
        return m.Applied(revision=self.running.number)

    async def _rollback(self, args: ops.RollbackArgs) -> m.Applied:
        number = args.revision or self.running.number - 1
        text = self._known(number).text or ""
        return self._run(text, "running.conf", None, args.confirm_within_s, f"rollback to revision {number}")

    async def _save(self, _: ops.NoArgs) -> m.Applied:
        return m.Applied(revision=self.running.number)

    def _known(self, number: int) -> m.Revision:
        for one in self.revisions:
            if one.number == number:
                return one
        raise OpError("not-found", f"there is no revision {number}")

    def _run(self, text: str, file: str, base: int | None, within_s: int | None, note: str) -> m.Applied:
        before = self.running
        if base not in (None, before.number):
            raise OpError("conflict", f"made from revision {base}, but revision {before.number} runs now")
        loaded = load(text, file)
        if not loaded.ok:
            raise OpError("invalid", str(loaded.findings[0]), loaded.findings)
        before.running = False
        number = before.number + 1
        self.revisions.append(revision(number, text=text, note=note, confirmed=within_s is None))
        self.trial = (
            None
            if within_s is None
            else pending(revision=number, reverts_to=before.number, seconds_left=float(within_s))
        )
        self.now.config = m.ConfigStatus(revision=number, language="balanceng", pending=self.trial)
        return m.Applied(revision=number, changes=self.changes, warnings=loaded.findings, pending=self.trial)

    async def _sessions(self, args: ops.SessionsArgs) -> m.Sessions:
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

    async def _trend(self, args: ops.TrendArgs) -> m.Trend:
        if args.what != "datapath" and args.number > 2:
            raise OpError("bad-args", f"there is no {args.what} {args.number}")
        values: dict[str, list[float | None]] = {
            "pps": [1500.0, 0.0, None],
            "bps": [6_480_000.0, 0.0, None],
            "sessions": [120.0, 118.0, 0.0],
            "half_open": [3.0, 9.0, 0.0],
        }
        values |= {"rtt_ms": [0.31, None, 48.0]} if args.what == "target" else {"dropped": [0.0, 90.0, 0.0]}
        states = [["up"], ["up", "down"], ["down"]]
        times = [1_767_225_600 + at * args.step_s for at in range(3)]
        return m.Trend(step_s=args.step_s, times=times, values=values, states=states)

    async def _trends(self, _: ops.TrendsArgs) -> m.Trends:
        return m.Trends(
            step_s=1, times=[1_767_225_600, 1_767_225_601], values={1: [1500.0, None], 2: [0.0, 7.0]}
        )

    async def _explain(self, args: ops.ExplainArgs) -> m.Explanation:
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

    async def _admin(self, args: ops.AdminArgs) -> m.AdminResult:
        admin = {"enable": "enabled", "disable": "disabled", "drain": "draining"}[args.action]
        things: list[Any] = self.now.targets if args.what == "target" else self.now.servers  # type: ignore[assignment]
        by_number = {thing.number: thing for thing in things}
        for number in args.numbers:
            if number not in by_number:
                raise OpError("not-found", f"there is no {args.what} {number}")
        changed = [number for number in args.numbers if by_number[number].admin != admin]
        for number in changed:
            by_number[number].admin = admin
        unchanged = [n for n in args.numbers if n not in changed]
        return m.AdminResult(changed=changed, unchanged=unchanged, in_force=self.in_force)

    async def _check(self, args: ops.CheckArgs) -> list[dict[str, Any]]:
        line = len(re.findall("\n", args.text))
        return [
            Finding(file=args.file, line=line, column=1, severity="error", code="test", message="a finding")
        ]
