"""Compare the model with the datapaths over random scenarios, and show the shortest history of each difference.

python -m tests.reference --scenarios 5000 --seed 1 --paths all

`pretended` are scalar and vector path between rings of memory, `sockets` one and two real workers on a veth (root), `xdp`
the program in the kernel, run on frames in memory (root).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.reference.agreement import Course, shortest
from tests.reference.paths import PATHS
from tests.reference.scenario import KINDS, Batch, Change, Kind, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

SORTS = {
    **{sort: (sort,) for sort in ("pretended", "sockets", "xdp")},
    "all": ("pretended", "sockets", "xdp"),
}
JOBS_A_CPU = {"pretended": 1, "sockets": 4, "xdp": 1}
"""Processes that play at a time: on sockets most of the time goes by in the kernel's opening and closing of them."""


@dataclass
class Done:
    """What a process has done of its share, and what it found: (kind, path, seed, text) of each difference."""

    scenarios: int = 0
    frames: int = 0  # decided by the paths
    found: list[tuple[str, str, int, str]] = field(default_factory=list)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__.split("\n")[0])
    parser.add_argument("--scenarios", type=int, default=1000, help="how many, all kinds together")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--paths", choices=list(SORTS), default="pretended")
    parser.add_argument("--kind", action="append", choices=[k.name for k in KINDS], help="only these")
    parser.add_argument("--show", type=int, default=1, help="differences to show of each kind and path")
    parser.add_argument("--jobs", type=int, help="processes that play at a time")
    args = parser.parse_args(argv)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}", flush=True)
    kinds = [k for k in KINDS if not args.kind or k.name in args.kind]
    rounds = max(1, -(-args.scenarios // len(kinds)))
    every = [(kind, number) for number in range(seed, seed + rounds) for kind in kinds]
    random.Random(seed).shuffle(every)  # some kinds take longer: every process gets its share of them
    differences = 0
    for sort in SORTS[args.paths]:
        begin = time.monotonic()
        jobs = args.jobs or JOBS_A_CPU[sort] * len(os.sched_getaffinity(0))
        done = _together(sort, every, jobs, args.show)
        took = time.monotonic() - begin
        print(
            f"{sort}: {done.scenarios} scenarios, {done.frames} frames decided in {took:.0f} s,"
            f" {done.frames / took:.0f} a second; {len(done.found)} differences"
        )
        for kind, path in dict.fromkeys((kind, path) for kind, path, _, _ in done.found):
            seeds = [number for *where, number, _ in done.found if where == [kind, path]]
            print(f"  {kind}, {path}: {len(seeds)} of {rounds} differ, seeds {seeds[:8]}")
        differences += len(done.found)
    return 1 if differences else 0


def _together(sort: str, every: list[tuple[Kind, int]], jobs: int, show: int) -> Done:
    """Share the scenarios between processes and add up what they did; differences are printed as they are found."""
    fork = multiprocessing.get_context("fork")
    total, lines, processes = Done(), [], []
    for job in range(jobs):
        ours, theirs = fork.Pipe(duplex=False)
        processes.append(fork.Process(target=_job, args=(sort, every[job::jobs], job, show, theirs)))
        processes[-1].start()
        theirs.close()
        lines.append(ours)
    while lines:
        for line in multiprocessing.connection.wait(lines):
            try:
                done = line.recv()
            except EOFError:
                lines.remove(line)
                continue
            if isinstance(done, str):
                print(done, flush=True)
            else:
                total.scenarios += done.scenarios
                total.frames += done.frames
                total.found += done.found
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a process ended with {process.exitcode}")
    return total


def _job(sort: str, mine: list[tuple[Kind, int]], job: int, show: int, report: Connection) -> None:
    done, shown = Done(), {}
    courses = list(_courses(sort, job))
    for kind, number in mine:
        one = scenario(kind, number)
        done.scenarios += 1
        for course in courses:
            played = course.history(one)
            frames = sum(len(step.frames) for step in played.steps if isinstance(step, Batch | Change))
            done.frames += frames * len(course.paths)
            for path, difference in course.compare(played).items():
                told = str(difference)
                if shown.setdefault((kind.name, path), 0) < show:
                    shown[kind.name, path] += 1
                    short = shortest(played, course.only(path))
                    again = course.only(path).compare(short).get(path, "and not when it is played again")
                    report.send(f"\n== {kind.name}, {path}, seed {number}\n{short}\n{again}\n")
                done.found.append((kind.name, path, number, told))
    report.send(done)


def _courses(sort: str, job: int) -> Iterator[Course]:
    if sort == "pretended":
        yield Course(PATHS)
        return
    if sort == "xdp":
        from tests.reference import xdp

        yield xdp.COURSE
        return
    from tests.reference.sockets import on_sockets

    cpus = sorted(os.sched_getaffinity(0))
    yield from on_sockets((cpus[job % len(cpus)], cpus[(job + 1) % len(cpus)])).values()


if __name__ == "__main__":
    sys.exit(main())
