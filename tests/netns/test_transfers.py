"""Large transfers through the virtual server arrive whole: super-frames, small MTUs, no offloads, slow readers."""

import contextlib
import ctypes
import fcntl
import hashlib
import socket
import struct
import termios
import threading
import time

import pytest

from engine.io.if_packet import SO_RCVBUFFORCE
from engine.lab import addressing, httpd, links
from engine.lab.namespaces import inside
from tests.helpers.port import TARGET1, TARGET2, Port, room
from tests.helpers.scene import SEED, Scene, sha256_of, until

MB = 1_000_000
SO_SNDBUFFORCE = 32
SLOW_PORT = 9000
CONFIG = (
    SEED.read_text()
    + f"""
server 2 {{
    ipaddr {addressing.VIP}
    port {SLOW_PORT}
    protocol tcp
    targets 3
}}
target 3 {{
    ipaddr {addressing.TARGETS["target1"]}
    port {SLOW_PORT}
    protocol tcp
    dsr enable
}}
register server 2
enable server 2
register target 3
enable target 3
"""
)


def prepare(lab):
    lab.slow_reader = SlowReader(lab, "target1")


class SlowReader(threading.Thread):
    """A server on a target that hashes what comes, and often lets megabytes of it wait in the kernel first."""

    LET_WAIT_BYTES = 4 * MB
    """The frames of two turns of the transmit ring (1,024 slots of 1.5 KB)."""

    WINDOW_BYTES = 16 << 20

    def __init__(self, lab, node):
        super().__init__(daemon=True)
        with inside(lab.netns_path(node)):
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            room(self.listener, SO_RCVBUFFORCE, socket.SO_RCVBUF, self.WINDOW_BYTES)
            self.listener.bind(("0.0.0.0", SLOW_PORT))
            self.listener.listen()
        self.digests = []
        self.most_waiting = 0
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.digests.append(self.read(connection))

    def read(self, connection):
        total = hashlib.sha256()
        while True:
            deadline = time.monotonic() + 0.5
            while (waits := waiting(connection)) < self.LET_WAIT_BYTES and time.monotonic() < deadline:
                time.sleep(0.005)
            self.most_waiting = max(self.most_waiting, waits)
            left = waits or 1
            while left > 0:
                piece = connection.recv(min(left, 1 << 18))
                if not piece:
                    return total.hexdigest()
                total.update(piece)
                left -= len(piece)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(5)


def waiting(connection):
    """Bytes that wait in the kernel to be read."""
    count = bytearray(4)
    fcntl.ioctl(connection, termios.FIONREAD, count)
    return int.from_bytes(count, "little")


@pytest.fixture(scope="module", autouse=True)
def _close_slow_reader(module_scene):
    yield
    module_scene.lab.slow_reader.close()


def check_transfers(scene, length, source=addressing.CLIENT_SOURCES[0], ways="up down"):
    expected = sha256_of(length)
    if "up" in ways:
        assert scene.put(length, source).text == f"{length} {expected}\n"
    if "down" in ways:
        answer = scene.get(f"/bytes/{length}", source, timeout=20)
        assert (answer.length, answer.sha256) == (length, expected)


# -- offloads as they are ---------------------------------------------------------------------------------------------


def test_100_mb_up_and_down_with_the_default_offloads(scene):
    with Port(scene.lab, "switch", "lb", both=True) as port:
        check_transfers(scene, 100 * MB)
        # Super-frames did go through whole: otherwise this shows nothing of them.
        largest = max(len(seen.data) for seen in port.heard(wanted=lambda _: True, timeout_s=0.3, quiet_s=0))
    assert largest > 10_000
    dropped = scene.dropped()
    assert not {"truncated", "tx-error", "too-big"} & dropped.keys(), dropped


def test_many_uploads_at_a_time_arrive_whole(scene):
    length = 3 * MB
    uploads = [scene.background(scene.put, length, source) for source in addressing.CLIENT_SOURCES[:16]]
    assert {upload.result(60).text for upload in uploads} == {f"{length} {sha256_of(length)}\n"}


# -- an MTU of 1400, where it may be ----------------------------------------------------------------------------------


def frag_needed(seen):
    """ICMP "fragmentation needed" to the virtual address."""
    at = 14 + (seen.data[14] & 15) * 4
    return seen.ethertype == 0x0800 and seen.data[23] == 1 and seen.data[at : at + 2] == b"\3\4"


@pytest.fixture
def scene_with(lab, tmp_path):
    """Call it with a change of the network: it makes that first, then starts the engine."""
    started = []

    def start(change):
        change(lab)
        started.append(Scene(lab, tmp_path).start())
        return started[0]

    yield start
    for scene in started:
        scene.stop()
        print(scene.balancer.log_text())


def test_20_mb_up_and_down_with_the_balancers_interface_at_1400(scene_with):
    def change(lab):
        with inside(lab.netns_path("lb")):
            links.set_link("eth0", mtu=1400)

    scene = scene_with(change)
    assert scene.state().interfaces[0].mtu == 1400
    check_transfers(scene, 20 * MB)
    # The client was told (RFC 1191), nothing was just lost.
    assert scene.dropped().get("too-big", 0) > 0


def test_20_mb_up_and_down_with_the_whole_lan_at_1400(scene_with):
    scene = scene_with(lambda lab: lab.set_mtu(1400))
    check_transfers(scene, 20 * MB)


