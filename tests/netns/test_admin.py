"""disable, enable and drain by an operator; the same refused on the monitor's socket; all of it kept over a restart."""

import json
import os
import signal
import time

import pytest

from engine.lab import addressing
from tests.helpers.scene import Refused, sha256_of, until

SLOW_BYTES = 600_000
SLOW_PATH = f"/bytes/{SLOW_BYTES}?rate=300000"  # two seconds


def kept(scene):
    """What the engine keeps of targets for its next start."""
    return json.loads((scene.balancer.state_dir / "operational.json").read_text())["targets"]


def one_client_each(scene):
    """Make some clients known and return one of target 1 and one of target 2."""
    scene.traffic(8, addressing.CLIENT_SOURCES[:8])
    sessions = scene.sessions()
    return tuple(next(c for (c, _, _), t in sessions.items() if t == number) for number in (1, 2))


def test_disable_sends_new_packets_elsewhere_at_once_and_enable_brings_the_target_back(scene):
    mine, _ = one_client_each(scene)
    with scene.connect(mine) as connection:
        ask = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(ask)
        assert b"X-Target: target1" in connection.recv(4096)

        done = scene.balancer.ctl("disable", "target", "1")
        assert done.returncode == 0, done.stderr
        # A packet of that very connection now reaches target 2, which does not know it and resets it.
        connection.sendall(ask)
        with pytest.raises(ConnectionResetError):
            connection.recv(4096)
    assert scene.get(source=mine).target == "target2"
    assert dict(scene.traffic(64).answered) == {"target2": 64}
    target = scene.balancer.json("show", "targets")[0]
    assert (target["admin"], target["operational"], target["health"]) == ("disabled", False, "up")
    assert target["reason"] == "disabled"
    assert kept(scene) == {"1": "disabled"}

    assert scene.balancer.ctl("enable", "target", "1").returncode == 0
    target = scene.balancer.json("show", "targets")[0]
    assert (target["admin"], target["operational"], target["reason"]) == ("enabled", True, None)
    scene.forget_flows()
    assert set(scene.traffic(64).answered) == {"target1", "target2"}


def test_drain_lets_a_running_download_complete_while_new_clients_go_elsewhere(scene):
    mine, _ = one_client_each(scene)
    download = scene.background(scene.get, SLOW_PATH, source=mine)
    time.sleep(0.3)
    done = scene.balancer.ctl("drain", "target", "1")
    assert done.returncode == 0, done.stderr
    newcomers = addressing.CLIENT_SOURCES[8:]
    tally = scene.traffic(len(newcomers), newcomers)
    assert (dict(tally.answered), dict(tally.failed)) == ({"target2": len(newcomers)}, {})
    assert download.is_alive()  # it was running all the while
    assert scene.get(source=mine).target == "target1"  # a known client stays
    target = scene.balancer.json("show", "targets")[0]
    assert (target["admin"], target["operational"], target["reason"]) == ("draining", False, "draining")
    answer = download.result()
    assert (answer.target, answer.sha256) == ("target1", sha256_of(SLOW_BYTES))


def test_a_drain_has_an_end_if_asked(scene):
    mine, _ = one_client_each(scene)
    since = scene.last_event()
    download = scene.background(scene.get, "/bytes/6000000?rate=300000", source=mine)
    time.sleep(0.3)
    done = scene.balancer.ctl("drain", "target", "1", "within", "5")
    assert (done.returncode, done.stdout) == (0, "target 1: draining, for 5 s at most\n")
    target = scene.balancer.json("show", "targets")[0]
    drain = target["drain"]
    assert drain["by"].startswith("root(0) pid ")
    assert drain["within_s"] == 5
    assert 0 < drain["left_s"] <= 5
    assert drain["flows"] == target["sessions"] + target["half_open"] > 0
    assert "they end in" in scene.balancer.ctl("show", "targets", "1").stdout
    assert scene.get(source=mine).target == "target1"  # a known client stays until then

    with pytest.raises(OSError, match=r"reset|cut short"):
        download.result()
    event = until(lambda: scene.event(since, "target 1 has drained for 5 s"), 8, "its end is told")
    assert event.kind == "admin"
    assert f"{drain['flows']} sessions move" in event.message
    until(lambda: scene.target(1).drain.flows == 0, 5, "its flows have left the table")
    target = scene.target(1)
    assert (target.admin, target.drain.left_s) == ("draining", 0)
    assert target.reason.startswith("drained")
    assert dict(scene.traffic(64).answered) == {"target2": 64}
    assert scene.get(source=mine).target == "target2"

    assert scene.balancer.ctl("enable", "target", "1").returncode == 0
    assert scene.target(1).drain is None
    scene.forget_flows()
    assert set(scene.traffic(64).answered) == {"target1", "target2"}


def test_a_drain_ends_in_time_over_a_restart_of_the_engine(scene):
    scene.admin("drain", 1, within_s=3)
    scene.stop()
    scene.start()
    drain = scene.target(1).drain
    assert drain.within_s == 3
    assert drain.left_s < 3
    until(lambda: scene.target(1).reason.startswith("drained"), 4, "the drain ends")


