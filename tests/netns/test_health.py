"""What an operator sees when a target fails, each way it may fail, and when it comes back: the seed's checks (3,10)."""

import time

from engine.lab import addressing
from tests.helpers.port import Port
from tests.helpers.scene import sha256_of, until

TIMEOUT_S = 13
"""Detection as the seed's `tcpopen 80,3,10` promises it: the last good answer is 10 s old, plus one interval."""

INTERVAL_S = 3
SLACK_S = 1.5
"""For the probe itself, the tick and this test's own look, on a busy machine."""


def down(scene, number, *words):
    target = scene.target(number)
    assert target.reason is None or target.health != "up" or "MAC" in target.reason
    return (
        not target.operational and target.health == "down" and all(w in (target.reason or "") for w in words)
    )


def falls(scene, number, *words):
    """Wait until a target is down with a reason of those words; returns the seconds it took."""
    start = time.monotonic()
    until(lambda: down(scene, number, *words), TIMEOUT_S, f"target {number} is down: {' '.join(words)}")
    return time.monotonic() - start


def tells(scene, since, *words):
    """Return the event with those words; a state may be seen a tick before its event."""
    return until(lambda: scene.event(since, *words), 1, f"an event: {' '.join(words)}")


def rises(scene, number):
    start = time.monotonic()
    until(
        lambda: scene.target(number).operational,
        INTERVAL_S + SLACK_S,
        f"target {number} is up within one interval",
    )
    return time.monotonic() - start


def clients_of(scene, number):
    """Make every client known; returns those that a target has."""
    scene.traffic(len(addressing.CLIENT_SOURCES))
    found = [client for (client, _, _), target in scene.sessions().items() if target == number]
    assert len(found) >= 10
    return found


def test_web_server_of_target_1_stops_everything_goes_to_target_2_and_comes_back(scene):
    scene.forget_flows()
    mine = clients_of(scene, 2)
    since = scene.last_event()
    size = 4_000_000
    download = scene.background(scene.get, f"/bytes/{size}?rate=800000", source=mine[0], timeout=20)

    scene.lab.stop_server("target1")
    falls(scene, 1, "refuse")
    assert scene.target(2).operational
    assert scene.server(1).operational
    event = tells(scene, since, "target 1 down", "refuse")
    assert (event.kind, event.severity, event.subject) == ("health", "error", "target 1")
    assert any("target 1 down" in message for message in scene.alarms())

    tally = scene.traffic(192)
    assert (dict(tally.answered), dict(tally.failed)) == ({"target2": 192}, {})
    sessions = scene.sessions()
    assert set(sessions.values()) == {2}
    assert all(sessions[client, None, 1] == 2 for client in mine)  # no flow of target 2 moved
    answer = download.result()
    assert (answer.target, answer.sha256) == ("target2", sha256_of(size))

    scene.lab.start_server("target1")
    rises(scene, 1)
    tells(scene, since, "target 1 up")
    assert scene.alarms() == []
    tally = scene.traffic(64)
    # All of them are clients of target 2 by now, and stay.
    assert (dict(tally.answered), dict(tally.failed)) == ({"target2": 64}, {})
    scene.forget_flows()
    assert set(scene.traffic(64).answered) == {"target1", "target2"}


def test_a_target_without_the_loopback_alias_is_down_and_says_so(scene):
    since = scene.last_event()
    scene.lab.alias("target1", present=False)
    falls(scene, 1, "does not accept 172.16.1.10")
    checks = {check.kind: check.state for check in scene.target(1).checks}
    assert checks == {"tcpopen": "up", "vip": "down"}  # its own address answers: the black hole
    tells(scene, since, "target 1 down", "does not accept 172.16.1.10")
    scene.forget_flows()
    assert dict(scene.traffic(64).answered) == {"target2": 64}
    scene.lab.alias("target1", present=True)
    rises(scene, 1)


def test_a_target_that_never_had_the_alias_never_gets_a_packet(scene):
    scene.lab.alias("target1", present=False)
    scene.stop()
    scene.start()
    target = scene.target(1)
    assert (target.operational, target.health) == (False, "down")
    assert "does not accept 172.16.1.10" in target.reason
    with Port(scene.lab, "target1", "eth0") as port:
        tally = scene.traffic(64)
        assert port.heard(wanted=lambda f: f.data[26:29] == bytes([192, 0, 2]), timeout_s=0.2) == []
    assert (dict(tally.answered), dict(tally.failed)) == ({"target2": 64}, {})


def test_a_target_whose_cable_is_pulled_is_down_and_comes_back(scene):
    since = scene.last_event()
    scene.lab.set_cable("target1", up=False)
    falls(scene, 1)
    assert scene.target(1).reason
    tells(scene, since, "target 1 down")
    scene.forget_flows()
    tally = scene.traffic(64)
    assert (dict(tally.answered), dict(tally.failed)) == ({"target2": 64}, {})
    scene.lab.set_cable("target1", up=True)
    rises(scene, 1)
    scene.forget_flows()
    assert set(scene.traffic(64).answered) == {"target1", "target2"}


def test_no_target_left_is_an_alarm_of_the_server_and_clients_are_served_again_at_once_after_it(scene):
    for node in addressing.TARGETS:
        scene.lab.stop_server(node)
    for number in (1, 2):
        falls(scene, number, "refuse")
    server = scene.server(1)
    assert not server.operational
    assert "target 1" in server.reason
    assert "target 2" in server.reason
    until(lambda: any("server 1 serves nobody" in message for message in scene.alarms()), 1, "the alarm")
    before = scene.dropped().get("no-target", 0)
    try:
        scene.get(timeout=0.3)
    except OSError:
        pass
    else:
        raise AssertionError("nobody is there, and yet somebody answered")
    until(lambda: scene.dropped().get("no-target", 0) > before, 2, "the packet is counted as no-target")
    scene.lab.start_server("target2")
    rises(scene, 2)
    assert scene.get().target == "target2"
    assert scene.server(1).operational


def test_a_target_that_answers_arp_for_the_virtual_address_is_a_conflict_that_names_it_until_repaired(scene):
    since = scene.last_event()
    scene.lab.set_arp("target2", ignore=0, announce=0)
    mac = addressing.mac_of(addressing.TARGETS["target2"])
    words = (addressing.VIP, mac, "target 2", "arp_ignore=1", "arp_announce=2")
    event = until(lambda: scene.event(since, *words), 12, "a conflict names target, MAC and sysctl")
    assert (event.kind, event.severity, event.subject) == ("arp", "error", addressing.VIP)
    assert any(mac in message and "target 2" in message for message in scene.alarms())
    shown = [row for row in scene.balancer.json("show", "arp") if row["state"] == "conflict"]
    assert [(row["address"], row["mac"]) for row in shown] == [(addressing.VIP, mac)]
    assert shown[0]["owner"].startswith("target 2")

    scene.lab.set_arp("target2", ignore=1, announce=2)
    until(lambda: not scene.alarms(), 45, "the alarm goes after the repair")
    tells(scene, since, "no longer claimed", mac)
    assert not any(row["state"] == "conflict" for row in scene.balancer.json("show", "arp"))
