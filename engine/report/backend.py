"""What consoles ask, answered: a handler for each op of engine.api.ops that does not concern the connection alone."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import msgspec

from engine import __version__
from engine.api.messages import PROTOCOL, Session, Sessions, State, Version
from engine.api.timestamp import timestamp
from engine.changes.apart import Apart, Question, Text, flows_of
from engine.changes.configuration import host_interfaces
from engine.config.language.balanceng import dump as dump_balanceng
from engine.config.load import load
from engine.datapath.flow_states import FlowState
from engine.domain.errors import OpError
from engine.report.explain import Explainer
from engine.report.processes import processes
from engine.report.snapshot import Gatherer
from engine.report.trend_answers import trend, trends

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.api.messages import (
        AdminResult,
        Applied,
        ConfigDiff,
        Event,
        Explanation,
        ProcessState,
        Revision,
        RunningConfig,
        Trend,
        Trends,
    )
    from engine.api.ops import (
        AdminArgs,
        ApplyArgs,
        CheckArgs,
        CommandArgs,
        ConfirmArgs,
        Consent,
        DiffArgs,
        ExplainArgs,
        NoArgs,
        RevisionArgs,
        RevisionDiffArgs,
        RollbackArgs,
        SessionsArgs,
        TrendArgs,
        TrendsArgs,
    )
    from engine.api.server import Server
    from engine.changes.admin import AdminState
    from engine.changes.transactions import Transactions
    from engine.config.difference.compare import Flows
    from engine.config.finding import Finding
    from engine.config.model import Config
    from engine.domain.actor import Actor
    from engine.forwarding import Forwarding
    from engine.io.control_sockets import ControlSockets
    from engine.io.host.host import Host
    from engine.modules.chain import Chain
    from engine.modules.state.world import World
    from engine.options import RunOptions
    from engine.report.alarms import Alarms
    from engine.report.drained import Drained
    from engine.report.duties import Duties
    from engine.report.events import EventLog
    from engine.report.lights import Lights
    from engine.trends.rates import Rates
    from engine.trends.recorder import Recorder

_T = TypeVar("_T")

_SESSION_STATE: dict[FlowState, Literal["open", "closing", "half-open"]] = {
    FlowState.OPEN: "open",
    FlowState.CLOSING: "closing",
    FlowState.HALF_OPEN: "half-open",
    FlowState.FRESH: "half-open",
}

SESSIONS_MOST = 10_000
"""Sessions in one answer: keeps it within a frame."""


class Parts(Protocol):
    """The parts of an engine that consoles see and change."""

    options: RunOptions
    world: World
    chain: Chain
    forwarding: Forwarding
    rates: Rates
    admin: AdminState
    drained: Drained
    transactions: Transactions
    event_log: EventLog
    host: Host
    alarms: Alarms
    duties: Duties
    server: Server
    lights: Lights
    control_sockets: ControlSockets
    recorder: Recorder

    @property
    def in_force(self) -> bool:
        """Whether every worker forwards by the last change."""
        ...

    def flows(self) -> Flows:
        """Count the flows of servers and targets now."""
        ...

    async def change_admin(self, args: AdminArgs, actor: Actor) -> AdminResult:
        """Enable, disable or drain. Raises OpError."""
        ...


if TYPE_CHECKING:
    _Handler = Callable[["Backend", Any, Actor], Awaitable[Any]]

_handlers: dict[str, _Handler] = {}


def answers(op: str) -> Callable[[_Handler], _Handler]:
    """Make a method of Backend the handler of an op: it gets the op's arguments and who asks, and may raise OpError."""

    def note(handler: _Handler) -> _Handler:
        _handlers[op] = handler
        return handler

    return note


