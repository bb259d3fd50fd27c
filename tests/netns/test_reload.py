"""Changing the configuration under load: nothing that is not meant notices."""

from __future__ import annotations

import random
import socket
import time

import pytest

from engine.lab import addressing
from tests.helpers.scene import SEED, Refused, until

SEED_TEXT = SEED.read_text()
VARIANTS = [
    ("a name", lambda t: t.replace("server    1 {", "server    1 {\n          name web")),
    ("an interval", lambda t: t.replace("tcpopen 80,3,10", "tcpopen 80,2,10")),
    ("a timeout", lambda t: t.replace("tcpopen 80,3,10", "tcpopen 80,3,12")),
    ("another check", lambda t: t.replace("tcpopen 80,3,10", "tcpopen 80,3,10\n          ping 3,8")),
    ("a weight", lambda t: t.replace("dsr enable", "dsr enable\n          weight 3", 1)),
    ("the method", lambda t: t.replace("targets 1,2", "targets 1,2\n          method hash", 1)),
    (
        "a third target",
        lambda t: (
            t.replace("targets 1,2", "targets 1-3", 1)
            .replace("register  targets 1,2", f"{THIRD}register  targets 1-3")
            .replace("enable    targets 1,2", "enable    targets 1-3")
        ),
    ),
    ("as it was", lambda t: t),
]
THIRD = """target    3 {
          ipaddr 172.16.1.103
          port 80
          protocol tcp
          tcpopen 80,3,10
          dsr enable
}
"""


def apply(scene, text, **args):
    return scene.ask("apply", text=text, file="candidate.conf", **args)


@pytest.fixture
def restored(scene):
    """The seed's configuration again after the test."""
    yield scene
    if scene.running:
        apply(scene, SEED_TEXT)


@pytest.mark.slow
def test_fifty_reloads_under_load_lose_nothing(restored):
    scene = restored
    scene.traffic(200)
    flows = scene.sessions()
    downloads = [
        scene.background(scene.get, "/bytes/3000000?rate=250000", addressing.CLIENT_SOURCES[n], timeout=40)
        for n in range(20)
    ]
    with scene.traffic_meanwhile(rate=500) as meanwhile:
        begin = time.monotonic()
        for n in range(50):
            apply(scene, VARIANTS[n % len(VARIANTS)][1](SEED_TEXT), note=VARIANTS[n % len(VARIANTS)][0])
            time.sleep(max(0.0, begin + (n + 1) * 0.2 - time.monotonic()))
        # 5,000 requests at 500 a second
    assert meanwhile.tally.complete, meanwhile.tally.text()
    assert sum(meanwhile.tally.answered.values()) > 4000
    for download in downloads:
        assert download.result(40).length == 3_000_000
    after = scene.sessions()
    moved = {key: (target, after.get(key)) for key, target in flows.items() if after.get(key) != target}
    assert not moved


def test_a_target_that_is_removed_loses_its_flows_and_the_others_keep_theirs(restored):
    scene = restored
    scene.traffic(200)
    flows = scene.sessions()
    without = SEED_TEXT.replace("targets 1,2\n}", "targets 2\n}").replace(
        "register  targets 1,2", "register  targets 2"
    )
    without = without.replace("enable    targets 1,2", "enable    targets 2")
    result = apply(scene, without)
    assert any(c["subject"] == "target 1" and c["flows"] > 0 for c in result["changes"]), result["changes"]
    scene.traffic(200)
    after = scene.sessions()
    assert set(after.values()) == {2}
    assert all(after[key] == 2 for key, target in flows.items() if target == 2)


@pytest.mark.parametrize(
    ("cut", "sentence"),
    [
        ("the virtual server", lambda t: t.replace("enable    server 1\n", "")),
        ("the network", lambda t: t.replace("enable    network 1\n", "")),
        ("the interface", lambda t: t.replace("name eth0", "name eth9")),
    ],
)
def test_a_change_that_cuts_everybody_off_reverts_by_itself(restored, cut, sentence):
    scene = restored
    before = scene.balancer.config.read_bytes()
    revision = scene.ask("running")["revision"]
    apply(scene, sentence(SEED_TEXT), confirm_within_s=2)
    pending = scene.state().config.pending
    assert pending is not None
    assert pending.reverts_to == revision
    assert scene.balancer.config.read_bytes() == before
    with pytest.raises(OSError):
        scene.get(timeout=0.8)
    until(lambda: scene.state().config.pending is None, 4, "the change is taken back")
    until(lambda: scene.target(1).operational, 8, "the target serves again")
    assert scene.get().target in {"target1", "target2"}
    assert scene.state().config.revision == revision


def test_the_engine_outlives_a_host_under_which_no_configuration_can_run(restored):
    """An operator gives the host the virtual address while a change is under trial: an alarm, and not the end."""
    scene = restored
    apply(scene, VARIANTS[5][1](SEED_TEXT), confirm_within_s=1)
    change = ["ip", "addr", "add", f"{addressing.VIP}/32", "dev", "eth0"]
    assert scene.lab.run("lb", change).returncode == 0
    try:
        until(lambda: any("going back failed" in e.message for e in scene.events()), 10, "going back fails")
        with pytest.raises(Refused, match="owns the virtual address"):
            apply(scene, VARIANTS[0][1](SEED_TEXT))
        assert len(scene.workers()) == 1
    finally:
        change[2] = "del"
        scene.lab.run("lb", change)
    until(lambda: scene.state().config.pending is None, 10, "the trial is taken back")
    assert scene.ask("running")["text"] == SEED_TEXT
    until(lambda: not scene.alarms(), 5, "the alarm is over")
    assert scene.get().target in {"target1", "target2"}


