"""What the engine has in its host's kernel, while others change it: addresses, routes, links, and who relies on them."""

import contextlib
import shutil
import signal
import time

import pytest
from pyroute2.netlink.exceptions import NetlinkError
from scapy.all import ARP, Ether

from engine.lab import addressing, links
from engine.lab.balancer import Balancer
from engine.lab.namespaces import inside
from tests.helpers.port import Port
from tests.helpers.scene import SEED, Scene, until

MARK = 98
SECOND = "172.16.1.251"
VIRTUAL = {addressing.VIP, "172.16.1.253"}


def ip(lab, *args, node="lb"):
    """Change the kernel as an operator or a network manager does, with iproute2."""
    done = lab.run(node, ["ip", *args])
    assert done.returncode == 0, done.stderr


def addresses(lab, name="eth0"):
    """Return {address/length: mark} of an interface."""
    with inside(lab.netns_path("lb")), links.netlink() as netlink:
        index = links.index_of(netlink, name)
        return {
            f"{a.get('local')}/{a['prefixlen']}": a.get("proto") or 0
            for a in netlink.get_addr(family=2)
            if a["index"] == index
        }


def routes(lab):
    """Return {(destination, gateway, source)} of the main table, without the kernel's own."""
    with inside(lab.netns_path("lb")), links.netlink() as netlink:
        return {
            (r.get("dst"), r.get("gateway"), r.get("prefsrc"))
            for r in netlink.get_routes(family=2, table=254)
            if r["proto"] != 2
        }


def blackholes(lab):
    with inside(lab.netns_path("lb")), links.netlink() as netlink:
        return {r.get("dst") for r in netlink.get_routes(family=2, table=254) if r["type"] == 6}


DEFAULT = (None, addressing.ROUTER, None)
REAL = f"{addressing.LB}/24"


# -- a stop takes away only what is ours, and nobody's support ----------------------------------------------------------


def test_what_is_ours_carries_our_mark(own_scene):
    assert addresses(own_scene.lab) == {REAL: MARK}
    with inside(own_scene.lab.netns_path("lb")), links.netlink() as netlink:
        ours = {r.get("dst") for r in netlink.get_routes(family=2, table=254) if r["proto"] == MARK}
    assert ours == VIRTUAL


def test_an_address_that_the_network_manager_sets_too_is_his_with_all_that_he_adds_to_it(own_scene):
    scene, lab = own_scene, own_scene.lab
    ip(lab, "route", "del", "default")
    ip(lab, "addr", "replace", REAL, "dev", "eth0")
    ip(lab, "addr", "add", f"{SECOND}/24", "dev", "eth0")
    ip(lab, "route", "add", "default", "via", addressing.ROUTER)
    assert scene.stop() == 0
    assert addresses(lab) == {REAL: 0, f"{SECOND}/24": 0}
    assert routes(lab) == {DEFAULT}
    assert f"{REAL} of eth0 is not ours any more" in scene.balancer.log_text()


def test_an_address_that_is_set_again_while_the_engine_stands_still_is_not_ours_any_more(own_scene):
    scene = own_scene
    ip(scene.lab, "route", "flush", "default")
    scene.balancer.process.send_signal(signal.SIGTERM)
    ip(scene.lab, "addr", "change", REAL, "dev", "eth0")
    status = scene.balancer.process.wait(10)
    assert status == 0


def stays(scene, *words):
    """Stop the engine; its address has to stay, and the log has to say why."""
    assert scene.stop() == 0
    assert REAL in addresses(scene.lab)
    line = next(line for line in scene.balancer.log_text().splitlines() if "stays on eth0" in line)
    assert REAL in line
    assert all(word in line for word in words), line
    assert blackholes(scene.lab) == set()


def test_an_address_that_is_primary_for_somebody_elses_stays(own_scene):
    ip(own_scene.lab, "addr", "add", f"{SECOND}/24", "dev", "eth0")
    stays(own_scene, SECOND, "secondary")
    assert f"{SECOND}/24" in addresses(own_scene.lab)
    assert DEFAULT in routes(own_scene.lab)


def test_where_secondary_addresses_are_promoted_it_goes_and_they_stay(own_scene):
    scene, lab = own_scene, own_scene.lab
    lab.set_sysctl("lb", "ipv4/conf/eth0/promote_secondaries", 1)
    ip(lab, "addr", "add", f"{SECOND}/24", "dev", "eth0")
    assert scene.stop() == 0
    assert addresses(lab) == {f"{SECOND}/24": 0}
    assert DEFAULT in routes(lab)


