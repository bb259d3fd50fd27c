"""Starts and ends, clean and not: of the engine, of its workers, and of the interface below them."""

import os
import re
import signal
import subprocess
import time

import pytest
from scapy.all import IP, TCP, UDP, Ether, Raw

from engine.lab import addressing, links
from engine.lab.balancer import entry
from engine.lab.namespaces import inside
from engine.lab.topology import command_environment
from tests.helpers.port import LB, ROUTER, Port
from tests.helpers.scene import SEED, Scene, sha256_of, state_of, until


def added(lab):
    """What an engine adds to its host: its addresses on eth0, and its blackhole routes."""
    with inside(lab.netns_path("lb")), links.netlink() as netlink:
        names = {link["index"]: link.get("ifname") for link in netlink.get_links()}
        addresses = {a.get("address") for a in netlink.get_addr(family=2) if names[a["index"]] == "eth0"}
        routes = {
            r.get("dst") for r in netlink.get_routes(family=2, table=254) if r["type"] == 6
        }  # RTN_BLACKHOLE
    return addresses, routes


VIRTUAL = {addressing.VIP, "172.16.1.253"}


def syn(client="198.51.100.1", **ip):
    return (
        Ether(src=ROUTER, dst=LB)
        / IP(src=client, dst=addressing.VIP, **ip)
        / TCP(sport=40_000, dport=80, flags="S")
    )


# -- start and stop -----------------------------------------------------------------------------------------------------


def test_sigterm_is_a_clean_stop_that_takes_everything_back(own_scene):
    scene = own_scene
    assert added(scene.lab) == ({addressing.LB}, VIRTUAL)
    workers = scene.workers()
    assert len(workers) == 1
    sockets = [scene.balancer.run_dir / f"{role}.sock" for role in ("operator", "monitor")]
    assert all(path.is_socket() for path in sockets)
    scene.traffic(64)

    assert scene.stop() == 0
    assert added(scene.lab) == (set(), set())
    assert not any(path.exists() for path in sockets)
    assert all(state_of(pid) is None for pid in workers)
    assert scene.balancer.ctl("show", "servers").returncode == 3  # not reachable


def test_the_first_packet_after_wait_ready_is_forwarded(own_scene):
    for _ in range(4):
        own_scene.stop()
        own_scene.start()
        with Port(own_scene.lab) as port:
            frame = syn()
            assert bytes(frame)[12:] in {seen.packet for seen in port.forwarded(frame)}


def test_sigint_is_a_clean_stop_too(own_scene):
    os.kill(own_scene.pid, signal.SIGINT)
    assert own_scene.balancer.process.wait(10) == 0
    assert added(own_scene.lab) == (set(), set())


def test_an_address_that_was_there_before_stays(lab, tmp_path):
    with inside(lab.netns_path("lb")):
        links.addresses("eth0", [addressing.LB], addressing.LAN_PREFIX)
    scene = Scene(lab, tmp_path).start()
    assert scene.stop() == 0
    assert added(lab) == ({addressing.LB}, set())


def test_a_killed_engine_takes_its_workers_with_it_and_the_next_one_goes_on(own_scene):
    scene = own_scene
    scene.admin("disable", 1)
    workers = scene.workers()
    scene.balancer.process.kill()
    scene.balancer.process.wait()
    until(lambda: all(state_of(pid) is None for pid in workers), 3, "the workers end")
    assert added(scene.lab) == ({addressing.LB}, VIRTUAL)  # nobody was there to take them back
    scene.start()
    assert [t.admin for t in scene.state().targets] == ["disabled", "enabled"]
    assert scene.get().target == "target2"
    scene.admin("enable", 1)
    assert scene.stop() == 0
    assert added(scene.lab) == (set(), set())  # what the killed one had added is known and gone


def test_a_second_engine_on_the_same_run_directory_is_refused_and_the_first_goes_on(own_scene):
    scene = own_scene
    done = run_engine(scene.lab, SEED, scene.directory / "engine")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(scene.balancer.run_dir) in done.stderr
    assert scene.get().target in addressing.TARGETS
    assert added(scene.lab) == ({addressing.LB}, VIRTUAL)


