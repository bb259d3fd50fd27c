"""What the XDP program costs a packet: BPF_PROG_TEST_RUN over many flows, net of the loop, beside a bare MAC swap.

Needs root and clang-14. Nanoseconds a packet; the fastest of some rounds, as whatever disturbs makes it slower.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.table import Compiler, ServerInput, TargetInput
from engine.datapath.xdp import libbpf
from engine.datapath.xdp.program import MapMemory, Program
from engine.domain.address import Address
from tests.reference.build import OWN, ROUTER, ether, ip, padded, segment, target_mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.datapath.contract import ForwardingTable

FLOWS = (1, 1 << 16, 1 << 20)
TARGETS = tuple(range(1, 9))
VIP = bytes((172, 16, 1, 10))
BUCKETS = 1 << 18
ROUND = 1 << 20
ROUNDS = 5
_ACK, _SYN = 16, 2


@dataclass(frozen=True)
class Cost:
    """Nanoseconds a packet, the loop and what varies the flow apart."""

    name: str
    flows: int
    ns: int


class Loop:
    """The program that varies the flow and jumps to another."""

    def __init__(self) -> None:
        source = Path(__file__).with_name("vary.bpf.c")
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "vary.o"
            command = [
                "clang-14",
                "-target",
                "bpf",
                "-mcpu=v3",
                "-O2",
                "-g",
                "-c",
                str(source),
                "-o",
                str(made),
            ]
            subprocess.run(command, check=True)
            one = libbpf.Object(made.read_bytes())
        one.load()
        self.turn_back = one.program_fd("turn_back")
        self._runner = libbpf.Runner(one.program_fd("vary"))
        self._programs = one.map_fd("programs")
        self._plan = MapMemory(one.map_fd("plans"), 24).view

    def ns(
        self, program: int, flows: int, *, flags: int = _ACK, rounds: int = ROUNDS, warm: bool = True
    ) -> int:
        """Return what a packet costs by a program, the loop included."""
        libbpf.put_map(self._programs, 0, program)
        self._plan[:8] = bytes(8)
        self._plan[8:12] = flows.to_bytes(4, "little")
        self._plan[12:24] = OWN + ROUTER
        frame = padded(ether(ip(bytes((10, 1, 0, 0)), VIP, 6, segment(1024, 80, flags))))
        if warm:
            self._runner.nanoseconds(frame, max(flows, ROUND // 16))
        return min(self._runner.nanoseconds(frame, ROUND) for _ in range(rounds))


def table(method: str, *, new: tuple[int, ...] = TARGETS) -> ForwardingTable:
    server = ServerInput(
        1, Address.of(VIP), 80, "tcp", method, by_port=True, idle_s=600, new=new, keep=TARGETS
    )
    targets = [TargetInput(n, f"10.0.0.{n}:80", target_mac(n)) for n in TARGETS]
    return Compiler().compile(
        [server],
        targets,
        virtual=[server.address],
        own_mac=[OWN],
        blocked_mac=[t.mac for t in targets],
        mtu=1500,
    )


def costs(*, quick: bool = False) -> Iterator[Cost]:
    """Yield what a packet costs by each way, for each number of flows."""
    loop, rounds = Loop(), 2 if quick else ROUNDS
    for flows in FLOWS:
        bare = loop.ns(loop.turn_back, flows, rounds=rounds)
        yield Cost("loop and bare MAC swap", flows, bare)
        for name, method, changes in (
            ("hash, the ring decides", "hash", False),
            ("hash, every bucket in transition", "hash", True),
            ("rr, by the flow table", "rr", False),
        ):
            program = Program(BUCKETS)
            try:
                program.install(table(method))
                if changes:
                    _move_every_bucket(program, table(method))
                    loop.ns(program.fd, flows, flags=_ACK, rounds=1)
                elif method == "rr":
                    loop.ns(program.fd, flows, flags=_SYN, rounds=1)
                yield Cost(name, flows, loop.ns(program.fd, flows, rounds=rounds) - bare)
            finally:
                program.close()
    program = Program(BUCKETS)
    try:
        program.install(table("rr"))
        yield Cost(
            "rr, every packet a new flow",
            1 << 20,
            loop.ns(program.fd, 1 << 20, flags=_SYN, rounds=1, warm=False) - bare,
        )
    finally:
        program.close()


def _move_every_bucket(program: Program, made: ForwardingTable) -> None:
    """Give every bucket of the ring another target, while the one before keeps its flows."""
    moved = np.roll(np.array([0, *TARGETS], np.uint16)[1:], 1)[made.buckets - 1]
    program.install(replace(made, buckets=moved))


def told(*, quick: bool = False) -> Iterator[str]:
    """Yield the costs as lines: a way each, its numbers of flows beside each other."""
    found: dict[str, list[str]] = {}
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        for one in costs(quick=quick):
            found.setdefault(one.name, []).append(f"{one.flows:>9,}: {one.ns:>3}")
    finally:
        os.sched_setaffinity(0, before)
    yield from (f"  {name:36} {'   '.join(values)}" for name, values in found.items())
