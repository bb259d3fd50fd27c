"""Whether a measurement had the machine to itself: load average, time stolen by the host, and who else ran."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STEAL_SHARE = 0.01
"""Of all processors' time: more taken by the host, and a figure is not the machine's."""

OTHERS_SHARE = 0.05
"""Of one processor's time: more used by other people's processes, and a figure is theirs, too."""

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Moment:
    """What the kernel says at one time (proc(5): stat, loadavg, PID/stat)."""

    at_s: float
    load: float  # over a minute
    steal_s: float
    others_s: dict[
        int, float
    ]  # processor time by process, those of this session and the kernel's threads apart

    @classmethod
    def now(cls) -> Moment:
        steal = int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) * _TICK_S
        return cls(time.monotonic(), os.getloadavg()[0], steal, _others())


def _others() -> dict[int, float]:
    ours = os.getpgrp(), os.getsid(0)
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = stat.read_text().rpartition(")")[2].split()
            parent, group, session = map(int, fields[1:4])
            of_the_kernel = parent == 2 or not group
            if (group, session) != ours and not of_the_kernel:
                found[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) * _TICK_S
    return found


def why_not_quiet(before: Moment, after: Moment) -> list[str]:
    """Return what disturbed between two moments, as phrases."""
    took_s = after.at_s - before.at_s
    steal = (after.steal_s - before.steal_s) / took_s / (os.cpu_count() or 1)
    others = sum(used - before.others_s.get(pid, 0) for pid, used in after.others_s.items()) / took_s
    return [
        *([f"{steal:.1%} of the time was stolen by the host"] if steal > STEAL_SHARE else []),
        *([f"other processes used {others:.0%} of a processor"] if others > OTHERS_SHARE else []),
    ]


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Print after a section how busy the machine was, and clearly where it was not quiet."""
    before = Moment.now()
    yield
    after = Moment.now()
    stolen_ms = (after.steal_s - before.steal_s) * 1e3
    print(f"  load {before.load:.2f} before, {after.load:.2f} after; stolen by the host {stolen_ms:.0f} ms")
    if reasons := why_not_quiet(before, after):
        print(f"  NOT QUIET, measure again: {'; '.join(reasons)}")
