"""What the fuzzers share: time, memory, findings that are made small and kept, and the closing report."""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"

SLOW_S = 6.0
"""CPU seconds that one step may take. 512 servers on 1,024 targets each are half a million pairs: 1.5 s on a quiet
machine, twice that on a busy one; what is not linear takes minutes."""

STUCK_S = 20.0
"""CPU time after which an input is interrupted: longer is as good as for ever."""

WARM_UP = 0.2
"""Share of the time that passes before memory counts: imports, caches and pools fill meanwhile."""

GROWTH = 1.2
"""Memory at the end over memory after the warm-up."""

SLACK_KIB = 8 * 1024
"""Growth that is no growth: allocators round, and a small process grows by a fifth for nothing."""

SHRINK_S = 5.0


class Broken(Exception):  # noqa: N818 - it is what was found, not what went wrong with the fuzzer
    """A promise that an input broke without an exception being raised."""


class Stuck(BaseException):
    """An input took STUCK_S; not an Exception, so that nothing on the way takes it for its own."""


def rss_kib(pid: int | str = "self", what: str = "VmRSS") -> int:
    """Resident memory of a process; `what` as proc(5) names it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1])
    return 0


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Interrupt the block after STUCK_S of CPU time."""

    def interrupt(*_: object) -> None:
        raise Stuck

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, STUCK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def quick(what: str, limit_s: float = SLOW_S) -> Iterator[None]:
    """Broken where the block takes over `limit_s` of CPU time."""
    began = time.process_time()
    yield
    if (took := time.process_time() - began) > limit_s:
        raise Broken(f"{what} took too long: {took:.1f} s")


def signature(error: BaseException) -> str:
    """Tell findings apart: kind of error, and the innermost place in the engine or in the fuzzer that saw it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/engine/" in f.filename]
    frames = frames or traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    said = str(error).split(":")[0] if isinstance(error, Broken) else ""
    return f"{type(error).__name__} {place} {said}"


@dataclass
class Run:
    """One run of a fuzzer; `check` raises for an input that breaks a promise.

    `alone`: all memory of the process is the tested code's, and libFuzzer does not keep its inputs in it.
    """

    name: str
    seconds: float
    check: Callable[[bytes], None]
    keep: bool = True
    alone: bool = True
    executions: int = 0
    findings: dict[str, Path | None] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _rss: int = rss_kib()
    _warm: int = 0
    _warm_blocks: int = 0
    _slowest: float = 0.0
    _told: float = 0.0

    @property
    def over(self) -> bool:
        """Whether the time has passed."""
        return time.monotonic() - self._began >= self.seconds

    def one(self, data: bytes) -> None:
        """Try one input, and keep it if it is a finding of a new kind."""
        self.executions += 1
        began = time.process_time()
        try:
            with limited():
                self.check(data)
        except (Exception, Stuck) as error:  # noqa: BLE001 - any is a finding
            self.found(data, error)
        else:
            self._slowest = max(self._slowest, time.process_time() - began)
        self._watch()

    def found(self, data: bytes, error: BaseException) -> None:
        """Keep a finding, made small, and tell it."""
        mark = signature(error)
        if mark in self.findings:
            return
        self.findings[mark] = None
        small = data if isinstance(error, Stuck) else self._shrunk(data, mark)
        if self.keep:
            folder = CORPUS / self.name
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{hashlib.sha256(small).hexdigest()[:12]}.bin"
            path.write_bytes(small)
            self.findings[mark] = path
        print(f"\nFOUND {mark} -> {self.findings[mark]}\n{small[:600]!r}", flush=True)
        traceback.print_exception(error, limit=-8, file=sys.stdout)

    def _shrunk(self, data: bytes, mark: str) -> bytes:
        deadline, size = time.monotonic() + SHRINK_S, max(1, len(data) // 2)
        while size and time.monotonic() < deadline:
            at, smaller = 0, False
            while at < len(data) and time.monotonic() < deadline:
                if self._same(shorter := data[:at] + data[at + size :], mark):
                    data, smaller = shorter, True
                else:
                    at += size
            size = size if smaller and size == 1 else size // 2
        return data

    def _same(self, data: bytes, mark: str) -> bool:
        try:
            self.check(data)
        except Exception as error:  # noqa: BLE001 - any: it is compared
            return signature(error) == mark
        return False

    def _watch(self) -> None:
        now = time.monotonic() - self._began
        if not self._warm and now > self.seconds * WARM_UP:
            gc.collect()
            self._warm, self._warm_blocks = rss_kib(), sys.getallocatedblocks()
        if now - self._told > 60:
            self._told = now
            print(f"{now:5.0f} s: {self.executions} executions, {rss_kib()} KiB", flush=True)

    def report(self) -> int:
        """Print the figures; 1 where something was found, memory's growth included."""
        gc.collect()
        now, warm = rss_kib(), self._warm or rss_kib()
        blocks = sys.getallocatedblocks()
        warm_blocks = self._warm_blocks or blocks
        if self.alone and now > warm * GROWTH and now - warm > SLACK_KIB:
            self.findings["memory grew"] = None
        if blocks > warm_blocks * GROWTH and not self.findings:  # a finding keeps its traceback
            self.findings["objects grew"] = None
        took = time.monotonic() - self._began
        print(
            f"{self.name}: {self.executions} executions in {took:.0f} s, {len(self.findings)} findings; "
            f"slowest {self._slowest:.2f} s of CPU; "
            f"resident {self._rss} KiB at the start, {warm} after the warm-up, {now} at the end; "
            f"{warm_blocks} blocks of Python's after the warm-up, {blocks} at the end",
            flush=True,
        )
        for mark, path in self.findings.items():
            print(f"  {mark} -> {path}", flush=True)
        return 1 if self.findings else 0


def options(text: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every fuzzer takes."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument(
        "--seed", type=int, default=None, help="of the random numbers; default: another each time"
    )
    parser.add_argument("--no-keep", action="store_true", help="write no findings into the corpus")
    return parser