def test_confirmed_in_time_it_stays_and_reaches_the_file(restored):
    scene = restored
    text = VARIANTS[4][1](SEED_TEXT)
    apply(scene, text, confirm_within_s=2)
    scene.ask("confirm")
    assert scene.balancer.config.read_text() == text
    time.sleep(2.3)
    assert scene.ask("running")["text"] == text


def test_a_kill_between_apply_and_confirm_leaves_the_former_configuration(own_scene):
    scene = own_scene
    revision = scene.ask("running")["revision"]
    apply(scene, VARIANTS[5][1](SEED_TEXT), confirm_within_s=60)
    scene.balancer.process.kill()
    scene.balancer.process.wait()
    scene.start()
    assert scene.ask("running")["text"] == SEED_TEXT
    assert scene.state().config.revision == revision
    assert scene.state().config.pending is None
    assert scene.server(1).method == "rr"


BAD = {
    "unknown word": SEED_TEXT.replace("protocol tcp", "protokol tcp", 1),
    "reference to nothing": SEED_TEXT.replace("targets 1,2\n}", "targets 1,2,9\n}"),
    "port mismatch": SEED_TEXT.replace(
        "          port 80\n          protocol tcp\n          tcpopen",
        "          port 81\n          protocol tcp\n          tcpopen",
        1,
    ),
    "truncated": SEED_TEXT[:400],
    "empty": "",
    "binary": "\x00\x01\x02\x03" * 100,
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_is_refused_by_socket_and_by_sighup(scene, kind):
    config = scene.balancer.config
    before = scene.ask("running")
    with pytest.raises(Refused) as refused:
        apply(scene, BAD[kind])
    assert refused.value.code == "invalid"
    kept = config.read_bytes()
    try:
        config.write_text(BAD[kind])
        last = scene.last_event()
        scene.balancer.process.send_signal(1)  # SIGHUP
        event = until(lambda: scene.event(last, "is not applied"), 3, "the refusal is told")
        assert f"{config}:" in event.message
        assert config.read_text() == BAD[kind]  # the operator's file is the operator's
    finally:
        config.write_bytes(kept)
    assert scene.ask("running") == before
    assert scene.get().target in {"target1", "target2"}


def test_sighup_reads_the_file_again(restored):
    scene = restored
    scene.balancer.config.write_text(VARIANTS[5][1](SEED_TEXT))
    scene.balancer.process.send_signal(1)
    until(lambda: scene.server(1).method == "hash", 3, "the new file runs")


def test_the_second_of_two_consoles_is_told(restored):
    scene = restored
    base = scene.ask("running")["revision"]
    apply(scene, VARIANTS[0][1](SEED_TEXT), base=base, note="mine")
    with pytest.raises(Refused, match="mine") as refused:
        apply(scene, VARIANTS[1][1](SEED_TEXT), base=base)
    assert refused.value.code == "conflict"


def test_monitors_may_look_and_not_change(scene):
    with scene.console("monitor") as console:
        assert console.ask("diff", text=VARIANTS[5][1](SEED_TEXT))["changes"]
        assert console.ask("history")
        for op, args in [
            ("apply", {"text": SEED_TEXT}),
            ("confirm", {}),
            ("rollback", {}),
            ("save", {}),
            ("command", {"text": "server 1 method hash"}),
        ]:
            with pytest.raises(Refused) as refused:
                console.ask(op, **args)
            assert refused.value.code == "read-only"


def test_operational_state_is_told_saved_and_then_agrees(restored):
    scene = restored
    scene.admin("disable", 2)
    assert scene.state().config.differs == ["target 2 disabled (file: enabled)"]
    apply(scene, scene.ask("running")["text"] + "// a comment\n")
    assert scene.target(2).admin == "disabled"  # a reload does not touch it
    scene.ask("save")
    assert scene.state().config.differs == []
    assert "// a comment" in scene.balancer.config.read_text()
    assert scene.target(2).admin == "disabled"
    scene.admin("enable", 2)


def test_the_swap_is_not_felt(restored):
    """The longest gap in a steady stream of packets, while tables are swapped, is hardly longer than without."""
    scene = restored

    def longest_gap(disturb) -> float:
        """Seconds between two answers of a connection that is asked one small thing after the other."""
        with scene.connect(addressing.CLIENT_SOURCES[0]) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            last, gaps = time.monotonic(), []
            end = last + 1.5
            disturbed = scene.background(disturb)
            while last < end:
                connection.sendall(request)
                connection.recv(4096)
                now = time.monotonic()
                gaps.append(now - last)
                last = now
            disturbed.result()
        return sorted(gaps)[-3]

    def reloads():
        for n in range(6):
            apply(scene, VARIANTS[n % 6][1](SEED_TEXT))
            time.sleep(0.2)

    assert longest_gap(reloads) < max(0.02, 3 * longest_gap(lambda: None))


def test_rolling_back_and_history(restored):
    scene = restored
    first = scene.ask("running")["revision"]
    numbers = [
        apply(scene, change(SEED_TEXT))["revision"] for _, change in random.Random(5).sample(VARIANTS[:6], 3)
    ]
    scene.ask("rollback", revision=first)
    assert scene.ask("running")["text"] == SEED_TEXT
    history = scene.ask("history")
    assert [r["number"] for r in history][:4] == [numbers[-1] + 1, *numbers[::-1]]
    assert scene.ask("revision", revision=first)["text"] == SEED_TEXT
    assert scene.ask("revision-diff", old=first, new=numbers[0])["unified"]