def test_what_a_worker_does_not_take_up_is_accepted_and_not_yet_in_force(scene):
    since = scene.last_event()
    (worker,) = scene.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        done = scene.balancer.ctl("--json", "disable", "target", "1", timeout_s=20)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"changed": [1], "unchanged": [], "in_force": False}
        assert scene.event(since, "accepted, not yet in force").subject == "operational state"
        done = scene.balancer.ctl("disable", "server", "1", timeout_s=20)
        assert "accepted, not yet in force" in done.stdout
        assert scene.event(since, "in force: every worker") is None
    finally:
        os.kill(worker, signal.SIGCONT)
    event = until(lambda: scene.event(since, "in force: every worker"), 4, "it is told when it is in force")
    assert (event.kind, event.severity) == ("datapath", "info")
    assert event.actor.startswith("root(0) pid ")
    done = scene.balancer.ctl("--json", "enable", "server", "1")
    assert json.loads(done.stdout)["in_force"] is True
    until(lambda: scene.server(1).operational, 5, "the server serves again")
    assert dict(scene.traffic(64).answered) == {"target2": 64}


def test_disable_ends_a_running_download_where_drain_would_not(scene):
    mine, _ = one_client_each(scene)
    download = scene.background(scene.get, SLOW_PATH, source=mine)
    time.sleep(0.3)
    scene.admin("disable", 1)
    with pytest.raises(OSError, match=r"reset|cut short"):
        download.result()


def test_a_server_is_disabled_and_enabled(scene):
    assert scene.balancer.ctl("disable", "server", "1").returncode == 0
    server = scene.balancer.json("show", "servers")[0]
    assert (server["admin"], server["operational"]) == ("disabled", False)
    with pytest.raises(OSError, match=r"timed out|unreachable|refused"):
        scene.get(timeout=0.3)
    assert scene.balancer.ctl("enable", "server", "1").returncode == 0
    # Its targets were not checked against the virtual address meanwhile.
    until(lambda: scene.server(1).operational, 5, "the server serves again")
    assert scene.get().target in addressing.TARGETS


def test_every_change_is_told_with_who_made_it(scene):
    since = scene.last_event()
    scene.admin("disable", 2)
    event = scene.event(since, "target 2 disabled")
    assert (event.kind, event.subject) == ("admin", "target 2")
    assert event.actor.startswith("root(0) pid ")


def test_nobody_is_changed_where_one_of_the_numbers_is_wrong(scene):
    done = scene.balancer.ctl("disable", "target", "1,9")
    assert done.returncode == 1
    assert "9" in done.stderr
    assert [t.admin for t in scene.state().targets] == ["enabled", "enabled"]


@pytest.mark.parametrize("action", ["disable", "drain", "enable"])
def test_the_monitors_socket_refuses_and_nothing_changes(scene, action):
    def everything():
        state = scene.state()
        file = scene.balancer.state_dir / "operational.json"
        text = file.read_text() if file.exists() else None
        told = [event.id for event in scene.events(0) if event.actor is not None]
        return [(t.number, t.admin, t.operational) for t in state.targets], told, text

    scene.admin("drain", 2)  # so that even `enable` would change something
    before = everything()
    done = scene.balancer.ctl(
        "--socket", str(scene.balancer.run_dir / "monitor.sock"), action, "target", "1,2"
    )
    assert done.returncode == 1
    assert "this is monitor.sock, where nothing can be changed" in done.stderr
    with scene.console("monitor") as monitor:
        assert monitor.hello["role"] == "monitor"
        with pytest.raises(Refused) as refused:
            monitor.ask("admin", what="target", action=action, numbers=[1, 2])
        assert refused.value.code == "read-only"
        assert len(monitor.ask("state")["targets"]) == 2  # it may look
    assert everything() == before
    assert scene.get(source=addressing.CLIENT_SOURCES[40]).target == "target1"


def test_state_survives_a_restart_of_the_engine(scene):
    scene.admin("disable", 1)
    scene.stop()
    scene.start()
    assert [t.admin for t in scene.state().targets] == ["disabled", "enabled"]
    assert dict(scene.traffic(16).answered) == {"target2": 16}
    scene.admin("drain", 1)
    scene.stop()
    scene.start()
    assert scene.target(1).admin == "draining"
    assert not scene.target(1).operational
    scene.admin("enable", 1)
    scene.stop()
    scene.start()
    assert scene.target(1).operational


def test_a_state_file_that_is_garbage_is_said_and_the_configuration_holds(scene):
    scene.stop()
    (scene.balancer.state_dir / "operational.json").write_text('{"targets": {"1": "dis')
    scene.start()
    assert "operational.json is not readable" in scene.balancer.log_text()
    assert [t.admin for t in scene.state().targets] == ["enabled", "enabled"]