def test_a_secondary_address_of_ours_goes_although_others_rely_on_the_primary_one(lab, tmp_path):
    with inside(lab.netns_path("lb")):
        links.addresses("eth0", [SECOND], addressing.LAN_PREFIX)
    ip(lab, "route", "add", "10.0.0.0/8", "via", addressing.ROUTER)
    scene = Scene(lab, tmp_path).start()
    assert addresses(lab) == {f"{SECOND}/24": 0, REAL: MARK}
    assert scene.stop() == 0
    assert addresses(lab) == {f"{SECOND}/24": 0}
    assert ("10.0.0.0", addressing.ROUTER, None) in routes(lab)


def test_an_address_that_is_a_routes_source_stays(own_scene):
    lab = own_scene.lab
    ip(lab, "addr", "add", "172.16.2.1/24", "dev", "eth0")
    ip(lab, "route", "add", "10.0.0.0/8", "via", "172.16.2.254", "src", addressing.LB)
    stays(own_scene, "10.0.0.0/8", "source")
    assert ("10.0.0.0", "172.16.2.254", addressing.LB) in routes(lab)


def test_an_address_in_whose_network_a_routes_gateway_is_stays(own_scene):
    ip(own_scene.lab, "addr", "add", "172.16.2.1/24", "dev", "eth0")
    ip(own_scene.lab, "route", "add", "10.0.0.0/8", "via", addressing.ROUTER, "table", "77")
    stays(own_scene, "10.0.0.0/8", addressing.ROUTER)


def test_an_address_goes_where_another_one_reaches_the_gateway(own_scene):
    scene, lab = own_scene, own_scene.lab
    ip(lab, "addr", "add", "172.16.5.1/16", "dev", "eth0")
    ip(lab, "route", "add", "10.0.0.0/8", "via", addressing.ROUTER)
    assert scene.stop() == 0
    assert addresses(lab) == {"172.16.5.1/16": 0}
    assert ("10.0.0.0", addressing.ROUTER, None) in routes(lab)


def test_the_last_address_of_an_interface_with_a_route_over_it_stays(own_scene):
    ip(own_scene.lab, "route", "add", "10.0.0.0/8", "dev", "eth0")
    stays(own_scene, "10.0.0.0/8", "last address")
    assert ("10.0.0.0", None, None) in routes(own_scene.lab)


def test_a_route_that_needs_no_address_is_there_as_before_when_the_last_address_is_gone(own_scene):
    scene, lab = own_scene, own_scene.lab
    assert routes(lab) >= {DEFAULT}  # declared onlink: the lab has it before there is any address
    ip(
        lab,
        "route",
        "add",
        "10.0.0.0/8",
        "via",
        "10.9.9.9",
        "dev",
        "eth0",
        "onlink",
        "table",
        "77",
        "metric",
        "7",
    )
    before = lab.run("lb", ["ip", "route", "show", "table", "77"]).stdout
    assert scene.stop() == 0
    assert addresses(lab) == {}
    assert routes(lab) == {DEFAULT}
    assert lab.run("lb", ["ip", "route", "show", "table", "77"]).stdout == before


def test_the_same_address_with_another_length_is_somebody_elses_and_stays(own_scene):
    scene, lab = own_scene, own_scene.lab
    ip(lab, "addr", "add", f"{addressing.LB}/16", "dev", "eth0")
    ip(lab, "route", "add", "10.0.0.0/8", "via", addressing.ROUTER, "src", addressing.LB)
    assert scene.stop() == 0
    assert addresses(lab) == {f"{addressing.LB}/16": 0}
    assert ("10.0.0.0", addressing.ROUTER, addressing.LB) in routes(lab)


# -- what is gone comes back, and is told -------------------------------------------------------------------------------


def test_routes_that_are_flushed_are_back_within_a_second_and_told(lab, tmp_path):
    lab.set_sysctl("lb", "ipv4/ip_forward", 1)
    scene = Scene(lab, tmp_path).start()
    try:
        since = scene.last_event()
        with scene.traffic_meanwhile(rate=50) as meanwhile:
            ip(lab, "route", "flush", "proto", str(MARK))
            until(lambda: blackholes(lab) == VIRTUAL, 1, "the routes are back")
            event = until(lambda: scene.event(since, addressing.VIP, "gone"), 1, "an event tells it")
            time.sleep(1)
        assert (event.kind, event.severity) == ("datapath", "warning")
        assert (meanwhile.tally.asked > 30, dict(meanwhile.tally.failed)) == (True, {})
    finally:
        assert scene.stop() == 0
    assert blackholes(lab) == set()


