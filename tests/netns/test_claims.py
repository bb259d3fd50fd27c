"""Who claims what: ARP is believed when it is proved, an address is taken when it is free, a network is on its VLAN."""

import socket
import time

import pytest
from pyroute2 import IPRoute
from scapy.all import ARP, ICMP, IP, Dot1AD, Dot1Q, Ether

from engine.lab import addressing
from engine.lab.namespaces import inside
from tests.helpers.port import LB, ROUTER, TARGET1, TARGET2, Port
from tests.helpers.scene import SEED, Scene, until

EVERYONE = "ff:ff:ff:ff:ff:ff"
STRANGER = "02:00:00:00:0b:ad"
SEED_TEXT = SEED.read_text()
TARGET_3 = SEED_TEXT[SEED_TEXT.index("target    2 {") : SEED_TEXT.index("register  targets")]
TARGET_3 = TARGET_3.replace("target    2", "target    3").replace(".101", ".102")
THREE = (
    SEED_TEXT.replace("targets 1,2\n}", "targets 1,2,3\n}")
    .replace("register  targets", TARGET_3 + "register  targets")
    .replace("targets 1,2\nenable    targets 1,2", "targets 1,2,3\nenable    targets 1,2,3")
)
GATEWAY = f"gateway {{\n          ipaddr {addressing.ROUTER}\n}}\n"


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


def ip(lab, node, what, *args, **kwargs):
    """Do what ip(8) does, in a node, by netlink."""
    with inside(lab.netns_path(node)), IPRoute() as netlink:
        if "dev" in kwargs:
            kwargs["index" if what == "addr" else "oif"] = netlink.link_lookup(ifname=kwargs.pop("dev"))[0]
        getattr(netlink, what)(*args, **kwargs)


def own(lab, address, node="router"):
    """Give a node another address, so that it answers ARP for it."""
    ip(lab, node, "addr", "add", dev="eth0", address=address, prefixlen=32)


def disown(lab, address, node="router"):
    ip(lab, node, "addr", "del", dev="eth0", address=address, prefixlen=32)


def arp(op, sha, spa, tpa, *, dst=EVERYONE, tags=()):
    frame = Ether(src=sha, dst=dst)
    for tag in tags:
        frame /= tag
    return bytes(frame / ARP(op=op, hwsrc=sha, psrc=spa, pdst=tpa))


def text(mac):
    return mac.hex(":")


def macs(scene):
    return {target.number: target.mac for target in scene.state().targets}


def alarm(scene, *words):
    return next((a for a in scene.alarms() if all(word in a for word in words)), None)


def shown(scene, address):
    return [entry for entry in scene.state().arp if entry.address == address]


def replies(port, timeout_s=0.4):
    """ARP replies that the balancer sends, as (frame, sender's address)."""

    def wanted(seen):
        return seen.ethertype == 0x0806 and seen.data[20:22] == b"\0\2"

    return [(f, socket.inet_ntoa(f.data[28:32])) for f in port.heard(wanted=wanted, timeout_s=timeout_s)]


# -- W1: proxy ARP for an absent target -------------------------------------------------------------------------------


@pytest.mark.parametrize("gateway", ["", GATEWAY])
def test_a_router_that_answers_for_an_absent_target_is_not_taken_for_a_loop(lab, launch, gateway):
    lab.set_sysctl("router", "ipv4/conf/eth0/proxy_arp", 1)
    ip(lab, "router", "route", "add", dst="172.16.1.102/32", dev="eth1")
    scene = launch(gateway + THREE)
    until(lambda: macs(scene)[3] == text(ROUTER), 6, "the router answers for target 3")
    tally = scene.traffic(64)
    assert (sum(tally.answered.values()), dict(tally.failed)) == (64, {})
    assert scene.dropped().get("loop", 0) == 0
    assert not scene.target(3).operational
    if gateway:
        words = (text(ROUTER), addressing.ROUTER, "172.16.1.102", "target 3", "proxy_arp")
        until(lambda: alarm(scene, *words), 2, "an alarm names router and target")
        event = scene.event(0, *words)
        assert (event.kind, event.severity) == ("arp", "error")
        (entry,) = shown(scene, addressing.ROUTER)
        assert (entry.kind, entry.owner, entry.mac) == ("gateway", "the gateway", text(ROUTER))


