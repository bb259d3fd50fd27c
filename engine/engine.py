"""The daemon, put together: reads top to bottom as its story.

It owns every socket and clock of the control process. Modules decide without either; forwarding runs in processes of
its own and never waits for anything here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from pyroute2.netlink.exceptions import NetlinkError

from engine.api.server import Server, SocketUnavailableError
from engine.changes.admin import AdminState
from engine.changes.revisions import Store
from engine.changes.running import SwitchError, recall
from engine.changes.transactions import Transactions
from engine.config.difference.compare import Flows
from engine.config.load import load
from engine.domain.errors import OpError
from engine.domain.notices import Alarm, Notice
from engine.forwarding import WHY_AFPACKET, Forwarding
from engine.health.runner import Prober
from engine.io.control_sockets import Wires
from engine.io.netlink import Host, HostError
from engine.modules import chain as chains
from engine.modules.state.world import Outcome, World
from engine.report.backend import Backend
from engine.report.events import EventLog
from engine.report.rates import Rates

if TYPE_CHECKING:
    from typing import Literal

    from engine.api.messages import AdminResult
    from engine.api.ops import AdminArgs
    from engine.config.load import Loaded
    from engine.config.model import Config
    from engine.domain.checks import ProbeKey
    from engine.domain.frame import Link
    from engine.domain.notices import EventSeverity
    from engine.domain.states import Admin
    from engine.health.answer import ProbeAnswer
    from engine.options import RunOptions

HOST_REFUSES = (HostError, NetlinkError, OSError)
"""What the host may say to anything asked of it: reasons to try again, never to end."""

TICK_S = 0.1
"""Pace of the modules: a tenth of the shortest interval a configuration can name."""

PUBLISH_S = 1.0
"""Pace of snapshots; a change of health or admin state is published at once."""

SWITCH_S = 0.0005
"""How long a thread that reads a large configuration keeps the interpreter from the loop, which has to ask for it anew
after every system call: Python's own 5 ms add up to a second where a dozen consoles are busy."""

PREPARE_AGAIN = 4
"""How often a table is prepared anew where its targets changed meanwhile; then it is compiled as it is."""

log = logging.getLogger("engine")


