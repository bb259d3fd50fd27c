"""What consoles ask, answered: state, events, sessions, explanations, and the changes that operators make."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

from engine import __version__
from engine.api.messages import PROTOCOL, Event, Session, Sessions, State, Version
from engine.api.ops import (
    AdminArgs,
    ApplyArgs,
    CheckArgs,
    CommandArgs,
    DiffArgs,
    ExplainArgs,
    RevisionArgs,
    RevisionDiffArgs,
    RollbackArgs,
    SessionsArgs,
)
from engine.config.language.balanceng import dump as dump_balanceng
from engine.config.load import load
from engine.domain.errors import OpError
from engine.report.events import timestamp
from engine.report.explain import Explainer
from engine.report.snapshot import Gatherer

if TYPE_CHECKING:
    import msgspec

    from engine.engine import Engine

_CONFIGURATION = frozenset(
    {
        "running",
        "diff",
        "history",
        "revision",
        "revision-diff",
        "apply",
        "command",
        "confirm",
        "rollback",
        "save",
    }
)

SESSIONS_MOST = 10_000
"""Sessions in one answer: keeps it within a frame."""


class Backend:
    """The engine as its consoles' server sees it (engine.api.server.Backend)."""

    engine_version = __version__

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gather = Gatherer(engine.world, engine.chain, engine.forwarding, engine.rates, engine.admin)
        self._explainer = Explainer(engine.chain, engine.forwarding)
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
            first_round_done=engine.chain.hc.first_round_done and settled,
            servers=gather.servers(counters, now),
            targets=gather.targets(counters, now),
            datapath=gather.datapath(counters),
            interfaces=gather.interfaces(engine.host.addresses),
            networks=gather.networks(),
            arp=gather.arp(now),
            modules=gather.modules(),
            vrrp=gather.vrrp(),
            alarms=[*engine.alarms, *engine.world.alarms.values()],
            last_event_id=engine.event_log.last_id,
            config=engine.transactions.status(now),
        )

    def events(self, since: int, limit: int) -> list[Event]:
        """Return kept events with an id over `since`, the newest `limit` of them, oldest first."""
        return self._engine.event_log.since(since, limit)

    async def call(self, op: str, args: msgspec.Struct, actor: str) -> Any:
        """Do one op of a console. Raises OpError."""
        if isinstance(args, AdminArgs):
            return await self._engine.change_admin(args, actor)
        if isinstance(args, SessionsArgs):
            return self._sessions(args)
        if isinstance(args, ExplainArgs):
            return self._explainer.explain(args)
        if isinstance(args, CheckArgs):
            names = [name for _, name in socket.if_nameindex()]
            loaded = await asyncio.to_thread(load, args.text, args.file, host_interfaces=names)
            return loaded.findings
        if op == "conf":
            return dump_balanceng(self._engine.world.config)
        if op in _CONFIGURATION:
            return await self._configuration(op, args, actor)
        if op == "version":
            return self._version()
        raise OpError("unknown-op", f"{op} is not built into this version")

    async def _configuration(self, op: str, args: msgspec.Struct, actor: str) -> Any:
        """Look at or change the configuration."""
        transactions, now = self._engine.transactions, time.monotonic()
        match args:
            case DiffArgs():
                return await asyncio.to_thread(transactions.diff, args.text, args.file, self._engine.flows())
            case ApplyArgs():
                return await transactions.apply(args, actor, now)
            case CommandArgs():
                return await transactions.command(args, actor, now)
            case RollbackArgs():
                return await transactions.rollback(args, actor, now)
            case RevisionArgs():
                return transactions.revision(args.revision)
            case RevisionDiffArgs():
                flows = self._engine.flows()
                return await asyncio.to_thread(transactions.compare_revisions, args.old, args.new, flows)
        match op:
            case "running":
                return transactions.text(now)
            case "history":
                return transactions.history()
            case "confirm":
                return await transactions.confirm(actor)
            case _:
                return await transactions.save(actor, now)

    def _version(self) -> Version:
        return Version(
            engine_version=__version__,
            protocol=PROTOCOL,
            python=platform.python_version(),
            kernel=platform.release(),
            hostname=self.hostname,
            boot_id=self.boot_id,
            pid=os.getpid(),
            uptime_s=self.uptime_s,
        )

    def _sessions(self, args: SessionsArgs) -> Sessions:
        forwarding = self._engine.forwarding
        limit = max(0, min(args.limit, SESSIONS_MOST))
        try:
            flows = forwarding.flows(limit, args.server, args.target, args.client or None)
        except ValueError as error:
            raise OpError("bad-args", str(error)) from error
        return Sessions(
            total=int(forwarding.counters().target_sessions.sum()),
            sessions=[
                Session(
                    server=f.server,
                    target=f.target,
                    client=f.client,
                    port=f.port,
                    idle_s=f.idle_s,
                    state="closing" if f.closing else "open",
                )
                for f in flows
            ],
        )