# -- W2: one packet does not move a target ----------------------------------------------------------------------------


def test_one_arp_packet_with_the_routers_mac_moves_nothing_and_is_told(lab, launch):
    scene = launch()
    since = scene.last_event()
    with scene.traffic_meanwhile(rate=100) as meanwhile, Port(lab) as port:
        port.send(arp(1, text(ROUTER), addressing.TARGETS["target1"], addressing.LB))
        words = (text(ROUTER), "also claims 172.16.1.100", text(TARGET1))
        event = until(lambda: scene.event(since, *words), 3, "an event names both MACs")
        time.sleep(1.5)
    assert (event.kind, event.severity) == ("arp", "error")
    assert macs(scene)[1] == text(TARGET1)
    assert not meanwhile.tally.failed
    assert scene.dropped().get("loop", 0) == 0
    assert alarm(scene, *words)


# -- W3 is a rule of the configuration: tests/engine/config/rules ------------------------------------------------------

# -- W4: who claims what ----------------------------------------------------------------------------------------------


def test_another_host_that_answers_for_a_target_is_told_and_gets_nothing(lab, launch):
    scene = launch()
    # The targets learn the router's MAC now: it answers nobody whose address it has itself (net/ipv4/arp.c, arp_process).
    assert dict(scene.traffic(64).failed) == {}
    own(lab, addressing.TARGETS["target2"])
    words = (text(ROUTER), "172.16.1.101", "target 2", text(TARGET2), "another address")
    until(lambda: alarm(scene, *words), 15, "an alarm names address, both MACs and the mend")
    event = scene.event(0, *words)
    assert (event.kind, event.severity) == ("arp", "error")
    assert macs(scene)[2] == text(TARGET2)
    assert dict(scene.traffic(64).failed) == {}


def test_where_the_wrong_host_was_found_first_the_check_of_the_virtual_address_finds_the_right_one(
    lab, launch
):
    own(lab, addressing.TARGETS["target2"])
    lab.set_cable("target2", up=False)
    scene = launch(wait=False)
    until(lambda: scene.ready() and macs(scene)[2] == text(ROUTER), 15, "the stranger answers alone")
    lab.set_cable("target2", up=True)
    until(lambda: macs(scene)[2] == text(TARGET2), 25, "target 2 is found by its alias")
    until(lambda: alarm(scene, text(ROUTER), "172.16.1.101", text(TARGET2)), 15, "the stranger is named")


def test_another_host_that_uses_real_is_told(lab, launch):
    scene = launch()
    own(lab, addressing.LB)
    words = (text(ROUTER), f"{addressing.LB} (ours, network 1 real", text(LB), "another address")
    until(lambda: alarm(scene, *words), 12, "an alarm names the foreign MAC and ours")
    assert scene.event(0, *words).kind == "arp"


def test_two_targets_at_one_mac_are_told(lab, launch):
    lab.set_cable("target2", up=False)
    own(lab, addressing.TARGETS["target2"], node="target1")
    scene = launch()
    words = (text(TARGET1), "172.16.1.100 (target 1)", "172.16.1.101 (target 2)")
    until(lambda: alarm(scene, *words), 5, "an alarm names both")
    assert scene.event(0, *words).severity == "error"


def test_an_alias_with_the_networks_mask_is_named_with_its_mend(lab, launch):
    scene = launch()
    lab.set_arp("target1", ignore=0, announce=0)
    ip(lab, "target1", "addr", "add", dev="lo", address="172.16.1.11", prefixlen=24)
    words = (text(TARGET1), "target 1", "172.16.1.101", "255.255.255.255", "arp_ignore=1")
    until(lambda: alarm(scene, *words), 15, "an alarm names the target that answers for all, and the mask")