def networks(lab):
    with inside(lab.netns_path("lb")), links.netlink() as netlink:
        found = netlink.get_routes(family=2, table=254)
        return {(f"{r.get('dst')}/{r['dst_len']}", r.get("prefsrc")) for r in found if r["proto"] == 2}


def test_a_flush_of_the_whole_table_is_mended_too_and_the_targets_stay_up(own_scene):
    scene, lab = own_scene, own_scene.lab
    assert networks(lab) == {("172.16.1.0/24", addressing.LB)}
    since = scene.last_event()
    ip(lab, "route", "flush", "table", "main")
    until(lambda: blackholes(lab) == VIRTUAL, 1, "our routes are back")
    until(lambda: networks(lab) == {("172.16.1.0/24", addressing.LB)}, 1, "the network's route is back")
    until(lambda: scene.event(since, "172.16.1.0/24", "gone"), 1, "an event tells it")
    time.sleep(4)  # longer than a check's interval
    assert [t.health for t in scene.state().targets] == ["up", "up"]
    assert dict(scene.traffic(32).failed) == {}
    assert scene.stop() == 0
    assert (addresses(lab), networks(lab)) == ({}, set())


def test_an_address_that_is_taken_away_is_back_within_a_second_and_told(own_scene):
    scene = own_scene
    since = scene.last_event()
    ip(scene.lab, "addr", "del", REAL, "dev", "eth0")
    until(lambda: addresses(scene.lab) == {REAL: MARK}, 1, "the address is back")
    until(lambda: scene.event(since, REAL, "eth0", "gone"), 1, "an event tells it")
    assert blackholes(scene.lab) == VIRTUAL
    assert len([e for e in scene.events(since) if "gone" in e.message]) == 1


def test_somebody_who_takes_a_route_away_again_and_again_is_an_alarm_and_no_storm(own_scene):
    scene, lab = own_scene, own_scene.lab
    since = scene.last_event()
    deadline = time.monotonic() + 6
    removed = 0
    with inside(lab.netns_path("lb")), links.netlink() as netlink:
        while time.monotonic() < deadline:
            with contextlib.suppress(NetlinkError):
                netlink.route("del", dst=f"{addressing.VIP}/32", type="blackhole", proto=MARK)
                removed += 1
            time.sleep(0.02)
    until(lambda: any("again and again" in m and addressing.VIP in m for m in scene.alarms()), 2, "an alarm")
    until(lambda: blackholes(lab) == VIRTUAL, 2, "the route is back")
    told = [e for e in scene.events(since) if addressing.VIP in e.message]
    assert [e.severity for e in told] == ["warning"] * 3 + ["error"]
    assert removed < 12  # put back once a second


def test_another_route_in_the_place_of_ours_is_an_alarm_with_what_to_do(own_scene):
    scene, lab = own_scene, own_scene.lab
    ip(lab, "route", "replace", f"{addressing.VIP}/32", "dev", "eth0", "proto", "static")
    until(lambda: any(f"ip route del {addressing.VIP}" in m for m in scene.alarms()), 3, "an alarm says it")
    ip(lab, "route", "del", addressing.VIP)
    until(lambda: blackholes(lab) == VIRTUAL and not scene.alarms(), 3, "all is well again")


# -- links --------------------------------------------------------------------------------------------------------------


def bridge_of(netlink):
    return next(
        link.get("ifname")
        for link in netlink.get_links()
        if (info := link.get("linkinfo")) and info.get("kind") == "bridge"
    )


def plug_in(lab, name, mac):
    """Give the balancer another card on the same switch."""
    with inside(lab.netns_path("switch")), open(lab.netns_path("lb")) as lb:  # noqa: PTH123 - a descriptor
        with links.netlink() as netlink:
            bridge = bridge_of(netlink)
        peer = {"ifname": name, "address": mac, "net_ns_fd": lb.fileno()}
        links.cable(f"sw-{name}", addressing.mac_of("10.9.9.8"), peer, master=bridge)


def served(scene):
    """Tell whether a client is served now."""
    try:
        return scene.get(timeout=0.5).target in addressing.TARGETS
    except OSError:
        return False


