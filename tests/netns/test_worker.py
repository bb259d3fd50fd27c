"""Workers on a bare wire, where the kernel, the device or another worker is in the way."""

import asyncio
import os
import signal
import socket
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from pyroute2 import IPRoute

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.afpacket.ring import packet_socket
from engine.datapath.contract import Description, DropReason
from engine.datapath.flowtable import DEFAULT_BUCKETS, WAYS
from engine.datapath.table import Compiler
from engine.io import if_packet as c
from engine.lab.namespaces import inside
from tests.bench import harness
from tests.bench.harness import GENERATOR_MAC, OWN_MAC, VIP, path
from tests.bench.traffic import packet, with_checksum
from tests.helpers.scene import until
from tests.netns.test_transfers import GET, ethtool

PLAIN = bytes(c.VNET_BYTES)
FIRST_CLIENT = 0x0A00_0000


class Bench:
    """A wire, the generator's sockets at one end and a datapath at the other."""

    def __init__(self, wire):
        self.wire = wire
        self.datapath = None
        with inside(path(wire.gen)):
            self.sender = packet_socket("g0", protocol=0)
            self.receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.receiver.setsockopt(c.SOL_PACKET, c.PACKET_IGNORE_OUTGOING, 1)
            self.receiver.setsockopt(socket.SOL_SOCKET, c.SO_RCVBUFFORCE, 16 << 20)
            self.receiver.bind(("g0", c.ETH_P_IP))

    def forward(self, workers=1, **more):
        with inside(path(self.wire.lb)):
            self.datapath = AfPacketDatapath("eth0", 1500, workers, **more)
            self.datapath.install(harness.table())
            self.datapath.start()

    def watch(self):
        with inside(path(self.wire.lb)):
            return self.datapath.watch(time.monotonic())

    def signal(self, number):
        for pid in self.datapath.process_ids():
            os.kill(pid, number)

    def send(self, *frames):
        for frame in frames:
            self.sender.send(frame)

    def send_at_once(self, *frames):
        """Have frames wait together for the workers, so that they are handled as a vector."""
        self.signal(signal.SIGSTOP)
        self.send(*frames)
        self.signal(signal.SIGCONT)

    def back(self, quiet_s=0.3):
        """Return the frames that came back, until none does."""
        self.receiver.settimeout(quiet_s)
        found = []
        try:
            while True:
                found.append(self.receiver.recv(70000))
        except TimeoutError:
            return found

    def drops(self):
        counts = self.datapath.counters().dropped
        return {reason.label: int(counts[reason]) for reason in DropReason if counts[reason]}

    def close(self):
        if self.datapath is not None:
            self.signal(signal.SIGCONT)
            self.datapath.stop()
        self.sender.close()
        self.receiver.close()


@pytest.fixture
def bench(run_id):
    with harness.wire(f"{run_id}-wire") as wire:
        made = Bench(wire)
        try:
            yield made
        finally:
            made.close()


def clients(count):
    return [PLAIN + packet(FIRST_CLIENT + i) for i in range(count)]


def super_frame(client, payload, segment):
    """TCP segments in one, as a host hands them to its interface: checksum not filled in, virtio header in front."""
    vnet = struct.pack("<BBHHHH", c.VNET_NEEDS_CSUM, 1, 54, segment, 34, 16)
    frame = bytearray(packet(client)[:54])
    frame[16:18] = (40 + payload).to_bytes(2, "big")
    return vnet + with_checksum(bytes(frame)) + bytes(payload)


def goes_to(frames):
    """The target's MAC by client."""
    return {frame[26:30]: frame[:6] for frame in frames}