class Backend:
    """The engine as its consoles' server sees it (engine.api.backend.Backend)."""

    engine_version = __version__

    def __init__(self, engine: Parts) -> None:
        self._engine = engine
        self._gather = Gatherer(
            engine.world, engine.chain, engine.forwarding, engine.rates, engine.admin, engine.drained
        )
        self._explainer = Explainer(engine.chain, engine.forwarding, engine.lights)
        self._apart = Apart()
        self._started_at = time.monotonic()
        self.boot_id = uuid.uuid4().hex
        self.hostname = socket.gethostname()

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._started_at, 1)

    def state(self) -> State:
        """Return a snapshot of now."""
        engine, gather, now = self._engine, self._gather, time.monotonic()
        counters = engine.forwarding.counters()
        settled = engine.forwarding.settled(engine.chain.slb.eligibility(now))
        return State(
            time=timestamp(),
            hostname=self.hostname,
            engine_version=__version__,
            boot_id=self.boot_id,
            uptime_s=self.uptime_s,
            role=engine.world.role.value,
            config_file=str(engine.options.config),
            first_round_done=engine.chain.first_round_done and settled,
            servers=gather.servers(counters, now),
            targets=gather.targets(counters, now),
            datapath=gather.datapath(counters),
            interfaces=gather.interfaces(engine.host.addresses, engine.control_sockets.counts()),
            networks=gather.networks(),
            arp=gather.arp(now),
            modules=gather.modules(),
            vrrp=gather.vrrp(),
            alarms=[*engine.alarms, *engine.world.alarms.values()],
            last_event_id=engine.event_log.last_id,
            config=engine.transactions.status(now),
            duties=engine.duties.states(now),
            sockets=engine.server.sockets(),
        )

    def events(self, since: int, limit: int) -> list[Event]:
        """Return kept events with an id over `since`, the newest `limit` of them, oldest first."""
        return self._engine.event_log.since(since, limit)

    async def call(self, op: str, args: msgspec.Struct, actor: Actor) -> Any:
        """Do one op of a console. Raises OpError."""
        handler = _handlers.get(op)
        if handler is None:
            raise OpError("unknown-op", f"{op} is not built into this version")
        return await handler(self, args, actor)

    # -- looking ----------------------------------------------------------------------------------------------------

    @answers("version")
    async def _version(self, _: NoArgs, __: Actor) -> Version:
        return Version(
            engine_version=__version__,
            protocol=PROTOCOL,
            python=platform.python_version(),
            kernel=platform.release(),
            hostname=self.hostname,
            boot_id=self.boot_id,
            pid=os.getpid(),
            uptime_s=self.uptime_s,
            config_file=str(self._engine.options.config),
            revision=self._engine.transactions.running.revision,
            file_differs=self._engine.transactions.file_differs(),
        )

    @answers("conf")
    async def _conf(self, _: NoArgs, __: Actor) -> str:
        return dump_balanceng(self._engine.world.config)

    @answers("check")
    async def _check(self, args: CheckArgs, actor: Actor) -> list[Finding]:
        if actor.monitor:
            question = Question(new=Text(text=args.text, file=args.file), interfaces=host_interfaces())
            return (await self._apart.ask(question, actor)).findings
        loaded = await asyncio.to_thread(load, args.text, args.file, host_interfaces=host_interfaces())
        return loaded.findings

    @answers("explain")
    async def _explain(self, args: ExplainArgs, _: Actor) -> Explanation:
        return self._explainer.explain(args)

    @answers("sessions")
    async def _sessions(self, args: SessionsArgs, _: Actor) -> Sessions:
        forwarding = self._engine.forwarding
        limit = max(0, min(args.limit, SESSIONS_MOST))
        try:
            flows = forwarding.flows(limit, args.server, args.target, args.client or None)
        except ValueError as error:
            raise OpError("bad-args", str(error)) from error
        counters = forwarding.counters()
        return Sessions(
            total=int(counters.target_sessions.sum() + counters.target_half_open.sum()),
            sessions=[
                Session(
                    server=f.server,
                    target=f.target,
                    client=str(f.client),
                    port=f.port,
                    idle_s=f.idle_s,
                    state=_SESSION_STATE[f.state],
                )
                for f in flows
            ],
        )

    @answers("trend")
    async def _trend(self, args: TrendArgs, _: Actor) -> Trend:
        return await self._recorded(trend, args)

    @answers("trends")
    async def _trends(self, args: TrendsArgs, _: Actor) -> Trends:
        return await self._recorded(trends, args)

    async def _recorded(self, read: Callable[[Recorder, Config, Any, int], _T], args: msgspec.Struct) -> _T:
        engine = self._engine
        try:
            return await asyncio.to_thread(read, engine.recorder, engine.world.config, args, int(time.time()))
        except OSError as error:
            raise OpError("internal", f"what was recorded cannot be read: {error.strerror}") from error

    @answers("processes")
    async def _processes(self, _: NoArgs, __: Actor) -> list[ProcessState]:
        return processes(self._engine.forwarding.describe())

    @answers("running")
    async def _running(self, _: NoArgs, __: Actor) -> RunningConfig:
        return self._engine.transactions.text(time.monotonic())

    @answers("history")
    async def _history(self, _: NoArgs, __: Actor) -> list[Revision]:
        return self._engine.transactions.history()

    @answers("revision")
    async def _revision(self, args: RevisionArgs, _: Actor) -> Revision:
        return self._engine.transactions.revision(args.revision)

    @answers("diff")
    async def _diff(self, args: DiffArgs, actor: Actor) -> ConfigDiff:
        engine = self._engine
        if actor.monitor:
            return await self._compare_apart(Text(text=args.text, file=args.file), args.file, actor)
        return await asyncio.to_thread(engine.transactions.diff, args.text, args.file, engine.flows())

    @answers("file-diff")
    async def _file_diff(self, _: NoArgs, actor: Actor) -> ConfigDiff:
        engine = self._engine
        await engine.transactions.watch_file()
        if actor.monitor:
            name = str(engine.transactions.file)
            return await self._compare_apart(
                Text(text=engine.transactions.file_text(), file=name), name, actor
            )
        return await asyncio.to_thread(engine.transactions.file_diff, engine.flows())

    @answers("revision-diff")
    async def _revision_diff(self, args: RevisionDiffArgs, actor: Actor) -> ConfigDiff:
        engine = self._engine
        if actor.monitor:
            old, new = (self._revision_text(number) for number in (args.old, args.new))
            names = (f"revision {args.old}", f"revision {args.new}")
            flows = flows_of(engine.flows())
            asked = Question(new=new, old=old, base=args.old, names=names, **flows)
            found = await self._apart.ask(asked, actor)
            return msgspec.structs.replace(found, findings=[])
        compare = engine.transactions.compare_revisions
        return await asyncio.to_thread(compare, args.old, args.new, engine.flows())

    def _revision_text(self, number: int) -> Text:
        changes = self._engine.transactions
        return Text(text=changes.text_of(number), file=changes.name_of(number))

    async def _compare_apart(self, new: Text, name: str, actor: Actor) -> ConfigDiff:
        engine, running = self._engine, self._engine.transactions.running
        old = Text(text=running.text, file="running", language=running.language)
        names = (f"revision {running.revision}", name)
        flows = flows_of(engine.flows())
        interfaces = host_interfaces()
        asked = Question(new=new, old=old, base=running.revision, names=names, interfaces=interfaces, **flows)
        return await self._apart.ask(asked, actor)

    # -- changing ---------------------------------------------------------------------------------------------------

    @answers("admin")
    async def _admin(self, args: AdminArgs, actor: Actor) -> AdminResult:
        return await self._engine.change_admin(args, actor)

    async def _applied(self, change: Awaitable[Applied]) -> Applied:
        """Await a change, and note in its answer whether it is in force."""
        applied = await change
        applied.in_force = self._engine.in_force
        return applied

    @answers("apply")
    async def _apply(self, args: ApplyArgs, actor: Actor) -> Applied:
        return await self._applied(self._engine.transactions.apply(args, actor, time.monotonic()))

    @answers("command")
    async def _command(self, args: CommandArgs, actor: Actor) -> Applied:
        return await self._applied(self._engine.transactions.command(args, actor, time.monotonic()))

    @answers("confirm")
    async def _confirm(self, args: ConfirmArgs, actor: Actor) -> Applied:
        return await self._applied(self._engine.transactions.confirm(actor, args.trial, args))

    @answers("rollback")
    async def _rollback(self, args: RollbackArgs, actor: Actor) -> Applied:
        return await self._applied(self._engine.transactions.rollback(args, actor, time.monotonic()))

    @answers("save")
    async def _save(self, args: Consent, actor: Actor) -> Applied:
        return await self._applied(self._engine.transactions.save(actor, time.monotonic(), args))
