"""`bng-lab demo`: the seed's network, the engine on the seed's file, client traffic and the dashboard, in one command.

Everything lives in a lab with a name of its own, so that several demonstrations run side by side, and everything is
gone at the end however it comes: quit, signal, closed terminal, or a program that crashes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import engine
from engine.lab import plan, processes, traffic
from engine.lab.namespaces import LabError
from engine.lab.topology import STATE_DIR, Lab, command_environment, prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

RATE = 40.0
"""Requests a second: enough to see every rate on the dashboard move, few enough for a small machine."""

READY_TIMEOUT_S = 30
"""For the engine's first round of checks; it takes about a second on an idle machine."""

OWNER_FILE = "owner"
"""Holds the pid and start of the demonstration a lab belongs to, so that a killed one's remains are known as such."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

TERMINAL_RESET = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[0m"
"""Leave the alternate screen, show the cursor, no mouse, no bracketed paste: what a crashed dashboard leaves on."""


class StoppedError(Exception):
    """A signal asked the demonstration to end; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def entry(module: str) -> list[str]:
    """Return the start of a command line that runs `main` of a module, installed or from a checkout."""
    return [sys.executable, "-c", f"from {module} import main; raise SystemExit(main())"]


def sample_config(name: str) -> Path:
    """Return a sample configuration: inside the package where installed, beside it in a checkout."""
    package = Path(engine.__file__).resolve().parent
    found = [
        path
        for path in (package / "sample_configs" / name, package.parent / "sample_configs" / name)
        if path.exists()
    ]
    if not found:
        raise LabError(f"sample_configs/{name} is missing: install the project anew")
    return found[0]


def has_terminal() -> bool:
    """Whether a dashboard can be shown and used here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def say(text: str) -> None:
    """Print a line; the terminal may be gone already."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)  # noqa: T201 - a command's output


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into StoppedError and ignore those that follow, until the block ends."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        pass  # a function and not SIG_IGN, which programs started meanwhile would inherit

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        for each in SIGNALS:
            signal.signal(each, ignore)
        raise StoppedError(number)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """Give the terminal back as it was, whatever became of the program that used it."""
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
    """One demonstration in one lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.run_dir = lab.state_dir / "engine" / "run"
        self.log = lab.state_dir / "engine.log"

    def start_engine(self) -> subprocess.Popen[Any]:
        """Run the engine on the seed's file and wait for its first round of checks."""
        self.run_dir.mkdir(parents=True)
        with self.log.open("wb") as log:
            child = self.lab.popen(
                "lb",
                [
                    *(*entry("engine.cli"), "run", str(sample_config("dsr.conf"))),
                    *(
                        "--run-dir",
                        str(self.run_dir),
                        "--state-dir",
                        str(self.lab.state_dir / "engine" / "state"),
                    ),
                ],
                tied=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=command_environment(),
                start_new_session=True,
            )
        ready = self.ctl("wait-ready", "--timeout", str(READY_TIMEOUT_S))
        if ready.returncode:
            raise LabError(f"the engine did not become ready: {ready.stderr.strip()}\n{self.log_tail()}")
        return child

    def log_tail(self, lines: int = 30) -> str:
        """Return the end of the engine's log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def ctl(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run bngctl against this engine; its sockets are files, so any namespace will do."""
        return subprocess.run(  # noqa: S603 - this project's own command
            [*entry("bngtui.ctl"), "--run-dir", str(self.run_dir), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_TIMEOUT_S + 15,
            env=command_environment(),
        )

    def start_traffic(self, seconds: float | None) -> subprocess.Popen[Any]:
        """Start client requests to the virtual server, for so many seconds or until SIGTERM."""
        limit = [] if seconds is None else ["--seconds", str(seconds)]
        sources = [part for source in plan.CLIENT_SOURCES for part in ("--source", source)]
        return self.lab.popen(
            "client",
            [
                *(sys.executable, "-I", traffic.__file__, "--host", plan.VIP, "--json"),
                *("--rate", str(RATE), *limit, *sources),
            ],
            tied=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish_traffic(self, child: subprocess.Popen[Any], timeout_s: float) -> traffic.Tally:
        """Wait for the requests in progress and return what became of them all."""
        out, _ = child.communicate(timeout=timeout_s)
        return traffic.Tally.parse(out)

    def show_dashboard(self) -> int:
        """Run the dashboard on this terminal until it is quit; returns its exit status."""
        with terminal_kept():
            child = subprocess.Popen(  # noqa: S603 - this project's own command
                [*entry("bngtui.cli"), "--run-dir", str(self.run_dir)], env=command_environment()
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
        return status

    def interactive(self) -> int:
        """Show the dashboard on live traffic until it is quit."""
        client = self.start_traffic(None)
        try:
            return self.show_dashboard()
        finally:
            client.terminate()
            tally = self.finish_traffic(client, traffic.REQUEST_TIMEOUT_S + 5)
            say(tally.text())

    def unattended(self, seconds: float) -> int:
        """Make traffic for that long, print what the engine shows; 0 only if all was answered and both served."""
        say(f"requests for {seconds:g} s from {len(plan.CLIENT_SOURCES)} addresses to {plan.VIP} ...")
        tally = self.finish_traffic(self.start_traffic(seconds), seconds + traffic.REQUEST_TIMEOUT_S + 5)
        for what in ("servers", "targets"):
            shown = self.ctl("show", what)
            say(f"\nshow {what}\n{shown.stdout.rstrip()}{shown.stderr.rstrip()}")
        say("\n" + tally.text())
        if not tally.complete:
            say(f"not every request was answered; the engine's log ends:\n{self.log_tail()}")
            return 1
        if idle := set(plan.TARGETS) - set(tally.answered):
            say(f"{', '.join(sorted(idle))} served nobody; the engine's log ends:\n{self.log_tail()}")
            return 1
        return 0


def run(prefix: str, seconds: float) -> int:
    """Run a demonstration; returns the exit status. The caller has the privileges (`obtain_privileges`)."""
    lab = Lab(prefix)
    with ended_by_signals():
        try:
            sweep()
            lab.up()
            (lab.state_dir / OWNER_FILE).write_text(owner(), encoding="ascii")
            demo = Demo(lab)
            say(
                f"The seed's network is up as {prefix}; starting the engine on {sample_config('dsr.conf').name} ..."
            )
            say(f"Look in from another terminal: bng-lab exec --prefix {prefix} client -- COMMAND")
            engine_process = demo.start_engine()
            status = demo.interactive() if has_terminal() else demo.unattended(seconds)
            engine_process.terminate()
            engine_status = engine_process.wait(timeout=10)
            if engine_status:
                say(f"the engine ended with status {engine_status}; its log ends:\n{demo.log_tail()}")
            return status or int(bool(engine_status))
        except StoppedError as stopped:
            return 128 + stopped.number
        finally:
            for number in SIGNALS:
                signal.signal(number, lambda *_: None)
            lab.down()


def owner() -> str:
    """Return this process as OWNER_FILE holds it."""
    me = processes.identify(os.getpid())
    return f"{me.pid} {me.started}" if me else ""