# -- stalls and deaths --------------------------------------------------------------------------------------------------


def test_a_killed_worker_is_started_again_with_its_flows_and_an_event(own_scene):
    scene = own_scene
    scene.traffic(64)
    before = scene.sessions()
    since = scene.last_event()
    size = 3_000_000
    download = scene.background(scene.get, f"/bytes/{size}?rate=600000", addressing.CLIENT_SOURCES[0], 30)
    (worker,) = scene.workers()
    with scene.traffic_meanwhile(rate=100) as meanwhile:
        os.kill(worker, signal.SIGKILL)
        (another,) = until(
            lambda: [pid for pid in scene.workers() if pid != worker], 5, "another worker runs"
        )
        until(lambda: scene.event(since, "forwards again"), 5, "an event says so")
        time.sleep(1)
    assert state_of(another) in {"S", "R"}
    event = scene.event(since, "ended with code -9")
    assert (event.kind, event.severity) == ("datapath", "error")
    assert (meanwhile.tally.asked > 50, dict(meanwhile.tally.failed)) == (True, {})
    assert scene.sessions() == before
    answer = download.result()
    assert (answer.target, answer.sha256) == (
        f"target{before[addressing.CLIENT_SOURCES[0], None, 1]}",
        sha256_of(size),
    )


def test_an_engine_that_stands_still_for_5_s_goes_on_forwarding(own_scene):
    scene = own_scene
    scene.traffic(64)  # the router has the balancer's MAC: nobody could tell it now
    os.kill(scene.pid, signal.SIGSTOP)
    try:
        with scene.traffic_meanwhile() as meanwhile:
            time.sleep(5)
            assert state_of(scene.pid) == "T"
    finally:
        os.kill(scene.pid, signal.SIGCONT)
    assert (meanwhile.tally.asked > 500, dict(meanwhile.tally.failed)) == (True, {})
    assert set(meanwhile.tally.answered) == {"target1", "target2"}
    until(lambda: all(t.operational for t in scene.state().targets), 4, "all targets operational after it")


# -- the interface ------------------------------------------------------------------------------------------------------


def recovers(scene, timeout_s=12):
    """Wait until the alarms are gone and clients are served; returns the tally."""
    until(
        lambda: not scene.alarms() and scene.server(1).operational,
        timeout_s,
        "no alarm, and the server serves",
    )
    tally = scene.traffic(64)
    assert dict(tally.failed) == {}
    return tally


def test_the_balancers_cable_pulled_is_an_alarm_and_plugged_again_it_recovers(own_scene):
    scene = own_scene
    scene.traffic(64)
    sessions, since = scene.sessions(), scene.last_event()
    scene.lab.set_cable("lb", up=False)
    until(lambda: any("eth0 is down" in message for message in scene.alarms()), 4, "an alarm says it")
    event = until(lambda: scene.event(since, "eth0 is down"), 1, "an event says it")
    assert (event.kind, event.severity) == ("datapath", "error")
    assert scene.state().interfaces[0].link == "down"
    scene.lab.set_cable("lb", up=True)
    recovers(scene)
    assert scene.event(since, "eth0 is up") is not None
    assert scene.sessions() == sessions


def test_the_interface_that_an_operator_turns_off_stays_off_with_an_alarm_until_he_turns_it_on(own_scene):
    scene = own_scene
    scene.traffic(64)
    sessions = scene.sessions()
    scene.lab.set_link("lb", up=False)
    until(lambda: any("eth0 is down" in message for message in scene.alarms()), 4, "an alarm says it")
    time.sleep(14)  # longer than the checks' timeout: nobody could be heard, so nobody is to blame
    assert scene.state().interfaces[0].link == "down"
    assert [target.health for target in scene.state().targets] == ["up", "up"]
    scene.lab.set_link("lb", up=True)
    recovers(scene)
    assert scene.sessions() == sessions


