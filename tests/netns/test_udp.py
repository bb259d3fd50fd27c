"""Servers of UDP: what a target's silence, refusal or answer says, with services that are really there or not."""

import contextlib
import signal
import sys

import pytest

from engine.lab import addressing
from tests.helpers.scene import SEED, Scene, until

DNS = """
import socket, struct
IP_PKTINFO = 8
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
sock.bind(("", 53))
print("ready", flush=True)
while True:
    data, ancillary, _, peer = sock.recvmsg(2048, 256)
    to = ancillary[0][2][4:8]
    if len(data) >= 12:
        info = struct.pack("I4s4s", 0, to, bytes(4))
        sock.sendmsg([data[:2] + b"\\x80\\x05" + data[4:]], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, peer)
"""
"""A name server: it answers every query from the address that it was asked at."""

SILENT = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 53))
print("ready", flush=True)
while True:
    sock.recvfrom(2048)
"""
"""A service that answers nothing."""


def config(check=""):
    text = SEED.read_text().replace("protocol tcp", "protocol udp").replace("port 80", "port 53")
    return text.replace("tcpopen 80,3,10", check)


@pytest.fixture
def launch(lab, tmp_path):
    """Call it to start an engine on a configuration; it is stopped after the test."""
    scenes = []

    def start(text):
        scenes.append(Scene(lab, tmp_path, text))
        return scenes[-1].start()

    yield start
    for scene in scenes:
        if scene.running:
            assert scene.stop() == 0
        print(scene.balancer.log_text())


@contextlib.contextmanager
def service(lab, node, program):
    """Run a service on a target for the length of the block."""
    child = lab.popen(node, [sys.executable, "-I", "-c", program], stdout=-1)
    try:
        assert child.stdout.readline() == b"ready\n"
        yield
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()


def up(scene, *numbers):
    return {t.number for t in scene.state().targets if t.operational} == set(numbers)


def test_a_dead_service_is_down_and_says_so_and_a_silent_one_is_up(lab, launch):
    with service(lab, "target1", SILENT):
        scene = launch(config())
        until(lambda: up(scene, 1), 5, "target 1 is up, target 2 is not")
        reason = scene.target(2).reason
        assert "refuses 172.16.1.10:53 (ICMP port unreachable: nothing there on UDP)" in reason
        with service(lab, "target2", SILENT):
            until(lambda: up(scene, 1, 2), 12, "target 2 is up")
        until(lambda: up(scene, 1), 6, "target 2 is down again, long before its timeout")
    until(lambda: up(scene), 6, "target 1 is down as well")
    assert any("server 1 serves nobody" in message for message in scene.alarms())


def test_a_target_that_drops_ping_is_not_down_for_ever(lab, launch):
    for node in addressing.TARGETS:
        lab.set_sysctl(node, "ipv4/icmp_echo_ignore_all", 1)
    with service(lab, "target1", SILENT), service(lab, "target2", SILENT):
        scene = launch(config())
        until(lambda: up(scene, 1, 2), 5, "both are up")
        assert scene.alarms() == []
    until(lambda: up(scene), 8, "both are down: that is told by the refusals")


def test_a_silent_target_without_the_alias_is_found(lab, launch):
    lab.alias("target2", present=False)
    with service(lab, "target1", SILENT), service(lab, "target2", SILENT):
        scene = launch(config())
        until(lambda: up(scene, 1), 5, "target 1 is up")
        words = "does not accept 172.16.1.10: it answers ping at 172.16.1.101, not there"
        assert words in scene.target(2).reason
        assert [check.kind for check in scene.target(2).checks] == ["vip"]
        lab.alias("target2", present=True)
        until(lambda: up(scene, 1, 2), 8, "target 2 is up")


def test_a_name_server_is_asked_and_has_to_answer_at_the_virtual_address(lab, launch):
    with service(lab, "target1", DNS):
        with service(lab, "target2", SILENT):
            scene = launch(config("dns 53,1,3"))
            until(lambda: up(scene, 1), 5, "target 1 answers")
            assert "no answer to a DNS query on UDP port 53 of 172.16.1.101" in scene.target(2).reason
            states = {(c.kind, c.state) for c in scene.target(1).checks}
            assert states == {("dns", "up"), ("vip", "up")}
        with service(lab, "target2", DNS):
            until(lambda: up(scene, 1, 2), 5, "target 2 answers, too")
            lab.alias("target2", present=False)
            until(lambda: up(scene, 1), 8, "target 2 does not answer at the virtual address")
            assert "does not answer a DNS query at 172.16.1.10:53" in scene.target(2).reason
