"""A balancer with two cards: clients on one, targets on the other or on both; what becomes of them when a card goes."""

import time

import pytest
from pyroute2 import IPRoute
from scapy.all import IP, TCP, Ether, Raw

from engine.lab import addressing
from engine.lab.namespaces import inside
from tests.helpers import two_cards
from tests.helpers.port import LB, ROUTER, Port
from tests.helpers.scene import Scene, until

ETH1 = bytes.fromhex(two_cards.LB_MAC.replace(":", ""))


@pytest.fixture
def launch(lab, tmp_path):
    """Call it to wire the second network and start an engine; it is stopped after the test."""
    scenes, trunks = [], []

    def start(*moved, vlan=None, bridge="br1", more=""):
        two_cards.build(lab, bridge)
        if vlan is not None:
            trunks.append(two_cards.Trunk(lab, bridge, vlan))
        scenes.append(Scene(lab, tmp_path, two_cards.config(*moved, vlan=vlan, more=more)))
        return scenes[-1].start()

    yield start
    for scene in scenes:
        if scene.running:
            assert scene.stop() == 0
        print(scene.balancer.log_text())
    for trunk in trunks:
        trunk.end()


def tell(lab, node, what, *args, name="eth1", **kwargs):
    """Do what ip(8) does to a link of a node, by netlink."""
    with inside(lab.netns_path(node)), IPRoute() as netlink:
        netlink.link(what, *args, index=netlink.link_lookup(ifname=name)[0], **kwargs)


def serving(scene, *numbers):
    return all(t.operational == (t.number in numbers) for t in scene.state().targets)


def test_targets_behind_the_second_card_answer_every_request(launch):
    scene = launch()
    assert scene.ask("check", text=scene.config.read_text(), file="engine.conf") == []
    with Port(scene.lab, "switch", "lb-1") as port:
        tally = scene.traffic(1000)
        heard = port.heard(
            wanted=lambda f: f.ethertype == 0x0800 and f.ip_source.startswith("192.0.2."), timeout_s=1
        )
    assert (sum(tally.answered.values()), dict(tally.failed)) == (1000, {})
    assert set(tally.answered) == {"target1", "target2"}
    assert len(heard) >= 1000
    assert {frame.source for frame in heard} == {ETH1}
    assert {check.state for t in scene.state().targets for check in t.checks} == {"up"}
    assert scene.dropped() == {}
    assert scene.alarms() == []


def test_targets_on_both_cards_share_the_requests(launch):
    scene = launch(2)
    tally = scene.traffic(1000)
    assert (sum(tally.answered.values()), dict(tally.failed)) == (1000, {})
    assert min(tally.answered["target1"], tally.answered["target2"]) > 300
    assert scene.dropped() == {}


def test_a_target_on_a_vlan_of_the_second_card_gets_frames_under_its_tag(launch):
    scene = launch(vlan=200)
    with Port(scene.lab, "switch", "lb-1") as port:
        tally = scene.traffic(300)
        heard = port.heard(
            wanted=lambda f: f.ethertype == 0x0800 and f.ip_source.startswith("192.0.2."), timeout_s=1
        )
    assert (sum(tally.answered.values()), dict(tally.failed)) == (300, {})
    assert {frame.vlan for frame in heard} == {200}


def test_a_large_upload_passes_in_super_frames_and_with_partial_checksums(launch):
    scene = launch()
    size = 20_000_000
    assert scene.put(size).text.startswith(str(size)) or str(size) in scene.put(size).text


def test_a_packet_over_the_second_cards_mtu_is_answered_with_that_mtu(launch):
    scene = launch()
    tell(scene.lab, "lb", "set", mtu=1300)
    head = Ether(src=ROUTER, dst=LB) / IP(src="192.0.2.10", dst=addressing.VIP, flags="DF")
    with Port(scene.lab) as port:

        def answered():
            port.send(bytes(head / TCP(sport=4000, dport=80, flags="A") / Raw(b"x" * 1400)))
            told = port.heard(1, wanted=lambda f: f.ethertype == 0x0800 and f.data[23] == 1, timeout_s=0.5)
            return told and int.from_bytes(told[0].data[40:42], "big") == 1300

        until(answered, 5, "the sender is told 1300")