def test_20_mb_up_and_down_with_the_clients_link_at_1400_and_the_router_telling_the_right_target(scene_with):
    def change(lab):
        with inside(lab.netns_path("router")):
            links.set_link("eth1", mtu=1400)
        with inside(lab.netns_path("client")):
            links.set_link("eth0", mtu=1400)
            with links.netlink() as netlink:
                # The client's SYN says 1460: only the router knows of the bottleneck, and only by ICMP.
                metrics = {"advmss": 1460}
                index = links.index_of(netlink, "eth0")
                netlink.route(
                    "replace", dst="0.0.0.0/0", gateway=addressing.CLIENT_GATEWAY, oif=index, metrics=metrics
                )

    scene = scene_with(change)
    sources = addressing.CLIENT_SOURCES[:2]
    scene.traffic(2, sources)
    target_of = {client: target for (client, _, _), target in scene.sessions().items()}
    assert set(target_of.values()) == {1, 2}
    for source in sources:
        check_transfers(scene, 20 * MB, source, ways="up")
        with Port(scene.lab) as port:
            check_transfers(scene, 20 * MB, source, ways="down")
            told = port.heard(wanted=frag_needed, timeout_s=0.3, quiet_s=0)
        assert told, "the router never had to tell: the test shows nothing"
        assert {seen.ip_to for seen in told} == {addressing.VIP}
        assert {seen.to for seen in told} == {TARGET1 if target_of[source] == 1 else TARGET2}


def test_an_mtu_changed_while_running_is_taken_up(scene):
    try:
        scene.lab.set_mtu(1400)
        until(lambda: scene.state().interfaces[0].mtu == 1400, 4, "the engine sees the MTU")
        until(scene.ready, 4, "the datapath is ready again")
        check_transfers(scene, 5 * MB)
    finally:
        scene.lab.set_mtu(1500)
        until(lambda: scene.state().interfaces[0].mtu == 1500, 4, "the engine sees the MTU")
        until(scene.ready, 4, "the datapath is ready again")


# -- no offloads ------------------------------------------------------------------------------------------------------

SIOCETHTOOL = 0x8946
GET = {"sg": 0x18, "tx": 0x16, "tso": 0x1E, "gso": 0x23, "gro": 0x2B}
"""ETHTOOL_G... of linux/ethtool.h; the command that sets is one more."""

SEGMENTATION = ("tso", "gso", "gro")
EVERY = ("tso", "gso", "gro", "tx", "sg")  # in this order: tso rests on tx and sg

CLIENT_SIDE = [("client", "eth0"), ("router", "eth0"), ("router", "eth1")]
LAN_SIDE = [(node, "eth0") for node in ("lb", *addressing.TARGETS)] + [
    ("switch", port) for port in addressing.LAN_PORTS
]


def ethtool(interface, command, value=0):
    """Give a command of ethtool with a value, in the namespace of the calling thread; returns the value after it."""
    buffer = ctypes.create_string_buffer(struct.pack("II", command, value), 8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(buffer))
        fcntl.ioctl(sock, SIOCETHTOOL, request)
    return struct.unpack("II", buffer.raw)[1]


@contextlib.contextmanager
def offloads(lab, ports, names, *, on):
    """Have offloads on or off at some ports for the length of the block."""
    before = []
    try:
        for node, interface in ports:
            with inside(lab.netns_path(node)):
                for name in names:
                    before.append((node, interface, name, ethtool(interface, GET[name])))
                    ethtool(interface, GET[name] + 1, on)
        yield
    finally:
        for node, interface, name, value in reversed(before):
            with inside(lab.netns_path(node)):
                ethtool(interface, GET[name] + 1, value)


def test_20_mb_upload_in_super_frames_that_the_balancers_interface_puts_together(scene):
    with (
        # A veth puts frames together only where its peer does not do TSO (drivers/net/veth.c).
        offloads(scene.lab, [*CLIENT_SIDE, ("switch", "lb")], SEGMENTATION, on=False),
        offloads(scene.lab, [("lb", "eth0")], ["gro"], on=True),
        Port(scene.lab, "lb", "eth0") as port,
    ):
        check_transfers(scene, 20 * MB, ways="up")
        seen = port.heard(wanted=lambda _: True, timeout_s=0.3, quiet_s=0)
    assert max(len(frame.data) for frame in seen) > 3000


def test_20_mb_up_and_down_without_any_offload(scene):
    with (
        offloads(scene.lab, CLIENT_SIDE + LAN_SIDE, EVERY, on=False),
        Port(scene.lab, "switch", "lb", both=True) as port,
    ):
        check_transfers(scene, 20 * MB)
        seen = port.heard(wanted=lambda _: True, timeout_s=0.3, quiet_s=0)
    assert max(len(frame.data) for frame in seen) <= 1514


def test_20_mb_upload_to_a_slow_reader_is_not_overwritten_on_its_way(scene):
    """Frames lie in the reader's kernel for long after they were sent; the ring they came from goes round meanwhile.

    The checksum stays offloaded, so that a frame that was changed on the way arrives, and shows in the hash; the LAN
    keeps its offloads, since without them the kernel copies frames on the way.
    """
    reader = scene.lab.slow_reader
    length = 20 * MB
    until(lambda: scene.target(3).operational, 10, "the slow reader serves")

    def upload():
        with scene.connect(addressing.CLIENT_SOURCES[0], port=SLOW_PORT, timeout=60) as connection:
            room(connection, SO_SNDBUFFORCE, socket.SO_SNDBUF, 8 << 20)
            for piece in httpd.deterministic_bytes(length):
                connection.sendall(piece)

    with offloads(scene.lab, CLIENT_SIDE, SEGMENTATION, on=False):
        reader.digests.clear()
        client = scene.background(upload)
        while client.is_alive():
            # What is in flight piles up and goes through as one vector, over the transmit ring.
            with scene.workers_held():
                time.sleep(0.03)
            time.sleep(0.01)
        client.result(60)
        digest = until(lambda: reader.digests, 30, "the reader has read all")[0]
    assert reader.most_waiting > 2 * MB  # more than one turn of the ring
    assert digest == sha256_of(length)
