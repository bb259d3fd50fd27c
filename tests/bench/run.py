"""`make bench`: the AF_PACKET datapath beside a plain recv/send loop in Python, on the same core in the same run.

Needs root. Prints medians and ratios; absolute figures belong to the machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time

import numpy as np

from engine.datapath import maglev
from tests.bench import decisions, harness
from tests.helpers import fixtures


def rates(made: harness.Wire, rounds: int, seconds: float) -> float:
    print(f"\nRate: 60-byte frames of 65,536 clients, {rounds} rounds of {seconds:g} s each, in turn")
    results: dict[str, list[float]] = {"plain": [], "afpacket": []}
    for _ in range(rounds):
        with harness.plain(made):
            results["plain"].append(harness.load(made, seconds).mpps)
        with harness.afpacket(made):
            results["afpacket"].append(harness.load(made, seconds).mpps)
    medians = {name: statistics.median(values) for name, values in results.items()}
    for name, label in (("plain", "plain recv/send loop"), ("afpacket", "AF_PACKET worker")):
        spread = " ".join(f"{v:.3f}" for v in results[name])
        print(f"  {label:22} {medians[name]:.3f} Mpps   ({spread})")
    print(f"  ratio                  {medians['afpacket'] / medians['plain']:.2f}")
    return medians["afpacket"]


def methods(made: harness.Wire, seconds: float) -> None:
    print("\nRate by method, every frame of a new flow at first, then known ones")
    for method in ("rr", "random", "hash", "session"):
        with harness.afpacket(made, method):
            print(f"  {method:8} {harness.load(made, seconds).mpps:.3f} Mpps")


def loss(made: harness.Wire, mpps: float, seconds: float) -> None:
    print(f"\nLoss at half of that rate, {seconds:g} s")
    with harness.afpacket(made):
        result = harness.load(made, seconds, rate=mpps * 1e6 / 2)
        print(f"  sent {result.sent:,}, back {result.back:,}, lost {result.sent - result.back:,}")


def latency(made: harness.Wire, count: int) -> None:
    print(f"\nAdded latency at 1,000 frames a second, {count:,} frames, from sending to return")
    with harness.afpacket(made):
        times = np.array(harness.latencies(made, count))
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    print(
        f"  AF_PACKET worker       p50 {p50:.3f} ms   p90 {p90:.3f} ms   p99 {p99:.3f} ms   max {times.max():.2f} ms"
    )
    with harness.plain(made):
        times = np.array(harness.latencies(made, count))
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    print(
        f"  plain recv/send loop   p50 {p50:.3f} ms   p90 {p90:.3f} ms   p99 {p99:.3f} ms   max {times.max():.2f} ms"
    )


def swaps(made: harness.Wire, count: int) -> None:
    print("\nA table of 512 servers and 1,024 targets swapped under a steady stream of 2,000 frames a second")
    with harness.afpacket(made) as datapath:
        during, between = harness.swap_waits(made, datapath, 512, count)
        own = datapath.counters()
    for name, waits in (
        (f"40 ms from each of {len(during)} swaps on", during),
        ("as many times 40 ms without", between),
    ):
        median, most = statistics.median(waits), max(waits)
        print(f"  {name:30} longest wait of a frame: median {median:.2f} ms   max {most:.2f} ms")
    print(
        f"  {'of it in the worker':30} last swap {own.swap_last_ns / 1e6:.2f} ms   max {own.swap_longest_ns / 1e6:.2f} ms"
    )


def million_flows(made: harness.Wire) -> None:
    print("\nMemory with a million flows in the table")
    with harness.afpacket(made) as datapath:
        deadline = time.monotonic() + 60
        while datapath.counters().target_sessions.sum() < 990_000 and time.monotonic() < deadline:
            harness.load(made, 5, rate=250_000, flows=1_000_000)
        sessions = int(datapath.counters().target_sessions.sum())
        print(f"  {sessions:,} flows; worker {harness.resident_mib(datapath.process_ids()):.0f} MiB resident")


def cases() -> None:
    print("\nMicroseconds a frame by case of tests/fixtures: one by one, and as a batch of 256")
    for case in fixtures.cases():
        if case.captured is None and not (case.copied or case.earlier) and case.transmit == "free":
            one, batch = decisions.costs_us(case)
            print(f"  {case.name:68} {one:6.1f} {batch:6.2f}")


def maglev_tables() -> None:
    print("\nMaglev: building a table of 65,537 slots")
    for count in (2, 11, 101):
        names = [f"10.0.0.{n}:80" for n in range(count)]
        start = time.perf_counter()
        maglev.build(names, [1] * count)
        print(f"  {count:4} targets  {(time.perf_counter() - start) * 1e3:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds: a look, not a measurement")
    parser.add_argument("--rates", action="store_true", help="only the rate beside the plain loop")
    parser.add_argument("--cases", action="store_true", help="only the cost by case, which needs no root")
    options = parser.parse_args()
    quick = options.quick
    if options.cases:
        cases()
        return
    if os.geteuid():
        sys.exit("make bench needs root: it makes network namespaces and packet sockets")
    print(f"Linux {platform.release()}, Python {platform.python_version()}, {os.cpu_count()} CPUs")
    with harness.wire() as made:
        best = rates(made, 1 if quick else 5, 2 if quick else 4)
        if options.rates:
            return
        methods(made, 2)
        loss(made, best, 3 if quick else 30)
        latency(made, 1000 if quick else 10_000)
        swaps(made, 20 if quick else 100)
        million_flows(made)
    cases()
    maglev_tables()


if __name__ == "__main__":
    main()
