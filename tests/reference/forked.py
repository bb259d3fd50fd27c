"""Workers as real processes that start within milliseconds and live by a clock that the test moves.

What a worker runs is `engine.datapath.afpacket.worker.main`; only how its process comes about (a fork of this one, which
has loaded all it needs) and where it reads the time and its random numbers are the test's.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import msgspec

from engine.datapath.afpacket import process, worker
from engine.datapath.afpacket.messages import Arguments
from engine.datapath.afpacket.tables import Tables
from tests.reference.draws import Draws

SLOTS = 128
"""Of both rings: more than a batch has, and so few that batches often go round their ends."""

IDLE_POLL_MS = 2
"""How long a worker sleeps before it looks at the clock again: the test waits for its sweeps."""

NS = 1_000_000_000


class Clock:
    """Monotonic time that stands still until it is set; workers read it in memory that they share with the test."""

    def __init__(self, now_s: int) -> None:
        self._words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        self.set(now_s * NS)

    def set(self, now_ns: int) -> None:
        self._words[0] = now_ns

    def monotonic_ns(self) -> int:
        return self._words[0]

    def monotonic(self) -> float:
        return self._words[0] / NS

    sleep = staticmethod(time.sleep)


class Forked:
    """A process as `subprocess.Popen` would have made it, of a worker's command line."""

    clock: Clock
    seed: int
    cpu: int

    def __init__(self, command: list[str], *, pass_fds: tuple[int, ...], **_: object) -> None:
        reading, writing = os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            os.dup2(writing, 2)
            _become_worker(command[-1], {0, 1, 2, *pass_fds}, self.clock, self.seed, self.cpu)
        os.close(writing)
        self.stderr: BinaryIO = os.fdopen(reading, "rb")
        self._pidfd = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._over(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._pidfd], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("worker", timeout or 0)
            self._over(os.waitpid(self.pid, 0)[1])
        return self.returncode or 0

    def _over(self, status: int) -> None:
        self.returncode = os.waitstatus_to_exitcode(status)
        os.close(self._pidfd)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def communicate(self) -> tuple[None, bytes]:
        self.wait()
        with self.stderr:
            return None, self.stderr.read()


def _become_worker(arguments: str, keep: set[int], clock: Clock, seed: int, cpu: int) -> None:
    """Run a worker in this process, a fork; does not return."""
    code = 1
    try:
        for entry in list(Path("/proc/self/fd").iterdir()):
            if int(entry.name) not in keep:
                with contextlib.suppress(OSError):  # the folder's own
                    os.close(int(entry.name))
        os.sched_setaffinity(0, {cpu})
        worker.time = clock
        worker.IDLE_POLL_MS = IDLE_POLL_MS

        class Drawing(Tables):
            def __init__(self, *args) -> None:
                super().__init__(*args)
                self.random = self.generator = Draws(seed)

        worker.Tables = Drawing
        fewer = msgspec.structs.replace(
            msgspec.json.decode(arguments, type=Arguments), rx_slots=SLOTS, tx_slots=SLOTS
        )
        sys.argv = ["worker", msgspec.json.encode(fewer).decode()]
        worker.main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - it is told as a process tells it
        os.write(2, traceback.format_exc().encode())
    os._exit(code)


def fork_workers() -> None:
    """Have this process's datapaths start their workers as forks of it, from now on."""
    gc.collect()
    gc.freeze()  # so that a worker's own collection has little to look at
    process.subprocess = SimpleNamespace(
        Popen=Forked, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired
    )
