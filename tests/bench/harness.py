"""A wire of two namespaces, a generator at one end and a forwarder under test at the other.

The generator runs on the first CPU, the forwarder on the last. What counts as forwarded is what the generator's own
interface receives back: the forwarder's word is not taken.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import struct
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyroute2 import IPRoute

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.table import Compiler, ServerInput, TargetInput
from engine.domain.address import Address
from engine.io import packet_filter
from engine.lab import namespaces
from tests.bench.traffic import PLAIN, TEMPLATE, Traffic, generate, packet
from tests.helpers import fixtures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWN_MAC, GENERATOR_MAC = TEMPLATE[:6], TEMPLATE[6:12]
TARGET_MACS = [fixtures.target_mac(n) for n in (1, 2)]
VIP = "172.16.1.10"


@dataclass
class Wire:
    """Names of the two ends: `gen` (interface g0) and `lb` (interface eth0)."""

    gen: str
    lb: str


@contextlib.contextmanager
def wire(name: str | None = None) -> Iterator[Wire]:
    """Make a wire; its namespaces' names begin with `name`."""
    tag = name or f"bench-{uuid.uuid4().hex[:6]}"
    made = Wire(f"{tag}-gen", f"{tag}-lb")
    try:
        for node in (made.gen, made.lb):
            namespaces.create(node)
            # What the kernel says of its own accord is no frame that came back.
            with namespaces.inside(path(node)), contextlib.suppress(FileNotFoundError):
                Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
        with namespaces.inside(path(made.gen)), IPRoute() as ip:
            with Path(path(made.lb)).open() as other:
                ip.link(
                    "add",
                    ifname="g0",
                    kind="veth",
                    address=GENERATOR_MAC.hex(":"),
                    peer={"ifname": "eth0", "net_ns_fd": other.fileno(), "address": OWN_MAC.hex(":")},
                )
            ip.link("set", index=ip.link_lookup(ifname="g0")[0], state="up")
        with namespaces.inside(path(made.lb)), IPRoute() as ip:
            ip.link("set", index=ip.link_lookup(ifname="eth0")[0], state="up")
        yield made
    finally:
        for node in (made.gen, made.lb):
            namespaces.remove(node)


def path(name: str) -> str:
    return f"/run/netns/{name}"


def received(name: str) -> int:
    """Packets that the generator's interfaces have received back."""
    with namespaces.inside(path(name)), IPRoute() as ip:
        links = [link for link in ip.get_links() if link.get("ifname") != "lo"]
        return sum(link.get("stats64")["rx_packets"] for link in links)


def cpus() -> tuple[int, int]:
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextlib.contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Load:
    """What came of one load: frames sent, frames received back, over how long."""

    sent: int
    back: int
    seconds: float

    @property
    def mpps(self) -> float:
        return self.back / self.seconds / 1e6


def load(
    made: Wire,
    seconds: float,
    rate: float | None = None,
    flows: int = 65536,
    traffic: Traffic = PLAIN,
    meanwhile: Callable[[], None] = lambda: None,
) -> Load:
    """Put the forwarder that runs on the wire under load; `meanwhile` runs beside it."""
    ours, theirs = multiprocessing.Pipe()
    before = received(made.gen)
    start = time.monotonic() + 0.4
    process = multiprocessing.get_context("fork").Process(
        target=generate, args=(path(made.gen), cpus()[0], seconds, rate, flows, start, theirs, traffic)
    )
    process.start()
    time.sleep(max(0.0, start - time.monotonic()))
    meanwhile()
    process.join()
    sent = ours.recv()
    time.sleep(0.3)
    return Load(sent, received(made.gen) - before, seconds)


def table(method: str = "rr", servers: int = 1, compiler: Compiler | None = None, vlan: int = 0):
    """The table of the bench: server 1 is the one under load, `servers` more with two targets each are ballast.

    They are served on one VLAN, 0: untagged. Below 512 of them, the last number has another server on the same address, port 81.
    """
    inputs = [
        ServerInput(number, Address.parse(VIP), port, "tcp", method, False, 600, (1, 2), (1, 2))
        for number, port in ((1, 80), (512, 81))
        if number > servers or number == 1
    ]
    targets = [TargetInput(n, f"target{n}:80", TARGET_MACS[n - 1]) for n in (1, 2)]
    for n in range(2, servers + 1):
        pair = (2 * n - 1, 2 * n)
        address = Address.parse(f"10.9.{n >> 8}.{n & 255}")
        inputs.append(ServerInput(n, address, 80, "tcp", method, False, 600, pair, pair))
        targets += [TargetInput(p, f"target{p}:80", bytes([2, 0, 0, 1, p >> 8, p & 255])) for p in pair]
    virtual = sorted({s.address for s in inputs})
    return (compiler or Compiler()).compile(
        inputs,
        targets,
        virtual=virtual,
        vlans=dict.fromkeys(virtual, vlan),
        own_mac=[OWN_MAC],
        blocked_mac=[t.mac for t in targets],
        mtu=1500,
    )


@contextlib.contextmanager
def afpacket(made: Wire, method: str = "rr", vlan: int = 0, **environment: str) -> Iterator[AfPacketDatapath]:
    """The product's worker on the wire; the bench's servers are on a VLAN, 0: untagged."""
    with namespaces.inside(path(made.lb)), on_cpu(cpus()[1]):
        os.environ.update(environment)
        datapath = AfPacketDatapath("eth0", 1500)
        datapath.install(table(method, vlan=vlan))
        datapath.start()
        for name in environment:
            del os.environ[name]
    try:
        yield datapath
    finally:
        datapath.stop()


