"""The daemon, put together: reads top to bottom as its story.

It owns every socket and clock of the control process. Modules decide without either; forwarding runs in processes of
its own and never waits for anything here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import signal
import socket
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

from engine import __version__, operational
from engine.api.messages import (
    PROTOCOL,
    AdminArgs,
    AdminResult,
    Alarm,
    CheckArgs,
    Event,
    ExplainArgs,
    Session,
    Sessions,
    SessionsArgs,
    State,
    Version,
)
from engine.api.server import OpError, Server, SocketUnavailableError
from engine.config import dump_balanceng, load
from engine.events import EventLog, timestamp
from engine.explain import Explainer
from engine.forwarding import Forwarding
from engine.host import Host, HostError
from engine.modules import chain as chains
from engine.modules.world import Notice, Outcome, World
from engine.probing import Prober
from engine.rates import Rates
from engine.snapshot import Gatherer
from engine.wire import Wire

if TYPE_CHECKING:
    import msgspec

    from engine.config.model import Config
    from engine.health.answer import ProbeAnswer
    from engine.modules.world import ProbeKey
    from engine.options import RunOptions

TICK_S = 0.1
"""Pace of the modules: a tenth of the shortest interval a configuration can name."""

PUBLISH_S = 1.0
"""Pace of snapshots; a change of health or admin state is published at once."""

_SESSIONS_MOST = 10_000  # in one answer: keeps it within a frame

log = logging.getLogger("engine")


def run(options: RunOptions) -> int:
    """Run the engine until SIGTERM or SIGINT: 0 after a clean stop, 1 where it cannot start (the reason is logged)."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)-7s %(message)s", level=logging.INFO, stream=sys.stderr
    )
    try:
        data = options.config.read_bytes()
    except OSError as error:
        log.error("%s: %s", options.config, error.strerror)  # noqa: TRY400 - the reason is enough
        return 1
    loaded = load(data, str(options.config))
    for finding in loaded.findings:
        log.log(logging.ERROR if finding.severity == "error" else logging.WARNING, "%s", finding)
    if not loaded.ok or loaded.config is None:
        log.error("%s is not valid; nothing was started", options.config)
        return 1
    try:
        return asyncio.run(Engine(options, loaded.config).main())
    except (HostError, SocketUnavailableError, PermissionError) as error:
        log.error("%s", error)  # noqa: TRY400 - an operator's error, no stack trace
        return 1


