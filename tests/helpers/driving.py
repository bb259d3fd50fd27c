"""Drive the console in a test: without a terminal through Pilot, with one through a pty."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pyte

from bngtui.app import BngApp
from bngtui.dialogs.confirm import ConfirmDialog
from bngtui.dialogs.dialog import GUARD_S
from bngtui.dialogs.question import QuestionDialog
from bngtui.options import Options
from bngtui.theme import load_themes
from tests.helpers.paths import ROOT

COMMAND = [sys.executable, "-c", "import sys; from bngtui.cli import main; sys.exit(main())"]
# What a terminal swallows and pyte does not know: keyboard protocol and questions about private modes.
UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*u|\x1b\[\?[0-9;]*\$p")


def make_app(run_dir: Path, *, theme: str = "night", **options) -> BngApp:
    options.setdefault("refresh_s", 0.1)
    return BngApp(Options(run_dir=run_dir, **options), load_themes(), theme)


def screen_text(app: BngApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


async def until(pilot, told, timeout_s: float = 5.0) -> None:
    """Wait until `told()` is true; fail with the screen where it never is."""
    deadline = time.monotonic() + timeout_s
    while not told():
        if time.monotonic() > deadline:
            raise AssertionError("never came:\n" + screen_text(pilot.app))
        await pilot.pause(0.02)


@contextlib.asynccontextmanager
async def console(
    run_dir: Path,
    size: tuple[int, int] = (120, 40),
    *,
    wait: bool = True,
    worst_first: bool = False,
    **options,
):
    """Run the console headless; with `wait` until the first state is on the screen.

    Rows are in the order of their numbers, so that tests know which is which, unless `worst_first`.
    """
    app = make_app(run_dir, **options)
    async with app.run_test(size=size) as pilot:
        for name in () if worst_first else ("servers", "targets"):
            panel = app.screen._panels[name]
            panel.view.order, panel.view.selected = "number", None
            panel.view.at = 0
            panel.renew()
        if wait:
            await until(pilot, lambda: app.store.shown is not None and "Targets" in screen_text(app))
            await until(pilot, lambda: app._due is None)
            await pilot.pause()
        yield pilot


def text_of(pilot):
    return screen_text(pilot.app)


def footer(pilot):
    return text_of(pilot).splitlines()[-1]


async def shown(pilot, words, timeout_s=5.0):
    await until(pilot, lambda: words in text_of(pilot), timeout_s)


async def ask(pilot, key):
    """Press a key that asks, and wait until the dialog listens."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
    await pilot.pause(GUARD_S + 0.05)


async def answer(pilot, key):
    await until(pilot, lambda: isinstance(pilot.app.screen, QuestionDialog))
    await pilot.pause(GUARD_S + 0.05)
    await pilot.press(key)
    await pilot.pause()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Pty:
    """The console in a real terminal of `columns` by `rows`, whose output is counted and drawn by pyte."""

    def __init__(
        self,
        *args: str,
        columns: int = 120,
        rows: int = 40,
        term: str = "xterm-256color",
        env: dict[str, str] | None = None,
        command: list[str] | None = None,
    ) -> None:
        self.received = 0
        self.raw = bytearray()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("TEXTUAL", "COLORTERM", "NO_COLOR"))}
        mine |= {"TERM": term, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"} | (env or {})
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            command = command or [*COMMAND, *args]
            os.execve(command[0], command, mine)
        self.reading = False
        self.ended: int | None = None

    async def __aenter__(self):
        self.read(on=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.read(on=False)
        if self.ended is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)  # noqa: ASYNC222 - it was killed
        for fd in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(fd)

    def read(self, *, on: bool) -> None:
        """Take what the console writes, or be a terminal that is stopped."""
        loop = asyncio.get_running_loop()
        if on and not self.reading:
            loop.add_reader(self.master, self._take)
        elif self.reading and not on:
            loop.remove_reader(self.master)
        self.reading = on

    def _take(self) -> None:
        try:
            data = os.read(self.master, 65536)
        except OSError:
            self.read(on=False)
            return
        self.received += len(data)
        self.raw += data
        self._stream.feed(UNKNOWN.sub(b"", data))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    async def until(self, told, timeout_s: float = 15.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not told():
            if time.monotonic() > deadline:
                raise AssertionError("never came:\n" + self.text())
            await asyncio.sleep(0.05)

    async def exit_code(self, timeout_s: float = 10.0) -> int:
        deadline = time.monotonic() + timeout_s
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)  # noqa: ASYNC222 - does not block
            if pid:
                self.ended = os.waitstatus_to_exitcode(status)
                return self.ended
            if time.monotonic() > deadline:
                raise AssertionError("does not end:\n" + self.text())
            await asyncio.sleep(0.05)