# -- sending --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("payload", "segments"), [(20000, 14), (1000, 2)])
def test_super_frames_leave_an_interface_that_cannot_cut_them(bench, payload, segments):
    with inside(path(bench.wire.lb)):
        assert not ethtool("eth0", GET["tso"] + 1, 0)
    bench.forward()
    segment = -(-payload // segments)
    frames = [super_frame(FIRST_CLIENT + i, payload, segment) for i in range(40)]
    bench.send(*frames[:3])
    assert [len(f) for f in bench.back()] == 3 * (
        [54 + segment] * (segments - 1) + [54 + payload - segment * (segments - 1)]
    )
    bench.send_at_once(*frames)
    assert len(bench.back()) == 40 * segments
    bench.send_at_once(*clients(100))
    assert len(bench.back()) == 100
    assert bench.drops() == {}


def test_a_frame_that_the_device_refuses_holds_up_no_other(bench):
    bench.forward()
    large = [
        packet(FIRST_CLIENT + i)[:16] + (1300).to_bytes(2, "big") + packet(FIRST_CLIENT + i)[18:]
        for i in range(3)
    ]
    large = [PLAIN + with_checksum(frame) for frame in large]
    large = [frame + bytes(1314 + len(PLAIN) - len(frame)) for frame in large]
    bench.signal(signal.SIGSTOP)
    bench.send(*large, *clients(50))
    with inside(path(bench.wire.gen)), IPRoute() as ip:
        ip.link(
            "set", index=ip.link_lookup(ifname="g0")[0], mtu=1000
        )  # what is larger cannot go back any more
    bench.signal(signal.SIGCONT)
    assert len(bench.back()) == 50
    assert bench.drops() == {"tx-error": 3}
    bench.send_at_once(*clients(100))
    assert len(bench.back()) == 100


# -- receiving ------------------------------------------------------------------------------------------------------


def test_super_frames_that_wait_while_the_link_goes_down_are_no_end(bench):
    bench.forward()
    before = bench.datapath.process_ids()
    bench.signal(signal.SIGSTOP)
    bench.send(*(super_frame(FIRST_CLIENT + i, 20000, 1460) for i in range(5)))
    with inside(path(bench.wire.lb)), IPRoute() as ip:
        index = ip.link_lookup(ifname="eth0")[0]
        ip.link("set", index=index, state="down")
        ip.link("set", index=index, state="up")
    bench.signal(signal.SIGCONT)
    assert len(bench.back()) == 5
    assert bench.watch() == []
    assert bench.datapath.process_ids() == before


# -- several workers ------------------------------------------------------------------------------------------------


def fragmentation_needed(client, router="192.0.2.1"):
    quoted = packet(client)[14:42]
    quoted = (
        quoted[:12] + quoted[16:20] + quoted[12:16] + b"\0\x50" + (40000).to_bytes(2, "big") + quoted[24:]
    )
    message = struct.pack(">BBHHH", 3, 4, 0, 0, 1400) + quoted
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0, 64, 1, 0)
    addresses = socket.inet_aton(router) + socket.inet_aton(VIP)
    return PLAIN + with_checksum(OWN_MAC + GENERATOR_MAC + b"\x08\0" + ip + addresses + message)


def test_two_workers_share_clients_and_each_frame_is_one_workers(bench):
    bench.forward(workers=2)
    bench.send(*clients(200))
    first = bench.back()
    assert len(first) == 200
    assert [worker.block.get("forwarded") for worker in bench.datapath._processes] == [100, 100]
    bench.send_at_once(*clients(200))
    assert goes_to(bench.back()) == goes_to(first)
    assert bench.datapath.counters().target_sessions.sum() == 200
    bench.send(*(fragmentation_needed(FIRST_CLIENT + i) for i in range(100)))
    told = bench.back()
    assert len(told) == 100
    assert {f[58:62]: f[:6] for f in told}.items() <= goes_to(first).items()
    assert bench.datapath.counters().dropped.sum() == 0


def test_the_end_of_a_worker_moves_no_flow(bench):
    bench.forward(workers=2)
    bench.send(*clients(200))
    first = goes_to(bench.back())
    os.kill(bench.datapath.process_ids()[0], signal.SIGKILL)
    bench.datapath._processes[0]._process.wait()
    bench.send(*clients(200))
    meanwhile = goes_to(bench.back())
    assert len(meanwhile) == 100  # the others are lost and sent again; another target would reset them
    assert meanwhile.items() <= first.items()
    assert [event.severity for event in bench.watch()] == ["error", "info"]
    bench.send(*clients(200))
    assert goes_to(bench.back()) == first
    assert bench.datapath.counters().target_sessions.sum() == len(bench.datapath.flows(1000)) == 200


def test_two_interfaces_may_have_two_workers_each(bench):
    bench.forward(workers=2)
    with inside(path(bench.wire.lb)), IPRoute() as ip:
        ip.link("add", ifname="x0", kind="veth", peer={"ifname": "x1"})
        ip.link("set", index=ip.link_lookup(ifname="x0")[0], state="up")
        other = AfPacketDatapath("x0", 1500, 2)
        try:
            other.start()
        finally:
            other.stop()