def run(options: RunOptions) -> int:
    """Run the engine until SIGTERM or SIGINT: 0 after a clean stop, 1 where it cannot start (the reason is logged)."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)-7s %(message)s", level=logging.INFO, stream=sys.stderr
    )
    _raise_file_limit()
    if options.datapath.startswith("xdp"):
        log.error("--datapath %s: %s; use auto or afpacket", options.datapath, WHY_AFPACKET)
        return 1
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
    sys.setswitchinterval(SWITCH_S)
    try:
        return asyncio.run(Engine(options, data, loaded).main())
    except (*HOST_REFUSES, SocketUnavailableError) as error:
        log.error("%s", error)  # noqa: TRY400 - an operator's error, no stack trace
        return 1


def _raise_file_limit() -> None:
    """Allow as many descriptors as the host does: 1,024 targets may be connected to at once by their checks."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Engine:
    """One running engine."""

    def __init__(self, options: RunOptions, data: bytes, loaded: Loaded) -> None:
        """Put the parts together; `data` is the configuration file's content, `loaded` what it says, without errors."""
        self.options = options
        store = Store(options.state_dir / "revisions")
        running, self._recalled = recall(store, data, loaded)
        self.world = World(running.config)
        self.chain = chains.build(self.world)
        self.rates = Rates()
        self.forwarding = Forwarding(self.world, self.chain.view, options.workers or 1)
        self.admin = AdminState(self.world, options.state_dir / "operational.json")
        self.host = Host(options.run_dir / "added.json")
        self.transactions = Transactions(self, store, options.config, running)
        self.backend = Backend(self)
        self.server = Server(self.backend, options.run_dir)
        self.event_log = EventLog(self.server.publish_event)
        self.prober = Prober(self._answered)
        self.wires = Wires(self.world, self.chain.view, self._receive)
        self._stop = asyncio.Event()
        self._host_lock = asyncio.Lock()
        self._changed = True
        self._recompile = True
        self._unsettled = asyncio.Event()
        self._link_told: dict[str, str] = {}
        self.alarms: dict[str, Alarm] = {}

    # -- the story --------------------------------------------------------------------------------------------------

    async def main(self) -> int:
        """Start, serve until told to stop, take everything back."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            await self._start()
            settling = asyncio.create_task(self._keep_settled(), name="settle")
            try:
                await self._serve()
            finally:
                settling.cancel()
        finally:
            await self._finish()
        return 0

    async def _start(self) -> None:
        self.options.run_dir.mkdir(parents=True, exist_ok=True)
        self.admin.load()
        for text in self._recalled:
            self.tell("warning", text, None)
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
            every_second = loop.time() >= next_second
            if every_second:
                next_second = loop.time() + PUBLISH_S
            try:
                await self._turn(now, every_second=every_second)
                self.alarms.pop("turn", None)
            except Exception as error:  # noqa: BLE001 - whatever it is, consoles and checks go on
                self._confess("turn", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TICK_S)

    async def _turn(self, now: float, *, every_second: bool) -> None:
        await self.transactions.tick(now)
        self._act(self.chain.tick(now))
        if every_second:
            await self._every_second(now)
        self._unsettled.set()

    def _confess(self, key: str, error: Exception) -> None:
        """Tell of a fault of the engine's own. It goes on: the workers forward by the last table meanwhile."""
        text = f"fault in the engine, forwarding goes on: {type(error).__name__}: {error}"
        if key not in self.alarms or self.alarms[key].message != text:
            log.error("%s", text, exc_info=error)
            self.event_log.add(Notice("config", "error", "engine", text))
        self.alarms[key] = Alarm(severity="error", subject="engine", message=text)

    async def _finish(self) -> None:
        _notify("STOPPING=1")
        self.wires.close()
        await self.prober.close()
        self.forwarding.stop()
        await self.server.close()
        await self.host.close()
        log.info("stopped")

    # -- the host ---------------------------------------------------------------------------------------------------

    async def _follow_host(self) -> None:
        """Take links, addresses and routes as they are now, and put right what is missing. Raises HostError."""
        async with self._host_lock:
            before = self.world.links
            await self._take_links()
            await self._prepare_host()
            self._follow_links(before)

    async def _take_links(self) -> None:
        self.world.links = await self.host.links(self.world.config)
        self.chain.view.refresh()

    async def _prepare_host(self) -> None:
        """Have the addresses and routes that the configuration needs. Raises HostError."""
        world = self.world
        virtual = [v.address for v in self.chain.view.virtuals.values()]
        self.host.refuse_owned(virtual)
        networks = [n for n in world.config.networks if n.registered and n.enabled]
        await self.host.ensure_real(networks, world.links)
        await self.host.retire_real(n.real for n in networks if n.real)
        await self.host.blackhole(virtual)

    def _follow_links(self, before: dict[int, Link]) -> None:
        """Have a datapath and a control socket on what links there are."""
        self._tell_links()
        for notice in self.forwarding.follow_links():
            self.event_log.add(notice)
            self._recompile = True
        self._recompile = self._recompile or self.world.links != before
        self.wires.follow()

    async def _keep_following(self) -> None:
        """Follow the host while running: what it refuses now is an alarm, and forwarding goes on."""
        try:
            async with self._host_lock:
                before, config = self.world.links, self.world.config
                await self._take_links()
                try:
                    await self._prepare_host()
                finally:
                    # A change that the host refuses just now is taken back: then there is nothing to follow.
                    if self.world.config is config:
                        self._follow_links(before)
        except HOST_REFUSES as error:
            if "host" not in self.alarms or self.alarms["host"].message != str(error):
                self.event_log.add(Notice("config", "error", "host", str(error)))
            self.alarms["host"] = Alarm(severity="error", subject="host", message=str(error))
        else:
            self.alarms.pop("host", None)

    def _tell_links(self) -> None:
        """Tell what became of each interface, once; what is not up is an alarm."""
        for interface in self.world.config.interfaces:
            if not interface.enabled:
                continue
            subject = f"interface {interface.number}"
            link = self.world.links.get(interface.number)
            up = link is not None and link.up
            text = f"{interface.name} is {'missing' if link is None else 'up' if up else 'down'}"
            if up:
                self.alarms.pop(subject, None)
            else:
                message = f"{text}: nothing is forwarded on it"
                self.alarms[subject] = Alarm(severity="error", subject=subject, message=message)
            if self._link_told.get(subject) != text:
                self._link_told[subject] = text
                self.event_log.add(Notice("datapath", "info" if up else "error", subject, text))

    # -- frames, answers, time --------------------------------------------------------------------------------------

    def _receive(self, number: int) -> None:
        now = time.monotonic()
        for frame in self.wires.frames(number):
            self._act(self.chain.handle(frame, now))
        self._unsettled.set()

    def _answered(self, key: ProbeKey, answer: ProbeAnswer) -> None:
        outcome = self.chain.hc.result(
            key, answer.ok, answer.rtt_ms, answer.error, answer.certain, time.monotonic()
        )
        self._act(outcome)

    def _act(self, outcome: Outcome, actor: str | None = None) -> None:
        """Do what the modules want; `actor` is who caused it, if an operator did."""
        for frame in outcome.send:
            self.wires.send(frame)
        for probe in outcome.probes:
            self.prober.start(probe)
        for notice in outcome.notices:
            self.event_log.add(notice, actor if notice.kind == "admin" else None)
            self._changed = True
        self._recompile = self._recompile or outcome.recompile

    async def _keep_settled(self) -> None:
        """Settle whenever something may have changed, but leave twice as much time for the rest as it takes.

        With 1,024 targets it takes some 60 ms, and at the start a thousand of them are found one after the other.
        """
        while True:
            await self._unsettled.wait()
            self._unsettled.clear()
            took = 0.0
            try:
                await self._prepare()
                begin = time.monotonic()
                self._settle_now()
                took = time.monotonic() - begin
                self.alarms.pop("table", None)
            except Exception as error:  # noqa: BLE001 - as in `_serve`
                self._confess("table", error)
            await asyncio.sleep(2 * took)

    async def _settle(self) -> None:
        """Compile if something has changed, and show a change at once."""
        await self._prepare()
        self._settle_now()

    async def _prepare(self) -> None:
        """Have ready what takes long to compile; others have their turns meanwhile."""
        for _ in range(PREPARE_AGAIN):
            decisions = self.chain.slb.eligibility(time.monotonic())
            if not self._recompile:
                return
            await self.forwarding.prepare(decisions)
            if self.chain.slb.eligibility(time.monotonic()) == decisions:
                return

    def _settle_now(self) -> None:
        if self._recompile:
            self.forwarding.compile(self.chain.slb.eligibility(time.monotonic()))
            self._recompile = False  # not before: what fails is tried again, and whoever asked for it is told
            self._changed = True
        if self._changed:
            self._changed = False
            if self.server.consoles:
                self.server.publish_state(self.backend.state())

    async def _every_second(self, now: float) -> None:
        counters = self.forwarding.counters()
        self.rates.update(counters, now)
        sessions = counters.target_sessions
        self.world.target_sessions = {t.number: int(sessions[t.number]) for t in self.world.config.targets}
        for notice in self.forwarding.watch(now):
            self.event_log.add(notice)
        await self._keep_following()
        self._changed = True

    # -- changes ----------------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Read the configuration file again, as SIGHUP asks."""

        async def reload() -> None:
            try:
                await self.transactions.reload_file("SIGHUP", time.monotonic())
            except OpError as error:
                self.tell("error", f"SIGHUP: {self.options.config} is not applied: {error}", None)

        self._reloading = asyncio.create_task(reload(), name="reload")

    async def switch(self, config: Config, actor: str) -> None:
        """Go over to `config`; raises SwitchError, the former one running again (transactions.Runner)."""
        former = self.world.config
        try:
            await self._go_over(config, actor)
        except (*HOST_REFUSES, ValueError) as error:
            try:
                await self._go_over(former, actor)
            except HOST_REFUSES as refused:
                # The host refuses whatever there is now; `_keep_following` asks it again every second.
                self.tell(
                    "error", f"the former configuration runs on as far as the host lets it: {refused}", actor
                )
                self._recompile = True
            raise SwitchError(str(error)) from error
        self.admin.forget_unknown()

    async def _go_over(self, config: Config, actor: str) -> None:
        self.chain.reconfigure(config)
        await self._follow_host()
        self._act(self.chain.tick(time.monotonic()), actor)
        self._recompile = True
        await self._settle()

    def flows(self) -> Flows:
        """Count the flows of servers and targets now."""
        counters = self.forwarding.counters()
        return Flows(
            servers={n: int(c) for n, c in enumerate(counters.server_sessions) if c},
            targets={n: int(c) for n, c in enumerate(counters.target_sessions) if c},
            pairs=self.forwarding.pairs(),
        )

    def overrides(self) -> tuple[dict[int, Admin], dict[int, Literal["enabled", "disabled"]]]:
        """Return what operators have said of targets and servers, apart from the file."""
        return self.world.target_admin, self.world.server_admin

    def settle_overrides(self) -> None:
        """Forget overrides that say what the configuration says itself."""
        self.admin.forget_agreeing()
        self._keep_admin()

    def tell(self, severity: EventSeverity, message: str, actor: str | None) -> None:
        """Add an event of kind config."""
        self.event_log.add(Notice("config", severity, "configuration", message), actor)
        self._changed = True

    def _keep_admin(self) -> None:
        trouble = self.admin.keep()
        if trouble is not None:
            self.event_log.add(Notice("admin", "warning", "operational state", trouble))

    async def change_admin(self, args: AdminArgs, actor: str) -> AdminResult:
        """Enable, disable or drain at once: the next packet sees it. Raises OpError."""
        result = self.admin.change(args)
        if result.changed:
            self._keep_admin()
            self._act(self.chain.tick(time.monotonic()), actor)
            await self._settle()
        return result


def _notify(message: str) -> None:
    """Tell the service manager, where there is one (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        sock.sendto(message.encode(), address)
