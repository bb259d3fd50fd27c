"""One or two workers of AF_PACKET on a veth pair: frames are sent at its other end, and come back there.

Targets in other networks have veth pairs of their own, at whose other ends frames come out.

Where all have come is seen in the counters; when a worker has done with them, in that it sleeps. Batches cannot be
dictated, but a worker that is stopped meanwhile finds all the frames at once.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2 import IPRoute

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.afpacket.ring import ReceiveRing, packet_socket, slot_bytes
from engine.datapath.afpacket.slot import VLAN_U32
from engine.datapath.contract import NO_INTERFACE
from engine.datapath.counters import HEARTBEAT_NS, word
from engine.io import if_packet as c
from engine.io import packet_filter
from engine.lab.namespaces import CLONE_NEWNET, unshare
from tests.reference.agreement import START_S, Course
from tests.reference.draws import table_seed
from tests.reference.forked import NS, Clock, Forked, fork_workers
from tests.reference.lived import lived, without_limits
from tests.reference.model import UNSEEN
from tests.reference.paths import MOST_FRAMES, counted, entries, seen, vnet
from tests.reference.scenario import WAYS_OUT
from tests.reference.wire import Frame, Sent, tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.reference.flows import Shown
    from tests.reference.model import Fate, Name
    from tests.reference.scenario import Scenario

NEAR, FAR = "near", "far"
OTHERS = {one.ifindex for one in WAYS_OUT if one is not None} - {0, NO_INTERFACE}
"""Indexes of the interfaces to other networks."""

MTU = 9000
"""Of the wire; the workers' is 1,500, so that frames come that are too big for it."""

WORKERS = {"one worker": 1, "two workers": 2}

WAIT_S = 0.5
"""For what the model expects; what takes longer does not come."""

_NAP_S = 30e-6
_SWEEP_NS = 30_000_000  # over the worker's pace of sweeps
_RECEIVED = word("received")