def plain_loop(lb: str, ready) -> None:
    """The other thing: what one writes first. recv, look up, set two addresses, send; one frame at a time."""
    namespaces.enter(path(lb), 0x4000_0000)
    os.sched_setaffinity(0, {cpus()[1]})
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    sock.setsockopt(263, 23, 1)  # PACKET_IGNORE_OUTGOING
    sock.bind(("eth0", 0x0800))
    buffer = bytearray(2048)
    view = memoryview(buffer)
    servers = {(socket.inet_aton(VIP), port.to_bytes(2, "big"), 6) for port in (80, 81)}
    flows: dict[bytes, bytes] = {}
    packets = dict.fromkeys(TARGET_MACS, 0)
    ready.send(True)
    while True:
        size = sock.recv_into(buffer)
        if (bytes(view[30:34]), bytes(view[36:38]), buffer[23]) not in servers:
            continue
        client = bytes(view[26:30])
        mac = flows.get(client)
        if mac is None:
            mac = flows[client] = TARGET_MACS[len(flows) % 2]
        buffer[0:6] = mac
        buffer[6:12] = OWN_MAC
        packets[mac] += 1
        sock.send(view[:size])


@contextlib.contextmanager
def plain(made: Wire) -> Iterator[None]:
    """A plain recv/send loop in Python on the wire."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=plain_loop, args=(made.lb, theirs), daemon=True
    )
    process.start()
    ours.recv()
    try:
        yield
    finally:
        process.kill()
        process.join()


SO_TIMESTAMPNS = 35
STREAM_CLIENT = 0xC000_0201
LOST_S = 0.2


def latencies(made: Wire, count: int, interval_s: float = 0.001) -> list[float]:
    """Milliseconds from the sending of a frame to its return to the same interface, one every `interval_s`.

    What has not come back within LOST_S counts as that.
    """
    times = stream(made, count, interval_s)
    return [(back - sent) / 1e6 if back else LOST_S * 1e3 for sent, back in times]


def stream(made: Wire, count: int, interval_s: float) -> list[tuple[int, int]]:
    """Send a frame every `interval_s`; returns when each was sent and was back (CLOCK_REALTIME, ns; 0: lost)."""
    found: list[tuple[int, int]] = []
    with namespaces.inside(path(made.gen)), on_cpu(cpus()[0]):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        sock.setsockopt(263, 23, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        # Whatever else comes back meanwhile is not for this one.
        mine = (packet_filter.JEQ, 1, 0, STREAM_CLIENT)
        packet_filter.attach(
            sock, [(packet_filter.LD_ABS, 0, 0, 26), mine, packet_filter.REJECT, packet_filter.ACCEPT]
        )
        sock.bind(("g0", 0x0800))
        sock.settimeout(LOST_S)
    with sock, on_cpu(cpus()[0]):
        frames = [packet(STREAM_CLIENT, 1024 + n % 60000) for n in range(count)]
        next_at = time.monotonic()
        for data in frames:
            next_at += interval_s
            time.sleep(max(0.0, next_at - time.monotonic()))
            sent_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
            sock.send(data)
            found.append((sent_ns, _back(sock, data[34:36])))
    return found


def _back(sock: socket.socket, port: bytes) -> int:
    """Return when the frame from that port came back; 0 where it does not. Others are late ones."""
    while True:
        try:
            data, ancillary, _, _ = sock.recvmsg(2048, 64)
        except TimeoutError:
            return 0
        if data[34:36] == port:
            seconds, nanos = struct.unpack("qq", ancillary[0][2][:16])
            return int(seconds * 1_000_000_000 + nanos)


WINDOW_NS = 40_000_000


def swap_waits(
    made: Wire, datapath: AfPacketDatapath, servers: int, swaps: int
) -> tuple[list[float], list[float]]:
    """Longest wait of a frame in the 40 ms from each swap of a full table on, and in 40 ms without one; in ms.

    A frame leaves every half millisecond; a swap is a new table compiled, stored and handed over, as the engine does.
    What is done here stays on the generator's processor: the worker's is left to it, as on a machine with some to spare.
    """
    compiler = Compiler()
    datapath.install(table(servers=servers, compiler=compiler))
    time.sleep(0.2)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=lambda: theirs.send(stream(made, swaps * 240, 0.0005))
    )
    process.start()
    begun: list[int] = []
    with on_cpu(cpus()[0]):
        while not ours.poll(0.1):
            following = table(servers=servers, compiler=compiler)
            begun.append(time.clock_gettime_ns(time.CLOCK_REALTIME))
            datapath.install(following)
    times = np.array(ours.recv())
    process.join()
    last = times[-1, 0] - 2 * WINDOW_NS
    begun = [stamp for stamp in begun if stamp < last]
    return [_longest(times, stamp) for stamp in begun], [
        _longest(times, stamp + WINDOW_NS) for stamp in begun
    ]


def _longest(times, begin: int) -> float:
    sent, back = times[times[:, 1] > 0].T
    meanwhile = (back >= begin) & (sent < begin + WINDOW_NS)
    return float((back - sent)[meanwhile].max()) / 1e6


def resident_mib(pids: list[int]) -> float:
    """Resident memory of processes, shared pages counted once each."""
    total = 0
    for pid in pids:
        with Path(f"/proc/{pid}/status").open() as status:
            fields = dict(line.split(":", 1) for line in status if ":" in line)
        total += int(fields["VmRSS"].split()[0])
    return total / 1024


def median_of(repeat: int, measure: Callable[[], float]) -> float:
    values = sorted(measure() for _ in range(repeat))
    return values[len(values) // 2]