# -- W5: a living host keeps its address ------------------------------------------------------------------------------


def test_a_virtual_address_that_a_living_host_has_is_left_to_it_until_it_is_free(lab, launch):
    own(lab, addressing.VIP)
    with Port(lab) as port:
        scene = launch()
        words = (addressing.VIP, "server 1", "is not taken", text(ROUTER), "--force-claim")
        assert alarm(scene, *words)
        event = scene.event(0, *words)
        assert (event.kind, event.severity) == ("arp", "error")
        said = port.heard(wanted=lambda f: f.ethertype == 0x0806, timeout_s=0.5)
        assert not any(f.data[28:32] == socket.inet_aton(addressing.VIP) for f in said)
        assert any(f.data[28:32] == socket.inet_aton("172.16.1.253") for f in said)  # the rest is at work
        port.send(arp(1, STRANGER, "172.16.1.77", addressing.VIP))
        assert replies(port) == []
        assert [entry.state for entry in shown(scene, addressing.VIP)] == ["withheld"]
        disown(lab, addressing.VIP)
        until(lambda: not alarm(scene, "is not taken"), 8, "the address is taken when it is free")
    tally = scene.traffic(64)
    assert (sum(tally.answered.values()), dict(tally.failed)) == (64, {})


def test_an_operator_can_have_it_taken_all_the_same(lab, launch):
    own(lab, addressing.VIP)
    with Port(lab) as port:
        scene = launch(SEED_TEXT, "--force-claim")
        port.drain()
        port.send(arp(1, STRANGER, "172.16.1.77", addressing.VIP))
        assert [address for _, address in replies(port)] == [addressing.VIP]
    assert alarm(scene, text(ROUTER), f"also claims {addressing.VIP}")


def test_an_address_that_a_change_brings_is_asked_for_before_the_answer(lab, launch, tmp_path):
    scene = launch()
    own(lab, "172.16.1.20")
    changed = tmp_path / "changed.conf"
    changed.write_text(SEED_TEXT.replace("ipaddr 172.16.1.10\n", "ipaddr 172.16.1.20\n"))
    scene.balancer.ctl("reload", str(changed))
    assert alarm(scene, "172.16.1.20 (server 1) is not taken", text(ROUTER))


def test_a_target_that_does_not_keep_its_alias_quiet_is_no_living_host(lab, launch):
    lab.set_arp("target1", ignore=0, announce=0)
    scene = launch()
    assert not alarm(scene, "is not taken")
    until(lambda: alarm(scene, text(TARGET1), f"also claims {addressing.VIP}"), 12, "it is a conflict")


def test_a_server_that_is_disabled_and_enabled_is_back_at_once(lab, launch):
    scene = launch()
    scene.admin("disable", 1, what="server")
    start = time.monotonic()
    scene.admin("enable", 1, what="server")
    assert time.monotonic() - start < 0.4
    with Port(lab) as port:
        port.send(arp(1, STRANGER, "172.16.1.77", addressing.VIP))
        assert [address for _, address in replies(port, 0.1)] == [addressing.VIP]


def test_a_host_that_claims_a_served_address_for_a_while_does_not_keep_it(lab, launch):
    scene = launch()
    assert dict(scene.traffic(32).failed) == {}  # and the router knows our MAC
    with Port(lab, "target2", "eth0") as port:
        # The router hears each of them before our answer, and takes another MAC only after a second.
        for _ in range(12):
            port.send(arp(1, STRANGER, addressing.VIP, addressing.VIP))
            time.sleep(0.1)
    ended = time.monotonic()

    def at_us():
        found = lab.run("router", ["ip", "neigh", "show", addressing.VIP]).stdout
        return text(LB) in found

    until(at_us, 2, "the router has our MAC again")
    assert time.monotonic() - ended < 1.5
    assert dict(scene.traffic(32).failed) == {}


# -- W6: VLANs ---------------------------------------------------------------------------------------------------------