# -- tables ---------------------------------------------------------------------------------------------------------


def test_a_worker_that_was_held_up_for_many_tables_ends_with_the_newest(bench):
    bench.forward()
    compiler = Compiler()
    bench.signal(signal.SIGSTOP)
    for _ in range(1000):
        newest = harness.table(compiler=compiler)
        bench.datapath.install(newest)
    bench.signal(signal.SIGCONT)

    def taken_up():
        bench.watch()
        return bench.datapath.generation_in_force() == newest.generation

    until(taken_up, 5, "the worker uses the newest table")


def test_session_counts_are_those_of_the_flow_table_after_a_kill(bench):
    bench.forward()
    bench.send(*clients(100))
    targets = [frame[:6] for frame in bench.back()]
    assert len(targets) == 100
    bench.send(*clients(100))  # the second packet of each opens it
    bench.back()
    block = bench.datapath._processes[0].block
    block.target_sessions[1] += 7  # a worker killed between writing flows down and counting them
    block.server_sessions[1] -= 3
    bench.signal(signal.SIGKILL)
    bench.datapath._processes[0]._process.wait()
    bench.watch()
    counters = bench.datapath.counters()
    by_target = [targets.count(mac) for mac in sorted(set(targets))]
    assert counters.target_sessions.tolist()[1:3] == by_target
    assert counters.server_sessions[1] == 100


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_datapath_that_is_over_leaves_no_descriptor(bench):
    bench.forward()
    bench.datapath.stop()
    bench.datapath = None
    before = open_files()
    for _ in range(2):
        bench.forward()
        bench.datapath.close()
    bench.datapath = None
    assert open_files() == before


def test_a_table_is_in_force_when_every_worker_uses_it(bench):
    bench.forward(workers=2)
    compiler = Compiler(generation=10)
    table = harness.table(compiler=compiler)
    bench.signal(signal.SIGSTOP)
    bench.datapath.install(table)
    assert not asyncio.run(bench.datapath.wait_in_force(table.generation, 0.1))
    bench.signal(signal.SIGCONT)
    assert asyncio.run(bench.datapath.wait_in_force(table.generation, 5))
    assert bench.datapath.generation_in_force() == table.generation


# -- parts, and flows from one datapath to another -----------------------------------------------------------------------


def test_one_worker_is_started_afresh_while_the_other_forwards_on(bench):
    bench.forward(workers=2)
    bench.send(*clients(100))
    homes = goes_to(bench.back())
    first, second = bench.datapath.process_ids()
    with inside(path(bench.wire.lb)):
        bench.datapath.restart_part(0)
    again, other = bench.datapath.process_ids()
    assert again != first
    assert other == second
    bench.send(*clients(100))
    assert goes_to(bench.back()) == homes  # with the flows they had
    pids = tuple(bench.datapath.process_ids())
    assert bench.datapath.describe() == Description("afpacket", "eth0", 2, 2 * DEFAULT_BUCKETS * WAYS, pids)


@pytest.mark.parametrize("running", [True, False], ids=["that forwards", "not started yet"])
@pytest.mark.parametrize("workers", [1, 3])
def test_flows_go_over_to_another_datapath(bench, workers, running):
    bench.forward(workers=2)
    bench.send(*clients(200))
    homes = goes_to(bench.back())
    bench.send(*clients(200))  # the second packet of each opens it
    bench.back()
    records = bench.datapath.export_flows()
    bench.datapath.close()
    assert len(records) == len(homes) == 200
    with inside(path(bench.wire.lb)):
        bench.datapath = AfPacketDatapath("eth0", 1500, workers, buckets=1 << 10)
        bench.datapath.install(harness.table())
        if running:
            bench.datapath.start()
        bench.datapath.import_flows(records)
        if not running:
            bench.datapath.start()
    until(lambda: bench.datapath.counters().target_sessions.sum() == 200, 5, "the flows are taken over")
    assert bench.datapath.counters().server_sessions[1] == 200
    bench.send(*reversed(clients(200)))  # round robin would turn them round
    assert goes_to(bench.back()) == homes
    assert sum(bench.datapath.pairs().values()) == 200
    assert np.array_equal(
        np.sort(bench.datapath.export_flows(), order=["client"])["target"],
        np.sort(records, order=["client"])["target"],
    )