def test_a_host_that_owns_a_virtual_address_is_told_so_and_its_links_are_followed_all_the_same(own_scene):
    scene = own_scene
    with inside(scene.lab.netns_path("lb")), links.netlink() as netlink:
        lo = links.index_of(netlink, "lo")
        netlink.addr("add", index=lo, address=addressing.VIP, prefixlen=32)
        until(lambda: any("owns" in message for message in scene.alarms()), 4, "an alarm says it")
        scene.lab.set_cable("lb", up=False)
        until(lambda: any("eth0 is down" in message for message in scene.alarms()), 4, "the link is followed")
        scene.lab.set_cable("lb", up=True)
        netlink.addr("del", index=lo, address=addressing.VIP, prefixlen=32)
    recovers(scene)


def test_the_interface_deleted_is_an_alarm_and_made_again_it_recovers(own_scene):
    scene = own_scene
    since = scene.last_event()
    with inside(scene.lab.netns_path("lb")), links.netlink() as netlink:
        netlink.link("del", index=links.index_of(netlink, "eth0"))
    until(lambda: any("eth0 is missing" in message for message in scene.alarms()), 4, "an alarm says it")
    assert scene.event(since, "eth0 is missing") is not None
    assert scene.running
    with inside(scene.lab.netns_path("switch")), open(scene.lab.netns_path("lb")) as lb:  # noqa: PTH123 - a descriptor
        peer = {"ifname": "eth0", "address": addressing.mac_of(addressing.LB), "net_ns_fd": lb.fileno()}
        links.cable("lb", addressing.mac_of("10.9.9.9"), peer, master=bridge_of(scene.lab))
    recovers(scene)
    assert added(scene.lab) == ({addressing.LB}, VIRTUAL)


def bridge_of(lab):
    """Name the bridge that the calling thread's node, the switch, has."""
    with links.netlink() as netlink:
        return next(
            link.get("ifname")
            for link in netlink.get_links()
            if (info := link.get("linkinfo")) and info.get("kind") == "bridge"
        )


# -- the host -----------------------------------------------------------------------------------------------------------


def run_engine(lab, config, directory, timeout_s=20):
    """Run an engine that is expected to end by itself."""
    directory.mkdir(exist_ok=True)
    folders = ["--run-dir", str(directory / "run"), "--state-dir", str(directory / "state")]
    command = [*entry("engine.cli"), "run", str(config), *folders]
    return lab.run("lb", command, timeout_s=timeout_s, env=command_environment())