@pytest.mark.parametrize("old", ["up", "down"])
def test_another_card_that_becomes_eth0_forwards_within_2_s(own_scene, old):
    scene, lab = own_scene, own_scene.lab
    scene.traffic(64)
    sessions = scene.sessions()
    since = scene.last_event()
    plug_in(lab, "eth1", addressing.mac_of("10.9.9.9"))
    ip(lab, "link", "set", "eth0", "down")
    ip(lab, "link", "set", "eth0", "name", "old0")
    ip(lab, "link", "set", "old0", old)
    ip(lab, "link", "set", "eth1", "name", "eth0")
    ip(lab, "link", "set", "eth0", "up")
    began = time.monotonic()
    until(lambda: served(scene), 3, "a client is served again")
    assert time.monotonic() - began < 2.6  # 2 s, and the last attempt's own 0.5 s
    until(lambda: addresses(lab, "eth0") == {REAL: MARK} and addresses(lab, "old0") == {}, 2, "it has moved")
    assert dict(scene.traffic(64).failed) == {}
    assert scene.sessions() == sessions
    assert scene.state().interfaces[0].mac == addressing.mac_of("10.9.9.9")
    assert scene.event(since, "forwards on eth0") is not None
    assert scene.stop() == 0
    assert addresses(lab, "eth0") == addresses(lab, "old0") == {}


def test_a_card_that_is_renamed_forwards_no_more_and_under_its_name_it_does_again(own_scene):
    scene, lab = own_scene, own_scene.lab
    scene.traffic(64)
    sessions = scene.sessions()
    ip(lab, "link", "set", "eth0", "down")
    ip(lab, "link", "set", "eth0", "name", "old0")
    ip(lab, "link", "set", "old0", "up")
    until(lambda: any("eth0 is missing" in m for m in scene.alarms()), 2, "an alarm says it")
    until(lambda: not served(scene), 2, "nothing is forwarded")
    assert addresses(lab, "old0") == {}
    ip(lab, "link", "set", "old0", "down")
    ip(lab, "link", "set", "old0", "name", "eth0")
    ip(lab, "link", "set", "eth0", "up")
    until(lambda: served(scene), 3, "a client is served again")
    until(lambda: not scene.alarms(), 12, "no alarm")
    assert dict(scene.traffic(64).failed) == {}
    assert scene.sessions() == sessions


def test_a_card_that_is_made_anew_under_the_same_index_unseen_is_heard_again(own_scene):
    scene, lab = own_scene, own_scene.lab
    index = lab.run("lb", ["cat", "/sys/class/net/eth0/ifindex"]).stdout.strip()
    scene.balancer.process.send_signal(signal.SIGSTOP)
    try:
        ip(lab, "link", "del", "eth0")
        with inside(lab.netns_path("switch")), links.netlink() as netlink:
            bridge = bridge_of(netlink)
        mac, switch = addressing.mac_of(addressing.LB), lab.name("switch")
        new = ("eth0", "index", index, "address", mac, "type", "veth", "peer", "name", "lb", "netns", switch)
        ip(lab, "link", "add", *new)
        ip(lab, "link", "set", "lb", "master", bridge, "up", node="switch")
        ip(lab, "link", "set", "eth0", "up")
    finally:
        scene.balancer.process.send_signal(signal.SIGCONT)
    assert lab.run("lb", ["cat", "/sys/class/net/eth0/ifindex"]).stdout.strip() == index
    with Port(lab) as port:
        until(lambda: answered(port), 3, "an ARP request is answered")
    time.sleep(9)  # longer than a target without checks stays up
    assert [t.operational for t in scene.state().targets] == [True, True]
    assert dict(scene.traffic(32).failed) == {}


def answered(port):
    """Tell whether the balancer answers a request for a virtual address."""
    asker = "02:00:00:00:00:77"
    port.send(
        bytes(
            Ether(src=asker, dst="ff:ff:ff:ff:ff:ff")
            / ARP(hwsrc=asker, psrc="172.16.1.77", pdst=addressing.VIP)
        )
    )
    return port.heard(1, lambda f: f.ethertype == 0x0806 and f.data[20:22] == b"\0\2", timeout_s=0.2)