@pytest.mark.parametrize("how", ["down", "renamed", "replaced"])
def test_targets_behind_a_card_that_goes_get_nothing_until_it_is_back(launch, how):
    scene = launch(2)
    lab = scene.lab
    if how == "down":
        tell(lab, "lb", "set", state="down")
    elif how == "renamed":
        tell(lab, "lb", "set", state="down")
        tell(lab, "lb", "set", ifname="eth9")
    else:
        tell(lab, "lb", "del")
    until(lambda: serving(scene, 1), 3, "target 2 is out")
    word = "down" if how == "down" else "missing"
    reason = f"its interface eth1 is {word}"
    until(lambda: scene.target(2).reason == reason, 2, "target 2 says why")
    scene.admin("disable", 2)  # its flows: they wait for the link until its checks fail
    scene.admin("enable", 2)
    tally = scene.traffic(200)
    assert (dict(tally.answered), dict(tally.failed)) == ({"target1": 200}, {})

    if how == "down":
        tell(lab, "lb", "set", state="up")
    elif how == "renamed":
        tell(lab, "lb", "set", ifname="eth1", name="eth9")
        tell(lab, "lb", "set", state="up")
    else:
        peer = {"ifname": "eth1", "address": two_cards.LB_MAC, "net_ns_fd": str(lab.netns_path("lb"))}
        with inside(lab.netns_path("switch")), IPRoute() as netlink:
            netlink.link("add", ifname="lb-1", kind="veth", peer=peer)
            netlink.link("set", index=netlink.link_lookup(ifname="lb-1")[0], state="up",
                         master=netlink.link_lookup(ifname="br1")[0])  # fmt: skip
        tell(lab, "lb", "set", state="up")
    until(lambda: serving(scene, 1, 2), 8, "target 2 is back")
    scene.forget_flows()
    tally = scene.traffic(200)
    assert set(tally.answered) == {"target1", "target2"}
    assert not tally.failed


def test_a_card_that_is_down_for_a_moment_costs_no_flow_behind_it(launch):
    scene = launch()
    scene.traffic(64)
    before = scene.sessions()
    for _ in range(4):
        tell(scene.lab, "lb", "set", state="down")
        time.sleep(0.3)
        tell(scene.lab, "lb", "set", state="up")
        time.sleep(0.3)
    until(lambda: serving(scene, 1, 2), 8, "both are back")
    tally = scene.traffic(128)
    assert (sum(tally.answered.values()), dict(tally.failed)) == (128, {})
    after = scene.sessions()
    assert {key: after[key] for key in before} == before


def test_a_card_that_stays_down_moves_the_flows_behind_it(launch):
    scene = launch(2)
    scene.traffic(64)
    tell(scene.lab, "lb", "set", state="down")
    until(lambda: scene.target(2).health == "down", 15, "its checks fail")
    tally = scene.traffic(64)
    assert (dict(tally.answered), dict(tally.failed)) == ({"target1": 64}, {})
    assert scene.alarms()


def test_with_both_cards_on_one_wire_nothing_goes_round(launch):
    scene = launch(bridge="br0")
    tally = scene.traffic(300)
    assert (sum(tally.answered.values()), dict(tally.failed)) == (300, {})
    # What a target routes back to the virtual address comes by both cards: a loop, and its end.
    target = addressing.mac_of(two_cards.TARGETS["target1"])
    packet = IP(src="192.0.2.10", dst=addressing.VIP) / TCP(sport=4000, dport=80, flags="A")
    forwarded = scene.state().datapath.forwarded
    for name, to in (("lb", LB), ("lb-1", ETH1)):
        with Port(scene.lab, "switch", name) as port:
            port.send(*[bytes(Ether(src=source, dst=to) / packet) for source in (target, LB, ETH1)] * 10)
    until(lambda: scene.dropped().get("loop", 0) == 30, 2, "they are dropped as loops")
    time.sleep(0.3)
    assert scene.state().datapath.forwarded == forwarded
