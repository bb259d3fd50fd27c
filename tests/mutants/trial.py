"""Copies of the tree, and the tests run in them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.mutants.leftovers import MARK, processes_of
from tests.mutants.parts import MARKS

MEMORY_BYTES = 4 << 30
"""Address space of a trial, many times what the tests take: a mutant that grows without end must not take the machine's."""

TO_END_S = 5.0
SECOND_NS = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How the tests ended: `noticed_by` is the first that failed, empty if none did."""

    passed: bool
    seconds: float
    noticed_by: str = ""
    timed_out: bool = False
    output: str = ""


def copy_working_tree(checkout: Path, folder: Path) -> None:
    """Copy to a new folder the files of a checkout that git tracks, or would track, as they stand and with their times."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        if (checkout / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, folder / name)


class Tree:
    """A copy of a tree in a folder of its own, in which one trial at a time runs."""

    def __init__(self, original: Path, folder: Path) -> None:
        self.root = folder / "tree"
        self._temporary = folder / "t"  # short: sockets' paths have a limit
        self._folder = folder
        self._running: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopped = False
        shutil.copytree(original, self.root)

    def try_out(self, file: str, text: str, tests: list[str], timeout_s: float) -> Outcome:
        """Run the tests with another text in a file, and put the file back as it was, with its time."""
        path = self.root / file
        before, times = path.read_bytes(), path.stat()
        try:
            path.write_text(text)
            # Python knows a file that it compiled by its size and its time in seconds: the size may well be the same.
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + SECOND_NS))
            return self.run(tests, timeout_s, compiled=False)
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def run(self, tests: list[str], timeout_s: float, *, compiled: bool) -> Outcome:
        """Run the fast tests of these files, in this order, until one fails.

        With `compiled` Python keeps what it compiled, for later runs.
        """
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", MARKS, "--tb=short", "--no-header"]
        command += ["-p", "no:cacheprovider", "--hypothesis-seed=0", f"--basetemp={self._temporary}", *tests]
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        environment |= {MARK: str(self._folder), "PYTHONPATH": str(self.root), "PYTHONHASHSEED": "0"}
        environment |= {} if compiled else {"PYTHONDONTWRITEBYTECODE": "1"}
        started = time.monotonic()
        process = self._start(command, environment)
        output, timed_out = b"", False
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            self._end_all(process)
        text = output.decode(errors="replace")
        seconds = time.monotonic() - started
        if timed_out:
            return Outcome(passed=False, seconds=seconds, noticed_by="taking too long", timed_out=True)
        if process.returncode:
            return Outcome(passed=False, seconds=seconds, noticed_by=_first_failure(text), output=text)
        return Outcome(passed=True, seconds=seconds, output=text)

    def stop(self) -> None:
        """End a trial that is running, from another thread, and start no other."""
        with self._lock:
            self._stopped = True
            if self._running is not None:
                _end_group(self._running)

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise InterruptedError
            self._running = subprocess.Popen(
                command,
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            resource.prlimit(self._running.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            return self._running

    def _end_all(self, process: subprocess.Popen[bytes]) -> None:
        """End the tests and all that they started, whatever session it went to, and remove what they left."""
        with self._lock:
            _end_group(process)
            self._running = None
        # A process may start another while the list is read, and takes a moment to end: until none is seen.
        deadline = time.monotonic() + TO_END_S
        while (left := processes_of(self._folder)) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        process.wait()
        if process.stdout:
            process.stdout.close()
        # tests/conftest.py begins every name that a run makes on the host with its process id.
        for path in Path("/dev/shm").glob(f"t{process.pid}-*"):
            path.unlink(missing_ok=True)
        for folder in (self._temporary, self.root / ".hypothesis"):
            shutil.rmtree(folder, ignore_errors=True)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _first_failure(output: str) -> str:
    for line in output.splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" ", 1)[1].split(" - ")[0]
    return (output.strip().splitlines() or ["no output"])[-1]