@pytest.mark.parametrize("interface", ["lo", "eth0"])
def test_a_virtual_address_that_the_host_owns_is_refused_with_what_to_do(lab, tmp_path, interface):
    with inside(lab.netns_path("lb")), links.netlink() as netlink:
        netlink.addr("add", index=links.index_of(netlink, interface), address=addressing.VIP, prefixlen=32)
    done = run_engine(lab, SEED, tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert addressing.VIP in done.stderr
    assert f"ip addr del {addressing.VIP}" in done.stderr
    assert f"dev {interface}" in done.stderr
    assert added(lab) == ({addressing.VIP} if interface == "eth0" else set(), set())


def test_a_virtual_address_that_the_host_gets_later_is_an_alarm_until_it_is_removed(own_scene):
    scene = own_scene
    scene.lab.alias("lb", present=True)
    cure = f"ip addr del {addressing.VIP} dev lo"
    until(lambda: any(cure in message for message in scene.alarms()), 4, "an alarm says what to do")
    assert scene.running
    scene.lab.alias("lb", present=False)  # until here the host's own stack resets connections
    until(lambda: not scene.alarms(), 4, "the alarm goes")
    assert scene.get().target in addressing.TARGETS


def test_ip_forward_makes_no_duplicates_and_no_redirects(lab, tmp_path):
    lab.set_sysctl("lb", "ipv4/ip_forward", 1)
    scene = Scene(lab, tmp_path).start()
    try:
        frames = [
            Ether(src=ROUTER, dst=LB)
            / IP(src="192.0.2.10", dst=addressing.VIP, id=n)
            / TCP(dport=80, flags="A", seq=n)
            for n in range(1, 51)
        ]
        with Port(lab) as port:
            port.send(*frames)
            out = port.heard(wanted=lambda seen: seen.ethertype == 0x0800, timeout_s=0.6)
        mine = [seen for seen in out if seen.ip_to == addressing.VIP and seen.ip_source == "192.0.2.10"]
        assert sorted(int.from_bytes(seen.data[18:20], "big") for seen in mine) == list(range(1, 51))
        assert {seen.data[22] for seen in mine} == {64}  # no hop was counted
        assert [seen for seen in out if seen.data[23] == 1] == []  # neither a redirect nor any other ICMP
        # Also for ports and protocols that no server takes.
        with Port(lab) as port:
            port.send(
                *[
                    Ether(src=ROUTER, dst=LB) / IP(src="192.0.2.10", dst=addressing.VIP) / UDP(dport=n)
                    for n in (9, 53)
                ]
            )
            port.send(
                Ether(src=ROUTER, dst=LB)
                / IP(src="192.0.2.10", dst=addressing.VIP, proto=47)
                / Raw(bytes(20))
            )
            assert (
                port.heard(
                    wanted=lambda seen: (
                        seen.ethertype == 0x0800 and addressing.LB not in {seen.ip_to, seen.ip_source}
                    ),
                    timeout_s=0.4,
                )
                == []
            )
        assert dict(scene.traffic(200).failed) == {}
    finally:
        assert scene.stop() == 0


# -- configurations that cannot run -------------------------------------------------------------------------------------

TARGET_2 = "        ipaddr 172.16.1.101\n          port 80"
BAD = {
    "port": (lambda text: text.replace(TARGET_2, TARGET_2.replace("80", "8080"), 1), "8080"),
    "outside": (lambda text: text.replace("172.16.1.101", "10.9.9.9"), "10.9.9.9"),
    "twice": (
        lambda text: (
            text
            + "server 2 {\n ipaddr 172.16.1.10\n port 80\n protocol tcp\n targets 1\n}\nregister server 2\nenable server 2\n"
        ),
        "172.16.1.10",
    ),
    "interval": (lambda text: text.replace("tcpopen 80,3,10", "tcpopen 80,10,3"), "interval"),
    "nothing": (lambda text: text.replace("targets 1,2", "targets 1,7", 1), "7"),
    "word": (lambda text: text.replace("ipaddr", "ipadr", 1), "ipaddr"),
    "truncated": (lambda text: text[: text.index("protocol tcp\n          tcpopen") + 5], ""),
    "binary": (lambda _: bytes(range(256)) * 64, ""),
    "long line": (lambda text: text + "name " + "x" * 10_000_000 + "\n", ""),
    "empty": (lambda _: "", ""),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_bad_configuration_ends_with_1_findings_with_line_and_column_and_no_traceback(
    tmp_path, kind, command
):
    change, word = BAD[kind]
    text = change(SEED.read_text())
    assert text != SEED.read_text()
    path = tmp_path / "bad.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    folders = ["--run-dir", str(tmp_path / "run"), "--state-dir", str(tmp_path / "state")]
    start = time.monotonic()
    done = subprocess.run(
        [*entry("engine.cli"), command, str(path), *(folders if command == "run" else [])],
        env=command_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        errors="replace",
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said[-2000:]
    assert "Traceback" not in said
    findings = re.findall(rf"{re.escape(str(path))}:(\d+):(\d+): error: (.*)", said)
    assert findings, said[-2000:]
    assert any(word in message for _, _, message in findings), findings
    assert all(len(message) < 1000 for _, _, message in findings)  # a line of 10 MB is not repeated
    assert time.monotonic() - start < 10


def test_a_configuration_that_is_not_there_is_said(tmp_path):
    done = subprocess.run(
        [*entry("engine.cli"), "run", str(tmp_path / "none.conf")],
        env=command_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "none.conf" in done.stderr
    assert "Traceback" not in done.stderr