class Wire:
    """The sender at the near end, and the listeners at every near end."""

    def __init__(self) -> None:
        self.out = packet_socket(NEAR, protocol=0)
        self._rings = {}  # by the index of the far end, 0: the one that frames go to
        for by, name in {0: NEAR, **{index: f"{NEAR}{index}" for index in OTHERS}}.items():
            self._rings[by] = ReceiveRing(name, MOST_FRAMES * 2, slot_bytes(1500))
            packet_filter.attach(self._rings[by].sock, [packet_filter.ACCEPT])

    def send(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            one = tagged(frame.data, frame.offload, frame.vlan)
            self.out.send(vnet(one.offload) + one.data)

    def back(self) -> list[Sent]:
        """Return what has come back since the last call."""
        return [one for by, ring in self._rings.items() for one in self._taken(ring, by)]

    @staticmethod
    def _taken(ring: ReceiveRing, by: int) -> list[Sent]:
        found = []
        while count := ring.ready(MOST_FRAMES):
            for slot in range(ring.head, ring.head + count):
                first = slot * ring.slot >> 2
                status, size, _, offsets = ring.words[first : first + 4]
                start = slot * ring.slot + (offsets & 0xFFFF)
                whole = ring.take_large() if status & c.TP_STATUS_COPY else None
                one = seen(bytes(whole or ring.view[start - c.VNET_BYTES : start + size]), by)
                if status & c.TP_STATUS_VLAN_VALID:
                    tag = ring.words[first + VLAN_U32]
                    one = tagged(one.data, one.offload, (tag & 0xFFFF, tag >> 16), by)
                found.append(one)
            ring.release(count)
        return found


class RealWorkers:
    """A datapath whose workers' time, draws and hash are the test's."""

    def __init__(self, wire: Wire, lines: int, seed: int, workers: int) -> None:
        self._wire, self._lines = wire, lines
        self._clock = Clock(START_S)
        self._rng = random.Random(seed)
        Forked.clock, Forked.seed = self._clock, seed
        self._datapath = AfPacketDatapath(FAR, 1500, workers, lines)
        for one in self._datapath._processes:
            one.flows.seed = table_seed(seed)
            one.flows._seed[0] = one.flows.seed
        self._states: list[int] = []
        wire.back()

    # -- steps ------------------------------------------------------------------------------------------------------

    def install(self, table) -> None:
        self._datapath.install(table)
        if not self._states:
            self._datapath.start()
            self._states = [os.open(f"/proc/{pid}/stat", os.O_RDONLY) for pid in self._datapath.process_ids()]
        self._until(lambda: self._datapath.generation_in_force() == table.generation)

    def sweep(self, now_s: int) -> None:
        now_ns = self._clock.monotonic_ns()
        self._clock.set(now_s * NS if now_ns // NS < now_s else now_ns + _SWEEP_NS)
        now_ns = self._clock.monotonic_ns()
        if now_ns // NS != now_s:
            raise ValueError("too many sweeps within a second")
        blocks = [one.block.flat for one in self._datapath._processes]
        self._until(lambda: all(flat[HEARTBEAT_NS] == now_ns for flat in blocks))

    def decide(self, frames: Sequence[Frame], fates: Sequence[Fate], now_s: int) -> list[Sent]:
        return self._play(frames, fates, now_s, waiting=self._rng.random() < 0.5)

    def change(self, frames: Sequence[Frame], fates: Sequence[Fate], now_s: int, table) -> list[Sent]:
        sent = self._play(frames, fates, now_s, waiting=True, change=lambda: self._datapath.install(table))
        self._until(lambda: self._datapath.generation_in_force() == table.generation)
        return sent

    def _play(
        self,
        frames: Sequence[Frame],
        fates: Sequence[Fate],
        now_s: int,
        *,
        waiting: bool,
        change: Callable[[], None] = lambda: None,
    ) -> list[Sent]:
        """Send frames to the workers as they run, or all while they are stopped; return what comes back."""
        if self._clock.monotonic_ns() // NS != now_s:
            raise ValueError("the clock has to be moved by a sweep")
        taken = self._received() + sum(fate.verdict != UNSEEN for fate in fates)
        wanted = sum(len(fate.sent) for fate in fates)
        with self._stopped() if waiting else contextlib.nullcontext():
            self._wire.send(frames)
            change()
        self._until(lambda: self._received() >= taken)
        sent = self._wire.back()
        deadline = time.monotonic() + WAIT_S
        while len(sent) < wanted and time.monotonic() < deadline:
            time.sleep(_NAP_S)
            sent += self._wire.back()
        return sent

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[None]:
        pids = self._datapath.process_ids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            os.waitpid(pid, os.WUNTRACED)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def _until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so, at most WAIT_S, and then until no worker has anything to do."""
        deadline = time.monotonic() + WAIT_S
        while not done() and time.monotonic() < deadline:
            time.sleep(_NAP_S)
        while not all(map(_sleeps, self._states)) and time.monotonic() < deadline:
            time.sleep(_NAP_S)

    def _received(self) -> int:
        return sum(one.block.flat[_RECEIVED] for one in self._datapath._processes)

    # -- what is to be seen -----------------------------------------------------------------------------------------

    def counts(self) -> dict[Name, int]:
        return counted(self._datapath.counters())

    def flows(self) -> dict[int, list[Shown]]:
        found: dict[int, list[Shown]] = {}
        for number, one in enumerate(self._datapath._processes):
            found |= entries(one.flows, number * self._lines)
        return found

    def told(self) -> list[str]:
        self._clock.set(self._clock.monotonic_ns() + NS)  # once a second a worker tells of a fault
        time.sleep(0.1)
        return [
            event.message for event in self._datapath.watch(time.monotonic()) if event.severity == "error"
        ]

    def close(self) -> None:
        for state in self._states:
            os.close(state)
        self._datapath.close()


def _sleeps(state: int) -> bool:
    """Whether a process sleeps, by its open /proc/PID/stat (proc(5)): what a worker waits in is its poll."""
    try:
        text = os.pread(state, 256, 0)
    except ProcessLookupError:
        return True  # it has ended, and nothing more comes of it
    return text[text.rindex(b")") + 2 : text.rindex(b")") + 3] in {b"S", b"Z"}


def on_sockets(cpus: tuple[int, int]) -> dict[str, Course]:
    """Take this process for good into a network of its own, and return the courses that are played there.

    It stays on the first of `cpus` and its workers on the second: frames that a process sends from one processor and
    then from another may overtake each other on a veth.
    """
    unshare(CLONE_NEWNET)
    os.sched_setaffinity(0, {cpus[0]})
    Forked.cpu = cpus[1]
    for family in ("all", "default"):
        with contextlib.suppress(OSError):  # a kernel without IPv6, or a user namespace
            Path(f"/proc/sys/net/ipv6/conf/{family}/disable_ipv6").write_text("1")
    with IPRoute() as ip:
        ip.link("add", ifname=NEAR, kind="veth", mtu=MTU, peer={"ifname": FAR, "mtu": MTU})
        for index in OTHERS:
            ends = {"ifname": f"{FAR}{index}", "peer": {"ifname": f"{NEAR}{index}", "mtu": MTU}}
            ip.link("add", index=index, kind="veth", mtu=MTU, **ends)
        for link in ip.get_links():
            ip.link("set", index=link["index"], state="up")
    fork_workers()
    wire = Wire()
    return {
        name: Course({name: partial(RealWorkers, wire, workers=n)}, n, lived if n == 1 else _shared)
        for name, n in WORKERS.items()
    }


def _shared(scenario: Scenario) -> Scenario:
    """Return the history for several workers."""
    return lived(without_limits(scenario))
