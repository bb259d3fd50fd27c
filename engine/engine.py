"""The daemon, put together: reads top to bottom as its story.

It owns every socket and clock of the control process. Modules decide without either; forwarding runs in processes of
its own and never waits for anything here.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import math
import resource
import signal
import sys
import time
from typing import TYPE_CHECKING

from engine.api.server import Server, SocketUnavailableError
from engine.changes.admin import AdminState
from engine.changes.configuration import recall
from engine.changes.revisions import RevisionStore
from engine.changes.runner import SwitchError
from engine.changes.transactions import Transactions
from engine.config.difference.compare import Flows
from engine.config.load import load
from engine.datapath.choice import choose
from engine.datapath.contract import DatapathError
from engine.domain.actor import SIGHUP
from engine.domain.errors import OpError
from engine.domain.notices import Notice
from engine.follow_host import HOST_REFUSES, HostFollower
from engine.forwarding import Forwarding
from engine.health.runner import Prober
from engine.io import privileges
from engine.io.control_sockets import ControlSockets
from engine.io.host.host import Host
from engine.io.log_lines import LogLines
from engine.io.service_manager import Watchdog, log_format, notify
from engine.modules.chain import build_chain
from engine.modules.state.world import Outcome, World
from engine.report.alarms import Alarms
from engine.report.backend import Backend
from engine.report.drained import Drained
from engine.report.duties import Duties
from engine.report.event_file import EventFile
from engine.report.events import KEPT, EventLog, log_event
from engine.report.floods import Floods
from engine.report.last_run import LastRun
from engine.report.lights import Lights
from engine.report.measuring import Measuring
from engine.report.records import Records
from engine.settle import Settler
from engine.trends.rates import Rates
from engine.trends.recorder import Recorder
from engine.turns import TURN_S, Every, Rota, Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Literal

    from engine.api.messages import AdminResult, Role
    from engine.api.ops import AdminArgs
    from engine.config.load import Loaded
    from engine.config.model import Config
    from engine.datapath.choice import Choice
    from engine.domain.actor import Actor
    from engine.domain.checks import ProbeAnswer, ProbeKey
    from engine.domain.notices import EventSeverity
    from engine.domain.states import Admin
    from engine.options import RunOptions

SECOND_S = 1.0
"""Pace of what is done all the time, snapshots too; a change of health or admin state is published at once."""

LOG_S = 5.0
"""How long a line may wait for who reads the log until that is an alarm."""

DISK_S = 2.0
"""How long the end of the engine waits for a disk that does not answer."""

SOCKETS_S = 2.0
"""Time between two looks whether the sockets are still in the run directory."""

MODULE_DUTIES = {
    "vrrp": "elect a master",
    "arp": "announce and defend virtual addresses, find MACs",
    "ping": "answer echo requests",
    "hc": "check the targets",
    "master": "hold back what stands after it on a backup",
    "slb": "decide who serves",
}
"""What a module does again and again, by its name."""

SWITCH_S = 0.0005
"""How long a thread that reads a large configuration keeps the interpreter from the loop, which has to ask for it anew
after every system call: Python's own 5 ms add up to a second where a dozen consoles are busy."""

log = logging.getLogger("engine")


def run(options: RunOptions) -> int:
    """Run the engine until SIGTERM or SIGINT: 0 after a clean stop, 1 where it cannot start (the reason is logged)."""
    lines = LogLines(sys.stderr.fileno(), whole=("engine.event",))
    lines.setFormatter(log_format(sys.stderr))
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    _raise_file_limit()
    try:
        choice = choose(options.datapath)
    except DatapathError as error:
        log.error("--datapath %s: %s", options.datapath, error)  # noqa: TRY400 - an operator's error
        return 1
    try:
        data = options.config.read_bytes()
    except OSError as error:
        log.error("%s: %s", options.config, error.strerror)  # noqa: TRY400 - the reason is enough
        return 1
    try:
        groups = _groups(options)
    except LookupError as error:
        log.error("%s", error)  # noqa: TRY400 - an operator's error
        return 1
    loaded = load(data, str(options.config))
    valid = loaded.ok and loaded.config is not None
    # Before the first line of the log, whose thread would keep what it has (capabilities(7): they are a thread's).
    by_xdp = choice.kind != "afpacket"
    left = privileges.restrict_control(groups.values(), by_xdp=by_xdp) if valid else []
    for finding in loaded.findings:
        log.log(logging.ERROR if finding.severity == "error" else logging.WARNING, "%s", finding)
    if not valid:
        log.error("%s is not valid; nothing was started", options.config)
        return 1
    for kept in left:
        log.warning("%s", kept)
    sys.setswitchinterval(SWITCH_S)
    try:
        return asyncio.run(Engine(options, data, loaded, choice, groups, lines).main())
    except (*HOST_REFUSES, SocketUnavailableError) as error:
        log.error("%s", error)  # noqa: TRY400 - an operator's error, no stack trace
        return 1


