"""`make bench`: the AF_PACKET datapath beside a plain recv/send loop in Python, on the same core in the same run.

Needs root. Prints medians and ratios; absolute figures belong to the machine, and each section says whether it had the
machine to itself. One section alone: python -m tests.bench.run --section odd --quick
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath import maglev
from tests.bench import cards, decisions, harness, quiet, traffic
from tests.bench.xdp import costs
from tests.helpers import fixtures

if TYPE_CHECKING:
    from collections.abc import Callable


def rates(made: harness.Wire, rounds: int, seconds: float) -> None:
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


def methods(made: harness.Wire, seconds: float) -> None:
    print("\nRate by method, every frame of a new flow at first, then known ones")
    for method in ("rr", "random", "hash", "session"):
        with harness.afpacket(made, method):
            print(f"  {method:8} {harness.load(made, seconds).mpps:.3f} Mpps")


def loss(made: harness.Wire, seconds: float) -> None:
    print(f"\nLoss at half of the rate that it reaches, {seconds:g} s")
    with harness.afpacket(made):
        rate = harness.load(made, 2).mpps * 1e6 / 2
    with harness.afpacket(made):
        result = harness.load(made, seconds, rate=rate)
        print(
            f"  {rate:,.0f} a second: sent {result.sent:,}, back {result.back:,}, lost {result.sent - result.back:,}"
        )


def odd(made: harness.Wire, rounds: int, seconds: float) -> None:
    print(
        f"\nRate of frames that are not plain, beside plain ones: {rounds} rounds of {seconds:g} s each, in turn"
    )
    kinds = (traffic.PLAIN, traffic.TAGGED, traffic.OPTIONS, traffic.MIXED)
    results: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            with harness.afpacket(made, vlan=kind.vlan):
                results[kind.name].append(harness.load(made, seconds, traffic=kind).mpps)
    plain = statistics.median(results[traffic.PLAIN.name])
    for name, values in results.items():
        median = statistics.median(values)
        spread = " ".join(f"{v:.3f}" for v in values)
        print(f"  {name:24} {median:.3f} Mpps   {median / plain:.2f} of plain   ({spread})")


def _percentiles(label: str, times: list[float]) -> None:
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    lost = sum(time_ms >= harness.LOST_S * 1e3 for time_ms in times)
    print(
        f"  {label:34} p50 {p50:.3f} ms   p90 {p90:.3f} ms   p99 {p99:.3f} ms   max {max(times):.2f} ms   lost {lost}"
    )


def latency(made: harness.Wire, rounds: int, count: int) -> None:
    print(
        f"\nAdded latency at 1,000 frames a second, {rounds} rounds of {count:,} frames in turn, from sending to return"
    )
    ways = {"AF_PACKET worker": harness.afpacket, "plain recv/send loop": harness.plain}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            with way(made):
                times[name] += harness.latencies(made, count)
    for name, found in times.items():
        _percentiles(name, found)


def flood(made: harness.Wire, rounds: int, count: int, kind: traffic.Traffic, pps: int) -> None:
    print(
        f"\nAdded latency at 1,000 plain frames a second beside {pps:,} a second: {kind.name}, {rounds} rounds of"
        f" {count:,} frames in turn"
    )
    ways = {"AF_PACKET worker": harness.afpacket, "plain recv/send loop": harness.plain}
    times: dict[str, list[float]] = {f"{name}{where}": [] for name in ways for where in ("", ", flooded")}
    passed: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            with way(made):
                times[name] += harness.latencies(made, count)
                beside = times[f"{name}, flooded"]
                result = harness.load(
                    made,
                    count * 0.001 + 0.5,
                    rate=pps,
                    traffic=kind,
                    meanwhile=lambda beside=beside: beside.extend(harness.latencies(made, count)),
                )
                passed[name].append(result.back / result.sent)
    for name, found in times.items():
        _percentiles(name, found)
    for name, shares in passed.items():
        print(f"  {name:34} of the flood came through: {statistics.median(shares):.1%}")


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


def xdp(*, quick: bool) -> None:
    print(
        "\nThe XDP program: nanoseconds a packet by number of flows, net of the loop, which the first line tells"
    )
    for line in costs.told(quick=quick):
        print(line, flush=True)


def cases() -> None:
    print("\nMicroseconds a frame by case of tests/fixtures: one by one, and as a batch of 256")
    for case in fixtures.cases():
        if case.captured is None and not (case.copied or case.earlier) and case.transmit == "free":
            one, batch = decisions.costs_us(case)
            print(f"  {case.name:68} {one:6.1f} {batch:6.2f}")
    print(f"\nMicroseconds for the targets of a batch of {decisions.FLOWS}")
    for name, took_us in decisions.flows_us():
        print(f"  {name:68} {took_us:6.1f}")


def maglev_tables() -> None:
    print("\nMaglev: building a table of 65,537 slots")
    for count in (2, 11, 101):
        names = [f"10.0.0.{n}:80" for n in range(count)]
        start = time.perf_counter()
        maglev.build(names, [1] * count)
        print(f"  {count:4} targets  {(time.perf_counter() - start) * 1e3:.1f} ms")


def main() -> None:
    sections = (
        "rates",
        "methods",
        "loss",
        "latency",
        "odd",
        "flood",
        "odd-flood",
        "swaps",
        "memory",
        "cards",
        "xdp",
        "cases",
        "maglev",
    )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds: a look, not a measurement")
    parser.add_argument(
        "--section", action="append", choices=sections, help="only this one; may be given again"
    )
    parser.add_argument("--rates", action="store_true", help="as --section rates")
    parser.add_argument("--cases", action="store_true", help="as --section cases, which needs no root")
    options = parser.parse_args()
    named = {"rates"} if options.rates else {"cases"} if options.cases else set(options.section or ())
    wanted = named or set(sections)
    quick = options.quick
    without_network = {"xdp": lambda: xdp(quick=quick), "cases": cases, "maglev": maglev_tables}
    if wanted - {"cases", "maglev"} and os.geteuid():
        sys.exit("make bench needs root: it makes network namespaces and packet sockets")
    print(f"Linux {platform.release()}, Python {platform.python_version()}, {os.cpu_count()} CPUs")
    rounds, seconds = (1, 2) if quick else (5, 4)
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(harness.wire()) if wanted - set(without_network) else harness.Wire("", "")
        on_the_wire: dict[str, Callable[[], object]] = {
            "rates": lambda: rates(made, rounds, seconds),
            "methods": lambda: methods(made, 2),
            "loss": lambda: loss(made, 3 if quick else 30),
            "latency": lambda: latency(made, rounds, 1000 if quick else 2000),
            "odd": lambda: odd(made, rounds, seconds),
            "flood": lambda: flood(made, rounds, 1000 if quick else 2000, traffic.ELSEWHERE, 300_000),
            "odd-flood": lambda: flood(made, rounds, 1000 if quick else 2000, traffic.OPTIONS, 150_000),
            "swaps": lambda: swaps(made, 20 if quick else 100),
            "memory": lambda: million_flows(made),
            "cards": lambda: cards.rates(made, rounds, seconds),
        }
        for name, section in (on_the_wire | without_network).items():
            if name in wanted:
                with quiet.watched():
                    section()


if __name__ == "__main__":
    main()
