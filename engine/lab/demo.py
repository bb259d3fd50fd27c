"""`bng-lab demo`: the example network, the engine on the example's file, client traffic and the dashboard, in one command.

Everything lives in a lab with a name of its own, so that several demonstrations can run side by side, and everything is
removed at the end, whatever ends it: quit, a signal, a closed terminal, or a program that crashes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any, Self

from engine.lab import addressing, processes, traffic
from engine.lab.balancer import Balancer, entry, sample_config
from engine.lab.namespaces import LabError
from engine.lab.topology import STATE_DIR, Lab, command_environment, prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

RATE = 40.0
"""Requests a second: enough to see every rate on the dashboard move, few enough for a small machine."""

OWNER_FILE = "owner"
"""Holds the pid and start of the demonstration a lab belongs to, so that what a killed one left can be recognised."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

TERMINAL_RESET = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[0m"
"""Leave the alternate screen, show the cursor, no mouse, no bracketed paste: what a crashed dashboard leaves on."""


class StoppedError(BaseException):
    """A signal asked the demonstration to end; `number` says which. Like KeyboardInterrupt, no handler may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """Turns the first SIGINT, SIGTERM or SIGHUP into StoppedError, where it can be raised safely; later ones are ignored.

    Blocked signals or SIG_IGN would be inherited by the programs started meanwhile; a handler is not.
    """

    def __init__(self) -> None:
        self._held = False
        self._pending: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._pending is not None:
            return
        self._pending = number
        if not self._held:
            raise StoppedError(number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold a signal back until the end of the block: an exception inside netlink's event loop would break it."""
        self._held = True
        yield
        self._held = False
        if self._pending is not None:
            raise StoppedError(self._pending)

    def ignore(self) -> None:
        """Raise nothing from here on: the demonstration is being taken down."""
        self._held = True


def has_terminal() -> bool:
    """Return whether a dashboard can be shown and used here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def say(text: str) -> None:
    """Print a line; the terminal may be gone already."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)  # noqa: T201 - a command's output


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """Restore the terminal after the block, whatever became of the program that used it."""
    saved = termios.tcgetattr(0)
    clean = False
    try:
        yield
        clean = True
    finally:
        with contextlib.suppress(OSError, termios.error, ValueError):
            if not clean:
                sys.stdout.write(TERMINAL_RESET)
                sys.stdout.flush()
            termios.tcsetattr(0, termios.TCSADRAIN, saved)


def sweep() -> None:
    """Remove the labs of demonstrations that were killed before they could."""
    for prefix in prefixes():
        with contextlib.suppress(OSError, ValueError):
            pid, started = (STATE_DIR / prefix / OWNER_FILE).read_text(encoding="ascii").split()
            if not processes.alive(processes.Identity(int(pid), int(started))):
                Lab(prefix).down()


class Demo:
    """One demonstration: a lab with a balancer in it, and clients."""

    def __init__(self, lab: Lab, balancer: Balancer) -> None:
        self.lab = lab
        self.balancer = balancer

    def start_traffic(self, seconds: float | None) -> subprocess.Popen[Any]:
        """Start client requests to the virtual server, for so many seconds or until SIGTERM."""
        limit = [] if seconds is None else ["--seconds", str(seconds)]
        sources = [part for source in addressing.CLIENT_SOURCES for part in ("--source", source)]
        return self.lab.popen(
            "client",
            [
                *(sys.executable, "-I", traffic.__file__, "--host", addressing.VIP, "--json"),
                *("--rate", str(RATE), *limit, *sources),
            ],
            tied=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish_traffic(self, child: subprocess.Popen[Any], seconds: float) -> traffic.Tally:
        """Wait for the requests, those in progress too, and return what became of them all."""
        out, _ = child.communicate(timeout=seconds + traffic.REQUEST_TIMEOUT_S + 10)
        return traffic.Tally.parse(out)

    def show_dashboard(self) -> None:
        """Run the dashboard on this terminal until it is quit; LabError where it fails."""
        with terminal_kept():
            child = subprocess.Popen(  # noqa: S603 - this project's own command
                [*entry("bngtui.cli"), "--run-dir", str(self.balancer.run_dir)], env=command_environment()
            )
            try:
                status = child.wait()
            except BaseException:
                child.terminate()  # it restores the terminal on SIGTERM
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=processes.GRACE_S)
                if child.poll() is None:
                    child.kill()
                    child.wait()
                raise
            if status:
                raise LabError(f"the dashboard ended with status {status}")

    def interactive(self) -> int:
        """Show the dashboard on live traffic until it is quit."""
        client = self.start_traffic(None)
        self.show_dashboard()
        client.terminate()
        say(self.finish_traffic(client, 0).text())
        return 0

    def unattended(self, seconds: float) -> int:
        """Make traffic for that long, print what the engine shows; 0 only if all was answered and both served."""
        say(
            f"requests for {seconds:g} s from {len(addressing.CLIENT_SOURCES)} addresses to {addressing.VIP} ..."
        )
        tally = self.finish_traffic(self.start_traffic(seconds), seconds)
        for what in ("servers", "targets"):
            shown = self.balancer.ctl("show", what)
            say(f"\nshow {what}\n{shown.stdout.rstrip()}{shown.stderr.rstrip()}")
        say(f"\n{tally.text()}")
        idle = sorted(set(addressing.TARGETS) - set(tally.answered))
        if idle:
            say(f"{', '.join(idle)} served no request")
        if idle or not tally.complete:
            say(f"the engine's log ends:\n{self.balancer.log_tail()}")
            return 1
        return 0


def run(prefix: str, seconds: float) -> int:
    """Run a demonstration; returns the exit status. The caller has the privileges (`obtain_privileges`)."""
    lab = Lab(prefix)
    with Signals() as signals:
        try:
            return _shown(lab, seconds, signals)
        except StoppedError as stopped:
            return 128 + stopped.number


def _shown(lab: Lab, seconds: float, signals: Signals) -> int:
    """Build, show and take down; returns the exit status."""
    try:
        with signals.held():
            sweep()
            lab.up()
            (lab.state_dir / OWNER_FILE).write_text(owner(), encoding="ascii")
        config = sample_config("dsr.conf")
        say(f"The example's network is up as {lab.prefix}, the engine starts on {config.name} ...")
        say(f"Look in from another terminal: bng-lab exec --prefix {lab.prefix} client -- COMMAND")
        balancer = Balancer(lab, lab.state_dir / "engine", config)
        balancer.wait_ready()
        demo = Demo(lab, balancer)
        status = demo.interactive() if has_terminal() else demo.unattended(seconds)
        if engine_status := balancer.stop():
            say(f"the engine ended with status {engine_status}; its log ends:\n{balancer.log_tail()}")
        return status or int(bool(engine_status))
    finally:
        try:
            signals.ignore()
        finally:  # a signal may come just here
            lab.down()


def owner() -> str:
    """Return this process's identity as OWNER_FILE holds it."""
    me = processes.identify(os.getpid())
    return f"{me.pid} {me.started}" if me else ""