def _raise_file_limit() -> None:
    """Allow as many descriptors as the host does: 1,024 targets may be connected to at once by their checks."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _groups(options: RunOptions) -> dict[Role, int]:
    """Return the ids of the groups that may use a socket. Raises LookupError with what to do."""
    names: dict[Role, str | None] = {"operator": options.operator_group, "monitor": options.monitor_group}
    found: dict[Role, int] = {}
    for role, name in names.items():
        if name is None:
            continue
        try:
            found[role] = grp.getgrnam(name).gr_gid
        except KeyError:
            raise LookupError(
                f"--{role}-group {name}: there is no such group; make it: groupadd --system {name}"
            ) from None
    return found


class Engine:
    """One running engine."""

    def __init__(
        self,
        options: RunOptions,
        data: bytes,
        loaded: Loaded,
        choice: Choice,
        groups: dict[Role, int] | None = None,
        log_lines: LogLines | None = None,
    ) -> None:
        """Put the parts together; `data` is the configuration file's content, `loaded` what it says, without errors.

        `groups` are the ids of the groups that may use a socket, by role; `log_lines` writes the log.
        """
        self.options = options
        self._log_lines = log_lines
        store = RevisionStore(options.state_dir / "revisions")
        running, self._recalled = recall(store, data, loaded)
        self.world = World(running.config, force_claim=options.force_claim)
        self.chain = build_chain(self.world)
        self.rates = Rates()
        self.recorder = Recorder(options.state_dir / "trends")
        self.forwarding = Forwarding(self.world, self.chain.view, choice, options.workers or 1)
        self.admin = AdminState(self.world, options.state_dir / "operational.json")
        self.host = Host(options.run_dir / "added.json")
        self.transactions = Transactions(self, store, options.config, running)
        self.event_log = EventLog(log_event)
        self.event_file = EventFile(options.state_dir)
        self.event_log.restore(self.event_file.load(KEPT))
        self.event_log.subscribe(self.event_file.add)
        self.last_run = LastRun(options.state_dir)
        self.alarms = Alarms(self.event_log)
        self.lights = Lights(self.chain, self.forwarding, self.alarms, self.event_log)
        self.records = Records(self.transactions, self.admin, self.alarms, self.event_log)
        self.measuring = Measuring(self.chain, self.admin, self.rates, self.recorder, self.alarms)
        self.floods = Floods(self.world, self.alarms, self.event_log)
        self.drained = Drained(self.world)
        self.backend = Backend(self)
        self.server = Server(self.backend, options.run_dir, groups=groups)
        self.event_log.subscribe(self.server.publish_event)
        self.prober = Prober(self._answered)
        self.control_sockets = ControlSockets(self._receive)
        self.duties = Duties(self.alarms)
        self.settler = Settler(
            self.chain.slb,
            self.forwarding,
            self.duties.add("tables", "have the workers forward by what is decided"),
            self.duties.add("publishing", "show consoles the state"),
            self._show,
        )
        self.follower = HostFollower(
            self.world,
            self.chain,
            self.host,
            self.forwarding,
            self.control_sockets,
            self.settler,
            self.alarms,
            self.event_log,
            self.duties.add("notices", "follow at once what the kernel says has changed"),
        )
        self._counters = self.forwarding.counters()
        self.rota = Rota()
        self.turns = Turns(self.rota.next_due)
        self.rota.ended = self.turns.look_again
        self.watchdog = Watchdog(self.forwarding.silent_s)
        self._share_out()

    def _share_out(self) -> None:
        """Give each duty its turns. A turn begins them in this order."""

        def regular(
            name: str, what: str, work: Callable[[float], Awaitable[None] | None], period_s: float = SECOND_S
        ) -> None:
            self.rota.add(self.duties.add(name, what, due=Every(period_s)), work)

        def when_due(
            name: str,
            what: str,
            work: Callable[[float], Awaitable[None] | None],
            due: Callable[[float], float],
        ) -> None:
            self.rota.add(self.duties.add(name, what, due=due), work)

        when_due("trials", "take back what nobody confirmed", self.transactions.tick, self._trial_due)
        regular("counters", "read the workers' counters, compute rates", self._count)
        regular("trends", "remember what was measured", self._measure)
        regular("lights", "compare what is shown with what is forwarded", self._look_at_lights)
        regular("floods", "look for floods of frames to the control process", self._look_for_floods)
        regular("workers", "have a worker for each share of an interface", self._watch_workers)
        regular("links", "follow links, addresses and routes of the host", self._follow_host)
        when_due("records", "keep history and operational state", self.records.keep, self.records.due)
        regular("file", "see whether somebody changes the configuration file", self.records.watch_file)
        regular("sockets", "have both sockets in the run directory", self._keep_sockets, SOCKETS_S)
        for module in self.chain.every.values():
            if module.state == "active":
                name = f"module {module.name}"
                self.chain.guards[module.name] = self.duties.add(name, MODULE_DUTIES[module.name])
        when_due("modules", "give every module its turn when it is due", self._tick, self.chain.next_due)
        regular("service manager", "tell it that the engine is alive", self.watchdog.feed)
        regular("watch", "tell which duty is late, and what is over", self._watch_duties)

    # -- the story --------------------------------------------------------------------------------------------------

    async def main(self) -> int:
        """Start, serve until told to stop, take everything back."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.turns.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            await self._start()
            settling = asyncio.create_task(self.settler.keep_settled(), name="settle")
            following = asyncio.create_task(self.follower.follow_notices(self._tick), name="follow host")
            try:
                await self._serve()
            finally:
                settling.cancel()
                following.cancel()
        finally:
            await self._finish()
        return 0

    async def _start(self) -> None:
        self.options.run_dir.mkdir(parents=True, exist_ok=True)
        for text in filter(None, [*self._recalled, self.admin.load(time.monotonic(), time.time())]):
            self.tell("warning", text, None)
        await self.server.start()
        if (told := self.last_run.begin()) is not None:
            self.event_log.add(told)
        await self.host.open()
        await self.follower.follow()
        notify("READY=1")
        config = self.world.config
        log.info(
            "running %s: %d servers, %d targets",
            self.options.config,
            len(config.servers),
            len(config.targets),
        )

    async def _serve(self) -> None:
        while not self.turns.stopped:
            now = time.monotonic()
            self.rota.turn(now)
            self.settler.wake()
            await self.turns.sleep(now, now + SECOND_S)

    def _trial_due(self, _: float) -> float:
        trial = self.transactions.trial
        return trial.deadline if trial is not None else math.inf

    async def _finish(self) -> None:
        """Stop everything, each whatever becomes of the others: the host gets back what is its own."""
        notify("STOPPING=1")
        async with contextlib.AsyncExitStack() as last_first:
            last_first.push_async_callback(self.host.close)
            last_first.callback(self.last_run.end)
            last_first.callback(self.recorder.close)
            last_first.callback(self.event_file.close)
            last_first.push_async_callback(self.server.close)
            last_first.callback(self.forwarding.stop)
            last_first.push_async_callback(self._end_writing)
            last_first.push_async_callback(self.rota.stop)
            last_first.push_async_callback(self.prober.close)
            last_first.callback(self.control_sockets.close)
            for frame in self.chain.farewell():
                self.control_sockets.send(frame)
        log.info("stopped")

    async def _end_writing(self) -> None:
        if not await self.transactions.writer.drain(DISK_S):
            log.warning("the disk of %s does not answer; not waited for", self.options.state_dir)

    # -- frames, answers, time --------------------------------------------------------------------------------------

    def _receive(self, number: int) -> None:
        now = time.monotonic()
        for frame in self.control_sockets.frames(number):
            try:
                self._act(self.chain.handle(frame, now))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next frame is handled
                self.alarms.report_fault("frame", error)

    def _answered(self, key: ProbeKey, answer: ProbeAnswer) -> None:
        try:
            self._act(self.chain.result(key, answer, time.monotonic()))
            self.measuring.note(key, answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next answer is taken
            self.alarms.report_fault("answer", error)

    def _act(self, outcome: Outcome, actor: Actor | None = None) -> None:
        """Do what the modules want; `actor` is who caused it, if an operator did."""
        for frame in outcome.send:
            self.control_sockets.send(frame)
        for probe in outcome.probes:
            self.prober.start(probe)
        for notice in outcome.notices:
            self.event_log.add(notice, actor if notice.kind == "admin" else None)
            self.settler.want_shown()
        if outcome.recompile:
            self.settler.want_table()
        if outcome.recompile or outcome.notices:
            self.settler.wake()
        self.turns.look_again()

    def _show(self) -> None:
        """Show the state to whoever looks, at once."""
        if self.server.consoles:
            self.server.publish_state(self.backend.state())

    # -- duties -----------------------------------------------------------------------------------------------------

    def _tick(self, _: float | None = None) -> None:
        """Have the modules do what is due."""
        self._act(self.chain.tick(time.monotonic()))

    def _count(self, now: float) -> None:
        self._counters = self.forwarding.counters()
        self.rates.update(self._counters, now)
        sessions = self._counters.target_sessions
        self.world.target_sessions = {t.number: int(sessions[t.number]) for t in self.world.config.targets}
        for notice in self.drained.look(self._counters, now):
            self.event_log.add(notice)
        self.settler.want_shown()

    def _measure(self, now: float) -> None:
        self.measuring.look(self._counters, now)

    def _look_at_lights(self, now: float) -> None:
        self.lights.look(self._counters, now)

    def _look_for_floods(self, now: float) -> None:
        self.floods.look(self.control_sockets.counts(), now)

    def _watch_workers(self, now: float) -> None:
        for notice in self.forwarding.watch(now):
            self.event_log.add(notice)
            self.settler.want_shown()
        for notice, actor in self.settler.in_force_at_last():
            self.event_log.add(notice, actor)
            self.settler.want_shown()

    async def _follow_host(self, _: float) -> None:
        await self.follower.keep_following()
        self.settler.wake()

    async def _keep_sockets(self, _: float) -> None:
        for text in await self.server.keep_listening():
            self.tell("warning", text, None)

    def _watch_duties(self, now: float) -> None:
        for fault in ("frame", "answer"):  # told once a second at most, and gone when it is over
            self.alarms.clear(fault)
        self.duties.watch(now)
        if self._log_lines is not None and self._log_lines.waits_s() > LOG_S:
            dropped = self._log_lines.dropped
            self.alarms.set("log", "log", f"nobody reads the log; {dropped} lines were dropped", "warning")
        else:
            self.alarms.clear("log")

    # -- changes ----------------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Read the configuration file again, as SIGHUP asks."""

        async def reload() -> None:
            try:
                await self.transactions.reload_file(SIGHUP, time.monotonic())
            except OpError as error:
                self.tell("error", f"SIGHUP: {self.options.config} is not applied: {error}", None)

        self._reloading = asyncio.create_task(reload(), name="reload")

    async def switch(self, config: Config, actor: Actor) -> None:
        """Go over to `config`; raises SwitchError, the former one running again (changes.runner.Runner)."""
        former = self.world.config
        try:
            await self._go_over(config, actor)
        except Exception as error:
            if not isinstance(error, (*HOST_REFUSES, ValueError)):
                log.exception("a fault in the engine, going over to a configuration")
            try:
                await self._go_over(former, actor)
            except Exception as refused:  # noqa: BLE001 - whatever it is, what runs is the former one
                # The host refuses whatever there is now; `HostFollower` asks it again every second.
                self.tell(
                    "error", f"the former configuration runs on as far as the host lets it: {refused}", actor
                )
                self.settler.want_table()
            raise SwitchError(str(error)) from error
        self.admin.drop_unknown()

    async def _go_over(self, config: Config, actor: Actor) -> None:
        self.settler.changing = True
        try:
            self.chain.reconfigure(config)
            await self.follower.follow()
            self._act(self.chain.tick(time.monotonic()), actor)
        finally:
            self.settler.changing = False
        await self._claimed(actor)
        self.settler.want_table()
        await self._put_in_force("configuration", actor)

    async def _claimed(self, actor: Actor) -> None:
        """Return when it is known whose new virtual addresses are: then a change is in force."""
        while self.chain.arp.undecided:
            await asyncio.sleep(TURN_S)
            self._act(self.chain.tick(time.monotonic()), actor)

    def flows(self) -> Flows:
        """Count the flows of servers and targets now."""
        counters = self.forwarding.counters()
        return Flows(
            servers={n: int(c) for n, c in enumerate(counters.server_sessions) if c},
            targets={n: int(c) for n, c in enumerate(counters.target_sessions) if c},
            pairs=self.forwarding.pairs(),
        )

    @property
    def in_force(self) -> bool:
        """Whether every worker forwards by the last change."""
        return self.settler.in_force

    def overrides(self) -> tuple[dict[int, Admin], dict[int, Literal["enabled", "disabled"]]]:
        """Return what operators have said of targets and servers, apart from the file."""
        return self.world.target_admin, self.world.server_admin

    def drop_redundant_overrides(self) -> None:
        """Forget overrides that say what the configuration says itself."""
        self.admin.drop_redundant()
        self.records.operational_state_changed()

    def tell(self, severity: EventSeverity, message: str, actor: Actor | None) -> None:
        """Add an event of kind config."""
        self.event_log.add(Notice("config", severity, "configuration", message), actor)
        self.settler.want_shown()
        self.turns.look_again()

    async def change_admin(self, args: AdminArgs, actor: Actor) -> AdminResult:
        """Enable, disable or drain at once: the next packet sees it. Raises OpError."""
        result = self.admin.change(args, actor, time.monotonic(), time.time())
        if result.changed:
            await self.records.save_operational_state()
            self._act(self.chain.tick(time.monotonic()), actor)
            await self._claimed(actor)
            await self._put_in_force("operational state", actor)
        result.in_force = self.in_force
        return result

    async def _put_in_force(self, subject: str, actor: Actor) -> None:
        """Settle, and say so where a worker has not taken the change up in time."""
        if (notice := await self.settler.put_in_force(subject, actor)) is not None:
            self.event_log.add(notice, actor)
