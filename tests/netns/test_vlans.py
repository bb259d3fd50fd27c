"""A virtual address is served on the VLAN of its network: what comes by another, or by none, is not for it."""

import itertools

import pytest
from scapy.all import ARP, IP, TCP, Dot1AD, Dot1Q, Ether, IPOption_NOP

from engine.lab import addressing, links
from engine.lab.namespaces import inside
from tests.helpers.port import LB, ROUTER, TARGET1, Port
from tests.helpers.scene import SEED, until

TAGGED_VIP, TAGGED_TARGET, TAGGED_MAC = "172.16.2.10", "172.16.2.100", "02:00:00:00:02:64"
VLAN = 200
# Nobody on the VLAN answers checks here: without hc targets serve unchecked.
CONFIG = (
    SEED.read_text().replace("arp,ping,hc,", "arp,ping,")
    + f"""
network 2 {{
    addr 172.16.2.0
    mask 255.255.255.0
    real 172.16.2.252
    interface 1
    vlan {VLAN}
}}
register network 2
enable network 2
server 2 {{
    ipaddr {TAGGED_VIP}
    port 80
    protocol tcp
    targets 3
}}
target 3 {{
    ipaddr {TAGGED_TARGET}
    port 80
    protocol tcp
    dsr enable
}}
register server 2
enable server 2
register target 3
enable target 3
"""
)
CLIENTS_NET = "198.18.0.0/15"
clients = (f"198.18.{n >> 8}.{n & 255}" for n in itertools.count(1))
"""A client of its own for whoever asks: no test meets another's flows."""


def prepare(lab):
    for node in addressing.TARGETS:
        # The clients here do not exist: answers to them would only disturb.
        with inside(lab.netns_path(node)), links.netlink() as netlink:
            netlink.route("add", dst=CLIENTS_NET, type="blackhole")


def to(vip, *tags, client=None, **ip):
    """A SYN of a new client, under tags."""
    frame = Ether(src=ROUTER, dst=LB)
    for tag in tags:
        frame /= tag
    return frame / IP(src=client or next(clients), dst=vip, **ip) / TCP(sport=40_000, dport=80, flags="S")


@pytest.fixture
def port(scene):
    with Port(scene.lab) as port:
        answer = ARP(op=2, hwsrc=TAGGED_MAC, psrc=TAGGED_TARGET, hwdst=LB, pdst="172.16.2.252")
        port.send(Ether(src=TAGGED_MAC, dst=LB) / Dot1Q(vlan=VLAN) / answer)
        until(
            lambda: scene.target(3).mac == TAGGED_MAC and scene.target(3).operational, 5, "target 3 is found"
        )
        yield port


@pytest.fixture(params=[1, 40], ids=["one by one", "as a batch"])
def forwarded(request, scene, port):
    """Send frames like one, of as many clients as make a batch or few; returns the tags of what is forwarded."""

    def send(vip, *tags, count=None, **ip):
        frames = [to(vip, *tags, **ip) for _ in range(request.param)]
        with scene.workers_held():
            port.send(*frames)
        seen = port.heard(len(frames) if count is None else count)
        assert all(s.source == LB for s in seen)
        return {(s.vlan, s.tpid, s.to.hex(":")) for s in seen}

    return send


TAGS = [
    pytest.param([Dot1Q(vlan=VLAN)], id="its VLAN"),
    pytest.param([Dot1Q(vlan=VLAN, prio=7, dei=1)], id="its VLAN with a priority"),
    pytest.param([Dot1AD(vlan=VLAN)], id="its VLAN by 802.1ad"),
]
NONE = [
    pytest.param([], id="untagged"),
    pytest.param([Dot1Q(vlan=0, prio=5)], id="a priority alone"),
    pytest.param([Dot1AD(vlan=0)], id="a priority alone by 802.1ad"),
]
NEITHER = [
    pytest.param([Dot1Q(vlan=VLAN + 1)], id="another VLAN"),
    pytest.param([Dot1Q(vlan=4095)], id="the reserved VLAN"),
    pytest.param([Dot1AD(vlan=VLAN), Dot1Q(vlan=VLAN)], id="its VLAN twice"),
    pytest.param([Dot1AD(vlan=0), Dot1Q(vlan=VLAN)], id="a priority before its VLAN"),
]


def on_the_wire(tags):
    if not tags:
        return None, None
    tag = tags[0]
    return tag.prio << 13 | tag.dei << 12 | tag.vlan, 0x88A8 if isinstance(tag, Dot1AD) else 0x8100


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("options", [[], [IPOption_NOP()] * 4], ids=["plain", "IP options"])
def test_a_tagged_networks_address_is_served_there_and_the_tag_stays_as_it_is(forwarded, tags, options):
    assert forwarded(TAGGED_VIP, *tags, options=options) == {(*on_the_wire(tags), TAGGED_MAC)}
    assert forwarded(addressing.VIP, *tags, options=options, count=0) == set()


@pytest.mark.parametrize("tags", NONE)
@pytest.mark.parametrize("options", [[], [IPOption_NOP()] * 4], ids=["plain", "IP options"])
def test_an_untagged_networks_address_is_served_there_and_a_priority_stays_as_it_is(forwarded, tags, options):
    assert {seen[:2] for seen in forwarded(addressing.VIP, *tags, options=options)} == {on_the_wire(tags)}
    assert forwarded(TAGGED_VIP, *tags, options=options, count=0) == set()


@pytest.mark.parametrize("tags", NEITHER)
def test_under_other_tags_nobody_is_served(scene, forwarded, tags):
    before = scene.state().datapath
    assert forwarded(addressing.VIP, *tags, count=0) == set()
    assert forwarded(TAGGED_VIP, *tags, count=0) == set()
    now = scene.state().datapath
    # They are others' frames, not ones that we drop.
    assert (now.received, now.dropped) == (before.received, before.dropped)


def test_frames_of_both_networks_in_one_batch_keep_what_is_theirs(scene, port):
    untagged = [to(addressing.VIP) for _ in range(16)]
    tagged = [to(TAGGED_VIP, Dot1Q(vlan=VLAN, prio=n % 8)) for n in range(16)]
    with scene.workers_held():
        port.send(*(frame for pair in zip(untagged, tagged, strict=True) for frame in pair))
    seen = port.heard(32)
    by_client = {one.ip_source: one for one in seen}
    assert len(by_client) == 32
    assert all(by_client[frame[IP].src].vlan is None for frame in untagged)
    assert [by_client[frame[IP].src].vlan for frame in tagged] == [n % 8 << 13 | VLAN for n in range(16)]
    assert TARGET1 not in {by_client[frame[IP].src].to for frame in tagged}
