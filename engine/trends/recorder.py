"""Measures once a second: what counters and decisions say goes into a slot, and the slot into the file.

Measuring takes about a millisecond with a thousand targets; the disk is waited for by a thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.datapath.contract import TARGET_ROWS
from engine.io.background import BackgroundWriter
from engine.trends.measures import RECORDS, ROWS, SLOT, Phase, Subject, identity
from engine.trends.rates import BITS
from engine.trends.scale import encode
from engine.trends.trend_file import RINGS, TrendFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from engine.config.model import Server, Target
    from engine.datapath.contract import Counters
    from engine.domain.states import Admin
    from engine.modules.state.world import ServerDecision, TargetStatus
    from engine.trends.rates import Rates
    from engine.trends.trend_file import Ring


class Moment:
    """A slot that is being filled: the reading of one second."""

    def __init__(self, counters: Counters, rates: Rates) -> None:
        """Take the numbers; `rates` are those of `counters`."""
        self.slot = np.zeros((), SLOT)
        self._take("target", counters, rates)
        self._take("server", counters, rates)
        self.slot["server"]["dropped"] = encode(rates.array("server_dropped").sum(axis=1))
        self._take_datapath(counters, rates)

    def _take(self, subject: Subject, counters: Counters, rates: Rates) -> None:
        records = self.slot[subject]
        records["pps"] = encode(rates.array(f"{subject}_packets"))
        records["bps"] = encode(rates.array(f"{subject}_bytes") * BITS)
        records["sessions"] = encode(getattr(counters, f"{subject}_sessions"))
        records["half_open"] = encode(getattr(counters, f"{subject}_half_open"))

    def _take_datapath(self, counters: Counters, rates: Rates) -> None:
        record = self.slot["datapath"]
        drops = rates.array("dropped")
        numbers = {
            "pps": rates.scalar("forwarded"),
            "bps": float(rates.array("target_bytes").sum()) * BITS,
            "sessions": float(counters.target_sessions.sum()),
            "half_open": float(counters.target_half_open.sum()),
            "received": rates.scalar("received"),
            "dropped": rates.lost_pps,
            **{f"drop_{n}": float(rate) for n, rate in enumerate(drops)},
        }
        for name, value in numbers.items():
            record[name] = encode(value)
        record["state"] = Phase.UP
        self.slot["header"]["datapath"] = 1

    def targets(
        self,
        targets: Mapping[int, Target],
        statuses: Mapping[int, TargetStatus],
        admins: Mapping[int, Admin],
        rtt_ms: NDArray[np.float64],
    ) -> None:
        """Take how targets stand, by their numbers. `rtt_ms` by number, NaN where no check was answered."""
        states, names = np.zeros(TARGET_ROWS, np.uint16), np.zeros(TARGET_ROWS, np.uint16)
        for number, target in targets.items():
            states[number] = _of_target(admins[number], statuses.get(number))
            names[number] = identity(target.ipaddr or "", target.port)
        self._finish("target", states, names, targets)
        self.slot["target"]["rtt_ms"] = encode(rtt_ms)

    def servers(
        self,
        servers: Mapping[int, Server],
        decisions: Mapping[int, ServerDecision],
        enabled: Mapping[int, bool],
        *,
        master: bool,
    ) -> None:
        """Take how servers stand, by their numbers."""
        states, names = np.zeros(ROWS["server"], np.uint16), np.zeros(ROWS["server"], np.uint16)
        for number, server in servers.items():
            states[number] = _of_server(server, decisions.get(number), enabled=enabled[number], master=master)
            names[number] = identity(server.ipaddr or "", server.port)
        self._finish("server", states, names, servers)

    def _finish(
        self,
        subject: Subject,
        states: NDArray[np.uint16],
        names: NDArray[np.uint16],
        numbers: Mapping[int, object],
    ) -> None:
        records = self.slot[subject]
        records["state"], records["identity"] = states, names
        self.slot["header"][subject] = max(numbers, default=-1) + 1


def _of_target(admin: Admin, status: TargetStatus | None) -> Phase:
    if admin != "enabled":
        return Phase.DISABLED if admin == "disabled" else Phase.DRAINING
    if status is None or (status.health == "unknown" and not status.operational):
        return Phase.UNKNOWN
    if status.health == "down":
        return Phase.DOWN
    return (Phase.UP if status.operational else Phase.IDLE) | (Phase.PARTLY if status.out_of else Phase(0))


def _of_server(server: Server, decision: ServerDecision | None, *, enabled: bool, master: bool) -> Phase:
    if not enabled:
        return Phase.DISABLED
    if not master:
        return Phase.IDLE
    if decision is None or not decision.new:
        return Phase.DOWN
    serving = set(decision.new) | set(decision.full)
    return Phase.UP if serving >= set(server.targets) else Phase.UP | Phase.PARTLY


class RoundTrips:
    """How long checks took to be answered, by target, since they were last taken."""

    def __init__(self) -> None:
        self._total_ms = np.zeros(TARGET_ROWS)
        self._count = np.zeros(TARGET_ROWS)

    def note(self, target: int, rtt_ms: float | None) -> None:
        """Take the round trip of an answer, None where it had none."""
        if rtt_ms is not None and 0 <= target < TARGET_ROWS:
            self._total_ms[target] += rtt_ms
            self._count[target] += 1

    def take(self) -> NDArray[np.float64]:
        """Return the means in milliseconds, NaN where there was no answer, and begin anew."""
        means: NDArray[np.float64] = np.full(TARGET_ROWS, np.nan)
        np.divide(self._total_ms, self._count, out=means, where=self._count > 0)
        self._total_ms[:] = self._count[:] = 0
        return means


class Recorder:
    """Writes moments into the file, from a thread, and reads it; where there is no file it does neither.

    `trouble` is why moments are not kept, or empty.
    """

    def __init__(self, path: Path) -> None:
        """Know where the file is to be; it is opened by the thread, and again after a fault of the disk."""
        self._path = path
        self._file: TrendFile | None = None
        self._lock = threading.Lock()  # the file is opened by one thread and read by others
        self._writer: BackgroundWriter | None = None
        self._last_s = 0

    @property
    def trouble(self) -> str:
        """Why the last moment was not kept, or nothing."""
        return self._writer.trouble if self._writer is not None else ""

    def record(self, moment: Moment, now_s: int) -> None:
        """Keep a moment, by Unix time. One second has one moment; of a second that was missed, the next one's stands."""
        if now_s == self._last_s:
            return
        if self._writer is None:
            self._writer = BackgroundWriter("trends")
        missed = now_s - 1 if self._last_s == now_s - 2 else None
        self._last_s = now_s
        self._writer.do(lambda: self._write(moment, now_s, missed))

    def _write(self, moment: Moment, now_s: int, missed: int | None) -> None:
        file = self._open(now_s)
        try:
            for second in (missed, now_s) if missed is not None else (now_s,):
                file.write(second, moment.slot)
        except OSError:
            with self._lock:
                self._file = None
            file.close()
            raise

    def _open(self, now_s: int) -> TrendFile:
        with self._lock:
            if self._file is None:
                self._file = TrendFile(self._path)
                self._file.catch_up(now_s)
            return self._file

    def read(
        self, subject: Subject, number: int, end_s: int, seconds: int, step_s: int
    ) -> tuple[int, NDArray[np.int64], NDArray[Any]]:
        """Return the step that there is, seconds, and times and records of one subject (see `TrendFile.read`).

        Waits for the disk: for a thread. Raises OSError.
        """
        ring = ring_for(seconds, step_s)
        with self._lock:
            if self._file is None:
                return ring.step_s, np.zeros(0, np.int64), np.zeros(0, RECORDS[subject])
            return ring.step_s, *self._file.read(ring, subject, number, end_s, seconds)

    def read_all(
        self, subject: Subject, end_s: int, seconds: int, step_s: int
    ) -> tuple[int, NDArray[np.int64], list[NDArray[Any]]]:
        """Return the same of all targets or servers (see `TrendFile.read_all`)."""
        ring = ring_for(seconds, step_s)
        with self._lock:
            if self._file is None:
                return ring.step_s, np.zeros(0, np.int64), []
            return ring.step_s, *self._file.read_all(ring, subject, end_s, seconds)

    def close(self) -> None:
        """Write what waits and close the file."""
        if self._writer is not None:
            self._writer.close()
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def ring_for(seconds: int, step_s: int) -> Ring:
    """Return the finest ring that reaches back so far and whose step is not under `step_s`; else the coarsest."""
    for ring in RINGS:
        if ring.span_s >= seconds and ring.step_s >= step_s:
            return ring
    return RINGS[-1]
