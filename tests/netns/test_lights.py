"""Lights that see the way of the traffic: nothing is green above a black hole, and no alarm is false."""

import re
import sys
import threading
import time

import pytest
from scapy.all import IP, TCP, Ether

from engine.lab import addressing, balancer, links
from engine.lab.namespaces import inside
from tests.helpers.port import LB, TARGET1, Port
from tests.helpers.scene import SEED, Scene, until

SEED_TEXT = SEED.read_text()


@pytest.fixture
def launch(lab, tmp_path):
    """Call it to start an engine on a configuration; it is stopped after the test."""
    scenes = []

    def start(config=SEED_TEXT, *options, wait=True):
        scenes.append(Scene(lab, tmp_path, config, options))
        return scenes[-1].start(wait=wait)

    yield start
    for scene in scenes:
        if scene.running:
            assert scene.stop() == 0
        print(scene.balancer.log_text())


def test_without_hc_targets_serve_are_unknown_and_the_state_says_why(launch):
    scene = launch(SEED_TEXT.replace("ping,hc,", "ping,"), wait=False)
    scene.balancer.wait_ready()
    assert "no target is ever" not in scene.balancer.log_text()
    tally = scene.traffic(64)
    assert set(tally.answered) == {"target1", "target2"}
    assert not tally.failed
    for target in scene.state().targets:
        assert (target.operational, target.health) == (True, "unknown")
        assert target.reason == "not checked: the modules line has no hc"
    assert scene.alarms() == []
    assert "unchecked" in scene.balancer.ctl("show", "targets").stdout


def quicken(monkeypatch, change):
    """Have engines started with shorter times than they have."""

    def entry(module):
        return [sys.executable, "-c", f"{change}; from {module} import main; raise SystemExit(main())"]

    monkeypatch.setattr(balancer, "entry", entry)


class Stream:
    """Send a frame to the balancer again and again for the length of a block."""

    def __init__(self, lab, frame, rate):
        self._lab, self._frame, self._rate, self._over = lab, bytes(frame), rate, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        with Port(self._lab) as port:
            while not self._over.wait(1 / self._rate):
                port.send(self._frame)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


ACK = IP(src="192.0.2.10", dst=addressing.VIP) / TCP(sport=4000, dport=80, flags="A")


def test_a_server_whose_frames_are_dropped_is_an_alarm_with_reason_share_and_mend(launch):
    scene = launch()
    since = scene.last_event()
    loop = Ether(src=TARGET1, dst=LB) / ACK
    with Stream(scene.lab, loop, 40):
        (message,) = until(lambda: [m for m in scene.alarms() if "dropped as loop" in m], 15, "the alarm")
        assert re.match(
            r"server 1: 100% of the frames were dropped as loop \(\d+ of \d+ in 10 s\): ", message
        )
        assert "see show arp" in message
        event = until(lambda: scene.event(since, "server 1", "dropped as loop"), 2, "the event")
        assert (event.kind, event.severity, event.subject) == ("datapath", "error", "server 1")
        told = scene.balancer.ctl("explain", "192.0.2.10", "1").stdout
        assert "of the frames were dropped as loop" in told
        shown = [a for a in scene.state().alarms if a.subject == "server 1"]
        assert [a.severity for a in shown] == ["error"]
    until(lambda: scene.alarms() == [], 50, "the alarm is over")
    until(lambda: scene.event(since, "no longer dropped as loop"), 2, "and is told so")


def test_a_few_drops_beside_traffic_are_no_alarm(launch):
    scene = launch()
    since = scene.last_event()
    with Stream(scene.lab, Ether(src=TARGET1, dst=LB) / ACK, 20), scene.traffic_meanwhile(rate=30):
        time.sleep(14)
    assert scene.dropped()["loop"] > 100
    assert scene.alarms() == []
    assert scene.event(since, "dropped as") is None


def test_an_interface_that_was_busy_and_falls_silent_is_a_warning_that_clears_itself(launch, monkeypatch):
    quicken(monkeypatch, "import engine.report.quiet as q; q.GAP_S, q.BUSY_S, q.QUIET_S = 1.5, 5.0, 3.0")
    scene = launch()
    time.sleep(6)
    assert scene.alarms() == []  # it was never busy
    with scene.traffic_meanwhile(rate=30):
        time.sleep(8)
    (alarm,) = until(
        lambda: [a for a in scene.state().alarms if "no frame for its" in a.message], 8, "the alarm"
    )
    assert (alarm.severity, alarm.subject) == ("warning", "interface 1")
    assert alarm.message.startswith("eth0: no frame for its virtual addresses for 3 s")
    scene.get()
    until(lambda: scene.alarms() == [], 3, "the alarm is over")


def test_a_target_without_a_default_route_is_told_of_by_the_flows_that_never_open(launch, monkeypatch):
    quicken(
        monkeypatch,
        "import engine.report.unopened as u; from engine.report.shares import Limits, Span; "
        "u.SPANS = (Span(20.0, 1.0, 10), Span(100.0, 5.0, 10)); u.LIMITS = Limits(0.5, 0.25, 5.0)",
    )
    scene = launch()
    since = scene.last_event()
    with inside(scene.lab.netns_path("target2")), links.netlink() as netlink:
        route = {"dst": "0.0.0.0/0", "gateway": addressing.ROUTER, "oif": links.index_of(netlink, "eth0")}
        netlink.route("del", **route)
    with scene.traffic_meanwhile(rate=20):
        (alarm,) = until(
            lambda: [a for a in scene.state().alarms if "never got beyond SYN" in a.message], 60, "the alarm"
        )
        assert (alarm.severity, alarm.subject) == ("warning", "target 2")
        assert "of target 2 never got beyond SYN" in alarm.message
        assert "its default route, its firewall?" in alarm.message
        assert scene.target(2).health == "up"  # what the checks can see is well
        assert scene.event(since, "target 2 never got beyond SYN") is not None
        assert "never got beyond SYN" in scene.balancer.ctl("explain", "192.0.2.10", "1").stdout
    with inside(scene.lab.netns_path("target2")), links.netlink() as netlink:
        netlink.route("add", **route)
    scene.forget_flows()
    with scene.traffic_meanwhile(rate=20):
        until(lambda: scene.alarms() == [], 60, "the alarm is over")