def test_two_cards_that_swap_their_names_swap_all_they_carry(lab, tmp_path):
    plug_in(lab, "eth1", addressing.mac_of("10.9.9.9"))
    text = SEED.read_text()
    other = (
        "interface 2 { name eth1 }\nregister interface 2\nenable interface 2\n"
        "network 2 { addr 172.16.2.0 mask 255.255.255.0 real 172.16.2.252 interface 2 }\n"
        "register network 2\nenable network 2\n"
    )
    scene = Scene(lab, tmp_path, text + other).start()
    try:
        assert addresses(lab, "eth1") == {"172.16.2.252/24": MARK}
        for name in ("eth0", "eth1"):
            ip(lab, "link", "set", name, "down")
        ip(lab, "link", "set", "eth0", "name", "x")
        ip(lab, "link", "set", "eth1", "name", "eth0")
        ip(lab, "link", "set", "x", "name", "eth1")
        for name in ("eth0", "eth1"):
            ip(lab, "link", "set", name, "up")
        until(lambda: addresses(lab) == {REAL: MARK}, 2, "eth0 has its address")
        until(lambda: addresses(lab, "eth1") == {"172.16.2.252/24": MARK}, 2, "eth1 has its address")
        until(lambda: served(scene), 3, "a client is served again")
        assert networks(lab) == {("172.16.1.0/24", addressing.LB), ("172.16.2.0/24", "172.16.2.252")}
    finally:
        assert scene.stop() == 0
    assert addresses(lab, "eth0") == addresses(lab, "eth1") == {}


def test_a_flood_of_notices_that_overruns_the_buffer_costs_nothing(own_scene):
    scene, lab = own_scene, own_scene.lab
    scene.balancer.process.send_signal(signal.SIGSTOP)
    try:
        with inside(lab.netns_path("lb")), links.netlink() as netlink:
            lo = links.index_of(netlink, "lo")
            for n in range(1500):
                netlink.addr("add", index=lo, address=f"127.1.{n >> 8}.{n & 255}", prefixlen=32)
                netlink.addr("del", index=lo, address=f"127.1.{n >> 8}.{n & 255}", prefixlen=32)
        ip(lab, "route", "flush", "proto", str(MARK))
        ip(lab, "addr", "flush", "dev", "eth0")
        assert (blackholes(lab), addresses(lab)) == (set(), {})
    finally:
        scene.balancer.process.send_signal(signal.SIGCONT)
    until(lambda: (blackholes(lab), addresses(lab)) == (VIRTUAL, {REAL: MARK}), 1.5, "all is back")
    ip(lab, "route", "flush", "proto", str(MARK))  # and the next notice is heard as well
    until(lambda: blackholes(lab) == VIRTUAL, 1, "the routes are back")


# -- ends that were not clean -------------------------------------------------------------------------------------------


def kill(scene):
    scene.balancer.process.kill()
    scene.balancer.process.wait()


def test_what_a_killed_engine_added_is_found_by_its_mark_where_its_run_directory_is_gone(own_scene):
    scene, lab = own_scene, own_scene.lab
    kill(scene)
    shutil.rmtree(scene.balancer.run_dir)
    assert (addresses(lab), blackholes(lab)) == ({REAL: MARK}, VIRTUAL)
    scene.start()
    assert scene.stop() == 0
    assert (addresses(lab), blackholes(lab)) == ({}, set())


def test_what_a_killed_engine_added_and_the_next_one_does_not_need_is_taken_away(lab, tmp_path):
    first = Scene(lab, tmp_path).start()
    kill(first)
    other = (
        first.config.read_text()
        .replace("172.16.1.252", "172.16.1.250")
        .replace("172.16.1.253", "172.16.1.249")
    )
    second = Scene(lab, tmp_path / "other", config=None)
    (tmp_path / "other").mkdir()
    second.config = tmp_path / "other.conf"
    second.config.write_text(other)
    second.start()
    try:
        until(lambda: addresses(lab) == {"172.16.1.250/24": MARK}, 2, "the former address is gone")
        assert blackholes(lab) == {addressing.VIP, "172.16.1.249"}
    finally:
        assert second.stop() == 0
    assert (addresses(lab), blackholes(lab)) == ({}, set())


def test_a_second_engine_takes_nothing_of_the_first_away(own_scene, tmp_path):
    scene, lab = own_scene, own_scene.lab
    since = scene.last_event()
    text = (
        scene.config.read_text()
        .replace("172.16.1.252", "172.16.1.250")
        .replace("172.16.1.253", "172.16.1.249")
    )
    path = tmp_path / "second.conf"
    path.write_text(text.replace(addressing.VIP, "172.16.1.11"))
    second = Balancer(lab, tmp_path / "second", path)
    assert second.process.wait(15) == 1  # the interface is the first one's
    assert blackholes(lab) == VIRTUAL
    assert addresses(lab) == {REAL: MARK}
    assert [e.message for e in scene.events(since) if "gone" in e.message] == []
    assert dict(scene.traffic(64).failed) == {}


def test_the_sample_unit_keeps_the_run_directory():
    from tests.helpers.paths import ROOT

    unit = (ROOT / "sample_configs" / "bng-engine.service").read_text()
    assert "\nRuntimeDirectoryPreserve=yes\n" in unit
