"""Send mutated frames to a real worker: none may end it, fault in it, or leave it slower for plain frames.

python -m tests.fuzz.fuzz_worker --frames 600000
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.afpacket.ring import packet_socket
from engine.datapath.contract import Counters, DropReason
from engine.domain.address import Address
from engine.lab.namespaces import inside
from tests.bench import harness
from tests.fuzz import fuzz_packets
from tests.helpers.frames import VIP, compiled, server
from tests.reference import build
from tests.reference.paths import vnet
from tests.reference.wire import tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 2000
"""Frames that wait together for a stopped worker, or are sent to one that runs; the ring has room for all."""

ROUNDS, ROUND_S = 5, 1.0
SLOWER = 0.9
"""Share of the rate before that has to be there afterwards: rounds of one run differ by some per cent."""


@dataclass(frozen=True)
class Ordeal:
    """What a worker went through, and how it came out of it."""

    sent: int
    refused: int  # by the kernel of the sender: no frames at all
    before_mpps: float
    after_mpps: float
    survived: bool
    counters: Counters

    @property
    def ratio(self) -> float:
        return self.after_mpps / self.before_mpps

    @property
    def findings(self) -> list[str]:
        """Return what must not be, as sentences."""
        faults = int(self.counters.dropped[DropReason.FAULT])
        return [
            *(["the worker ended"] if not self.survived else []),
            *([f"{faults} frames met a fault"] if faults else []),
            *([f"plain frames at {self.ratio:.2f} of the rate before"] if self.ratio < SLOWER else []),
        ]


def mutated(rng: random.Random, scene: build.Field) -> bytes:
    """Make a frame with the virtio header in front: one of the packet fuzzer's, or a good one with damaged bytes."""
    if rng.random() < 0.5:
        return bytes(10) + fuzz_packets.frame(rng)
    made = rng.choices(list(build.MIX), list(build.MIX.values()))[0](scene)
    data = bytearray(made.data)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.05:
        del data[rng.randrange(15, len(data)) :]
    one = tagged(bytes(data), made.offload, made.vlan)
    if rng.random() < 0.05:
        one = replace(
            one, offload=replace(one.offload, gso_type=rng.choice((0, 1, 3)), gso_size=rng.randrange(2000))
        )
    return vnet(one.offload) + one.data


@contextlib.contextmanager
def _worker(made: harness.Wire) -> Iterator[AfPacketDatapath]:
    table = compiled(
        server(1, method="rr"),
        server(2, port=53, protocol="udp", method="hash", by_port=True),
        server(3, port=0, protocol="any", method="session", by_port=True),
        server(4, address=Address.parse("172.16.1.11"), port=0, protocol="any", method="random"),
    )
    with inside(harness.path(made.lb)), harness.on_cpu(harness.cpus()[1]):
        datapath = AfPacketDatapath("eth0", 1500)
        datapath.install(table)
        datapath.start()
    try:
        yield datapath
    finally:
        datapath.close()


def _rate(made: harness.Wire) -> float:
    return statistics.median(harness.load(made, ROUND_S).mpps for _ in range(ROUNDS))


def ordeal(made: harness.Wire, frames: int, rng: random.Random) -> Ordeal:
    """Measure a worker, send it mutated frames, and measure it again."""
    virtual = [Address.parse(text).packed for text in (VIP, "172.16.1.11")]
    services = [(virtual[0], 80, 6), (virtual[0], 53, 17), (virtual[0], 0, 0), (virtual[1], 0, 0)]
    clients = [bytes((192, 0, 2, 1 + n)) for n in range(60)]
    scene = build.Field(rng, clients, [0, *range(40000, 40010)], virtual, services)
    with inside(harness.path(made.gen)):
        out = packet_socket("g0", protocol=0)
    sent = refused = 0
    with out, _worker(made) as datapath:
        (pid,) = datapath.process_ids()
        before = _rate(made)
        while sent + refused < frames:
            block = [mutated(rng, scene) for _ in range(min(AT_ONCE, frames - sent - refused))]
            waiting = rng.random() < 0.5
            if waiting:
                os.kill(pid, signal.SIGSTOP)
            for data in block:
                try:
                    out.send(data)
                    sent += 1
                except OSError:
                    refused += 1
            if waiting:
                os.kill(pid, signal.SIGCONT)
            _quiet(datapath)
        after = _rate(made)
        survived = datapath.process_ids() == [pid] and not any(
            event.severity == "error" for event in datapath.watch(time.monotonic())
        )
        return Ordeal(sent, refused, before, after, survived, datapath.counters())


def _quiet(datapath: AfPacketDatapath) -> None:
    """Wait until no more frames are taken."""
    seen, deadline = -1, time.monotonic() + 5
    while (now := datapath.counters().received) != seen and time.monotonic() < deadline:
        seen = now
        time.sleep(0.005)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=600_000)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args(argv)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}", flush=True)
    with harness.wire() as made:
        found = ordeal(made, args.frames, random.Random(seed))
    drops = {reason.label: int(found.counters.dropped[reason]) for reason in DropReason}
    print(
        f"{found.sent} frames sent, {found.refused} refused by the sender's kernel; dropped: "
        f"{', '.join(f'{number} {label}' for label, number in drops.items() if number)}\n"
        f"plain frames: {found.before_mpps:.3f} Mpps before, {found.after_mpps:.3f} after: {found.ratio:.2f}"
    )
    for finding in found.findings:
        print(f"  {finding}")
    return 1 if found.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