def echo(*tags):
    frame = Ether(src=text(ROUTER), dst=text(LB))
    for tag in tags:
        frame /= tag
    return bytes(frame / IP(src="172.16.1.254", dst=addressing.VIP) / ICMP(id=7) / (b"x" * 20))


def echoes(port):
    def wanted(seen):
        return seen.ethertype == 0x0800 and seen.ip_source == addressing.VIP

    return [(f.vlan, f.tpid) for f in port.heard(wanted=wanted, timeout_s=0.4)]


def test_what_another_vlan_says_does_not_touch_an_untagged_network(lab, launch):
    scene = launch()
    other = [Dot1Q(vlan=200)]
    with Port(lab) as port:
        port.drain()
        port.send(arp(1, STRANGER, "172.16.1.77", addressing.VIP, tags=other), echo(*other))
        port.send(arp(2, STRANGER, addressing.TARGETS["target1"], addressing.LB, tags=other))
        port.send(arp(1, STRANGER, addressing.VIP, addressing.VIP, tags=other))
        assert replies(port) == []
        assert echoes(port) == []
        time.sleep(1.2)
        assert macs(scene)[1] == text(TARGET1)
        assert scene.alarms() == []
        port.send(echo(), echo(Dot1Q(vlan=0, prio=5)), echo(Dot1AD(vlan=0, prio=3)))
        assert echoes(port) == [(None, None), (5 << 13, 0x8100), (3 << 13, 0x88A8)]


def test_an_arp_request_to_another_stations_mac_is_not_answered(lab, launch):
    launch()
    with Port(lab) as port:
        port.drain()
        port.send(arp(1, STRANGER, "172.16.1.77", addressing.VIP, dst=text(TARGET1)))
        assert replies(port) == []
        port.send(arp(1, STRANGER, "172.16.1.77", addressing.VIP, dst=text(LB)))
        assert len(replies(port)) == 1


def test_a_network_on_a_vlan_speaks_and_hears_there(lab, launch):
    with Port(lab) as port:
        # The host has no link of the VLAN, and the kernel of a test may not know VLANs at all.
        scene = launch(
            SEED_TEXT.replace("          interface 1\n}", "          interface 1\n          vlan 200\n}")
        )
        said = port.heard(
            wanted=lambda f: f.ethertype == 0x0806 and f.source == LB and f.data[28:30] == b"\xac\x10",
            timeout_s=1,
        )
        assert said
        assert {f.vlan for f in said} == {200}
        for tags, expected in (
            ([Dot1Q(vlan=200)], [(200, 0x8100)]),
            ([Dot1AD(vlan=200)], [(200, 0x88A8)]),
            ([], []),
            ([Dot1Q(vlan=201)], []),
        ):
            port.send(arp(1, STRANGER, "172.16.1.77", addressing.VIP, tags=tags))
            assert [(f.vlan, f.tpid) for f, _ in replies(port)] == expected, tags
            port.send(echo(*tags))
            assert echoes(port) == expected, tags
        port.send(arp(2, STRANGER, addressing.TARGETS["target1"], addressing.LB, tags=[Dot1Q(vlan=200)]))
        until(lambda: macs(scene)[1] == STRANGER, 2, "an answer of the VLAN is heard")
        assert alarm(scene, "VLAN 200", "ip link add link eth0 name eth0.200 type vlan id 200")


# -- W7: a rebuilt machine --------------------------------------------------------------------------------------------


def test_a_rebuilt_targets_new_mac_is_found_within_two_intervals(lab, launch):
    scene = launch()
    with inside(lab.netns_path("target1")), IPRoute() as netlink:
        index = netlink.link_lookup(ifname="eth0")[0]
        netlink.link("set", index=index, address=STRANGER)
    until(lambda: macs(scene)[1] == STRANGER, 6 + 1.5, "the new MAC is found within two intervals")
    event = scene.event(0, STRANGER, text(TARGET1), "which did not answer")
    assert (event.kind, event.severity) == ("arp", "warning")
    scene.forget_flows()
    until(lambda: scene.target(1).operational, 5, "target 1 serves again")
    assert dict(scene.traffic(64).failed) == {}