class Engine:
    """One running engine. It is also the backend of the consoles' server."""

    engine_version = __version__

    def __init__(self, options: RunOptions, config: Config) -> None:
        self.options = options
        self.boot_id = uuid.uuid4().hex
        self.hostname = socket.gethostname()
        self._started_at = time.monotonic()
        self.world = World(config)
        self.chain = chains.build(self.world)
        self.rates = Rates()
        self.forwarding = Forwarding(self.world, self.chain.view, options.workers or 1)
        self.gatherer = Gatherer(self.world, self.chain, self.forwarding, self.rates)
        self.explainer = Explainer(self.chain, self.forwarding)
        self.host = Host(options.run_dir / "added.json")
        self.server = Server(self, options.run_dir)
        self.event_log = EventLog(self.server.publish_event)
        self.prober = Prober(self._answered)
        self._admin_file = options.state_dir / "operational.json"
        self._wires: dict[int, Wire] = {}
        self._wire_index: dict[int, int] = {}
        self._stop = asyncio.Event()
        self._changed = True
        self._recompile = True
        self._alarms: dict[str, Alarm] = {}

    # -- the story --------------------------------------------------------------------------------------------------

    async def main(self) -> int:
        """Start, serve until told to stop, take everything back."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            await self._start()
            await self._serve()
        finally:
            await self._finish()
        return 0

    async def _start(self) -> None:
        for folder in (self.options.run_dir, self.options.state_dir):
            folder.mkdir(parents=True, exist_ok=True)
        kept = operational.load(self._admin_file)
        self.world.target_admin = {n: a for n, a in kept.targets.items() if self.world.config.target(n)}
        self.world.server_admin = {n: a for n, a in kept.servers.items() if self.world.config.server(n)}
        await self.server.start()
        await self.host.open()
        await self._follow_host()
        _notify("READY=1")
        config = self.world.config
        log.info(
            "running %s: %d servers, %d targets",
            self.options.config,
            len(config.servers),
            len(config.targets),
        )

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        next_second = loop.time()
        while not self._stop.is_set():
            now = time.monotonic()
            self._act(self.chain.tick(now))
            if loop.time() >= next_second:
                next_second = loop.time() + PUBLISH_S
                await self._every_second(now)
            self._settle()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TICK_S)

    async def _finish(self) -> None:
        _notify("STOPPING=1")
        for number in list(self._wires):
            self._close_wire(number)
        await self.prober.close()
        self.forwarding.stop()
        await self.server.close()
        await self.host.close()
        log.info("stopped")

    # -- the host ---------------------------------------------------------------------------------------------------

    async def _follow_host(self) -> None:
        """Take links, addresses and routes as they are now, and put right what is missing."""
        world, view = self.world, self.chain.view
        before = dict(world.links)
        world.links = await self.host.links(world.config)
        view.refresh()
        self.host.refuse_owned(v.address for v in view.virtuals.values())
        networks = [n for n in world.config.networks if n.registered and n.enabled]
        await self.host.ensure_real(networks, world.links)
        await self.host.blackhole(v.address for v in view.virtuals.values())
        if world.links != before:
            self._tell_links(before)
            for notice in self.forwarding.follow_links():
                self.event_log.add(notice)
            self._recompile = self._changed = True
        self._follow_wires()

    def _tell_links(self, before: dict[int, Any]) -> None:
        for interface in self.world.config.interfaces:
            if not interface.enabled:
                continue
            number, subject = interface.number, f"interface {interface.number}"
            link, former = self.world.links.get(number), before.get(number)
            state = "is missing" if link is None else "is up" if link.up else "is down"
            if link is not None and link.up:
                self._alarms.pop(subject, None)
            else:
                text = f"{interface.name} {state}: nothing is forwarded on it"
                self._alarms[subject] = Alarm(severity="error", subject=subject, message=text)
            if (former is None) != (link is None) or (former and link and former.up != link.up) or not before:
                up = link is not None and link.up
                text = f"{interface.name} {state}"
                self.event_log.add(Notice("datapath", "info" if up else "error", subject, text))

    def _follow_wires(self) -> None:
        """Have a control socket on every interface in use, listening for what concerns our addresses."""
        view = self.chain.view
        loop = asyncio.get_running_loop()
        for number in {site.interface for site in view.sites}:
            link = self.world.links.get(number)
            if number in self._wires and (link is None or self._wire_index[number] != link.ifindex):
                self._close_wire(number)
            if link is None:
                continue
            if number not in self._wires:
                try:
                    self._wires[number] = Wire(number, link.name)
                except OSError as error:
                    log.warning("%s: no packet socket: %s", link.name, error)
                    continue
                self._wire_index[number] = link.ifindex
                loop.add_reader(self._wires[number].fileno(), self._receive, number)
            real = [s.real for s in view.sites if s.interface == number and s.real]
            self._wires[number].listen_for(sorted(v.address for v in view.virtuals.values()), real)

    def _close_wire(self, number: int) -> None:
        wire = self._wires.pop(number)
        asyncio.get_running_loop().remove_reader(wire.fileno())
        wire.close()

    # -- frames, answers, time --------------------------------------------------------------------------------------

    def _receive(self, number: int) -> None:
        now = time.monotonic()
        for frame in self._wires[number].frames():
            self._act(self.chain.handle(frame, now))
        self._settle()

    def _answered(self, key: ProbeKey, answer: ProbeAnswer) -> None:
        outcome = self.chain.hc.result(
            key, answer.ok, answer.rtt_ms, answer.error, answer.certain, time.monotonic()
        )
        self._act(outcome)

    def _act(self, outcome: Outcome, actor: str | None = None) -> None:
        """Do what the modules want; `actor` is who caused it, if an operator did."""
        for frame in outcome.send:
            wire = self._wires.get(frame.interface)
            if wire is not None:
                wire.send(frame)
        for probe in outcome.probes:
            self.prober.start(probe)
        for notice in outcome.notices:
            self.event_log.add(notice, actor if notice.kind == "admin" else None)
            self._changed = True
        self._recompile = self._recompile or outcome.recompile

    def _settle(self) -> None:
        """Compile if something has changed, and show a change at once."""
        if self._recompile:
            self._recompile = False
            self._changed = True
            self.forwarding.compile(self.chain.slb.eligibility(time.monotonic()))
        if self._changed:
            self._changed = False
            self.server.publish_state(self.state())

    async def _every_second(self, now: float) -> None:
        counters = self.forwarding.counters()
        self.rates.update(counters, now)
        sessions = counters.target_sessions
        self.world.target_sessions = {t.number: int(sessions[t.number]) for t in self.world.config.targets}
        for notice in self.forwarding.watch(now):
            self.event_log.add(notice)
        await self._follow_host()
        self._changed = True

    def _reload(self) -> None:
        self.event_log.add(
            Notice(
                "config", "warning", "configuration", "SIGHUP: reloading is not built yet; restart to apply"
            )
        )

    # -- consoles ---------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Return a snapshot of now."""
        now = time.monotonic()
        counters = self.forwarding.counters()
        gather = self.gatherer
        return State(
            time=timestamp(),
            hostname=self.hostname,
            engine_version=__version__,
            boot_id=self.boot_id,
            uptime_s=round(now - self._started_at, 1),
            role="master" if self.world.master else "init",
            config_file=str(self.options.config),
            first_round_done=self.chain.hc.first_round_done and self.forwarding.settled(),
            servers=gather.servers(counters, now),
            targets=gather.targets(counters, now),
            datapath=gather.datapath(counters),
            interfaces=gather.interfaces(self.host.addresses),
            networks=gather.networks(),
            arp=gather.arp(now),
            modules=self.chain.describe(),
            vrrp=self.chain.vrrp.states(),
            alarms=[*self._alarms.values(), *self.world.alarms.values()],
            last_event_id=self.event_log.last_id,
        )

    def events(self, since: int, limit: int) -> list[Event]:
        """Return kept events with an id over `since`, the newest `limit` of them, oldest first."""
        return self.event_log.since(since, limit)

    async def call(self, op: str, args: msgspec.Struct, actor: str) -> Any:
        """Do one op of a console. Raises OpError."""
        if isinstance(args, AdminArgs):
            return self._admin(args, actor)
        if isinstance(args, SessionsArgs):
            return self._sessions(args)
        if isinstance(args, ExplainArgs):
            return self.explainer.explain(args)
        if isinstance(args, CheckArgs):
            names = [name for _, name in socket.if_nameindex()]
            return load(args.text, args.file, host_interfaces=names).findings
        if op == "conf":
            return dump_balanceng(self.world.config)
        if op == "version":
            return Version(
                engine_version=__version__,
                protocol=PROTOCOL,
                python=platform.python_version(),
                kernel=platform.release(),
                hostname=self.hostname,
                boot_id=self.boot_id,
                pid=os.getpid(),
                uptime_s=round(time.monotonic() - self._started_at, 1),
            )
        raise OpError("unknown-op", f"{op} is not built into this version")

    def _sessions(self, args: SessionsArgs) -> Sessions:
        limit = max(0, min(args.limit, _SESSIONS_MOST))
        # A client's entry may stand anywhere: look at all, then keep what was asked for.
        most = self.forwarding.describe()[2] if args.client else limit
        flows = self.forwarding.flows(most, args.server, args.target)
        if args.client:
            flows = [f for f in flows if f.client == args.client][:limit]
        counters = self.forwarding.counters()
        return Sessions(
            total=int(counters.target_sessions.sum()),
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

    def _admin(self, args: AdminArgs, actor: str) -> AdminResult:
        config = self.world.config
        known = (
            {t.number for t in config.targets}
            if args.what == "target"
            else {s.number for s in config.servers}
        )
        unknown = [n for n in args.numbers if n not in known]
        if unknown:
            raise OpError(
                "not-found", f"there is no {args.what} {', '.join(map(str, unknown))}; nothing was changed"
            )
        if args.what == "server" and args.action == "drain":
            raise OpError("bad-args", "a server is enabled or disabled; drain its targets")
        changed = [n for n in dict.fromkeys(args.numbers) if self._set_admin(args, n)]
        if changed:
            self._keep_operational()
            self._act(self.chain.tick(time.monotonic()), actor)
            self._settle()
        return AdminResult(changed=changed, unchanged=[n for n in args.numbers if n not in changed])

    def _set_admin(self, args: AdminArgs, number: int) -> bool:
        config = self.world.config
        if args.what == "target":
            target = config.target(number)
            wanted = {"enable": "enabled", "disable": "disabled", "drain": "draining"}[args.action]
            if target is None or self.gatherer.admin(target) == wanted:
                return False
            self.world.target_admin[number] = wanted  # type: ignore[assignment] # one of Admin's three words
            return True
        server = config.server(number)
        enable = args.action == "enable"
        if server is None or self.chain.view.server_enabled(server) == enable:
            return False
        self.world.server_admin[number] = "enabled" if enable else "disabled"
        return True

    def _keep_operational(self) -> None:
        kept = operational.Operational(targets=self.world.target_admin, servers=self.world.server_admin)
        try:
            operational.save(self._admin_file, kept)
        except OSError as error:
            text = f"not kept for the next start: {self._admin_file}: {error.strerror}"
            self.event_log.add(Notice("admin", "warning", "operational state", text))


def _notify(message: str) -> None:
    """Tell the service manager, where there is one (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        sock.sendto(message.encode(), address)
