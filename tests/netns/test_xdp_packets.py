"""What the fixtures have no words for: IPv6 and VLAN tags, decided by the XDP program on frames in memory."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    in6_chksum,
)
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from engine.datapath.contract import DropReason
from engine.datapath.table import Compiler, EgressInput, ServerInput, TargetInput
from engine.domain.address import Address
from tests.conftest import lacking
from tests.helpers.xdp_run import DROP, PASS, TX, Run, refusal

OWN, ROUTER = "02:00:00:00:00:02", "02:00:00:00:00:01"
VIP4, VIP6, OTHER6 = "172.16.1.10", "2001:db8::10", "2001:db8::11"
CLIENT6 = "2001:db8:1::5"
NOW_S = 1000


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def table(egress=None, vlan=0):
    targets = [
        TargetInput(n, f"2001:db8::{n}:80", mac(f"02:00:00:00:01:{n:02x}"), egress=egress) for n in (1, 2, 3)
    ]
    both = {"method": "rr", "idle_s": 600, "new": (1, 2, 3), "keep": (1, 2, 3)}
    servers = [
        ServerInput(1, Address.parse(VIP6), 80, "tcp", by_port=True, **both),
        ServerInput(2, Address.parse(VIP6), 53, "udp", by_port=True, **both),
        ServerInput(3, Address.parse(OTHER6), 0, "any", by_port=False, **both),
        ServerInput(4, Address.parse(VIP4), 80, "tcp", by_port=True, **both),
    ]
    virtual = [Address.parse(one) for one in (VIP6, OTHER6, VIP4)]
    return Compiler().compile(
        servers,
        targets,
        virtual=virtual,
        vlans=dict.fromkeys(virtual, vlan),
        own_mac=[mac(OWN)],
        blocked_mac=[],
        mtu=1500,
    )


@pytest.fixture(scope="module", autouse=True)
def _program_allowed():
    if reason := refusal():
        lacking(reason)


@pytest.fixture
def run():
    run = Run(64)
    run.program.install(table())
    yield run
    run.close()


def ether(packet, *tags):
    frame = Ether(dst=OWN, src=ROUTER)
    for tag in tags:
        frame /= tag
    return bytes(frame / packet)


def v6(*layers, to=VIP6, source=CLIENT6, **more):
    packet = IPv6(src=source, dst=to, **more)
    for layer in layers:
        packet /= layer
    return packet


def target_of(run, frame):
    action, out = run.decide(frame, NOW_S)
    assert action == TX
    assert len(out) == len(frame)
    assert out[6:12] == mac(OWN)
    assert out[12:] == frame[12:]
    assert out[:5] == bytes.fromhex("0200000001")
    return out[5]


def dropped(run, frame):
    """The reason for which a frame is dropped."""
    before = run.program.counters().dropped
    assert run.decide(frame, NOW_S)[0] == DROP
    (reason,) = (run.program.counters().dropped - before).nonzero()[0].tolist()
    return DropReason(reason)


def tcp(port=40000, flags="S", **more):
    return TCP(sport=port, dport=80, flags=flags, **more)


def test_flows_of_ipv6_stay_where_they_began(run):
    first = {port: target_of(run, ether(v6(tcp(port)))) for port in range(40000, 40030)}
    assert set(first.values()) == {1, 2, 3}
    assert {port: target_of(run, ether(v6(tcp(port, "A")))) for port in first} == first
    flow = next(run.program.flows.flows(NOW_S, run_rules(), 1, None, None))
    assert str(flow.client) == CLIENT6
    assert flow.port in first


def run_rules():
    from engine.datapath.flowtable import rules_of

    return rules_of(table())


@pytest.mark.parametrize(
    ("vlan", "tag"),
    [(7, Dot1Q(vlan=7)), (7, Dot1AD(vlan=7, prio=5)), (0, Dot1Q(vlan=0, prio=5))],
    ids=["802.1Q", "802.1ad", "a priority alone"],
)
def test_a_tag_stays(run, vlan, tag):
    run.program.install(table(vlan=vlan))
    assert target_of(run, ether(v6(tcp()), tag)) == target_of(run, ether(v6(tcp(flags="A")), tag))
    packet = IP(src="192.0.2.1", dst=VIP4) / tcp()
    assert target_of(run, ether(packet, tag))


@pytest.mark.parametrize("tags", [(), (Dot1Q(vlan=0),), (Dot1Q(vlan=8),), (Dot1AD(vlan=7), Dot1Q(vlan=7))])
def test_what_is_not_on_the_networks_vlan_passes(run, tags):
    run.program.install(table(vlan=7))
    for packet in (v6(tcp()), IP(src="192.0.2.1", dst=VIP4) / tcp()):
        frame = ether(packet, *tags)
        assert run.decide(frame, NOW_S) == (PASS, frame)
    assert not run.program.counters().dropped.any()


@pytest.mark.parametrize("tags", [(), (Dot1Q(vlan=7, prio=3),), (Dot1AD(vlan=7, prio=3),)])
@pytest.mark.parametrize("vlan", [0, 200])
def test_a_way_out_with_a_vlan_of_its_own_has_that_alone(run, tags, vlan):
    away = EgressInput(0, mac("02:00:00:00:07:01"), 1500, vlan)
    run.program.install(table(away, vlan=7 if tags else 0))
    action, out = run.decide(ether(v6(tcp()), *tags), NOW_S)
    assert action == TX
    left = Ether(out)
    assert left.src == "02:00:00:00:07:01"
    found = [left.getlayer(Dot1Q, n) for n in range(1, 3) if left.getlayer(Dot1Q, n) is not None]
    assert [(tag.vlan, tag.prio) for tag in found] == ([(200, 3 if tags else 0)] if vlan else [])
    assert bytes(left[IPv6]) == bytes(v6(tcp()))


def test_extension_headers_are_walked_through(run):
    plain = target_of(run, ether(v6(tcp())))
    headers = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()
    assert target_of(run, ether(v6(*headers, tcp(flags="A")))) == plain


def test_pieces_of_a_packet_stay_together(run):
    for ident in range(20):
        port = 40000 + ident
        datagram = bytes(UDP(sport=port, dport=53, len=8 + 1000) / Raw(bytes(600)))
        first = v6(IPv6ExtHdrFragment(nh=17, m=1, offset=0, id=ident), Raw(datagram))
        later = v6(IPv6ExtHdrFragment(nh=17, m=0, offset=76, id=ident), Raw(bytes(400)))
        assert target_of(run, ether(first)) == target_of(run, ether(later))
    stranger = v6(IPv6ExtHdrFragment(nh=17, m=0, offset=76, id=99), Raw(bytes(400)))
    assert dropped(run, ether(stranger)) == DropReason.FRAGMENT
    # Where one server alone has the address and tells flows by the client, pieces need no first one.
    stranger[IPv6].dst = OTHER6
    assert target_of(run, ether(stranger)) == target_of(run, ether(v6(UDP(sport=1, dport=99), to=OTHER6)))


@pytest.mark.parametrize("error", [ICMPv6PacketTooBig(mtu=1300), ICMPv6DestUnreach()])
def test_errors_follow_the_flow_that_they_are_about(run, error):
    for port in range(40000, 40010):
        target = target_of(run, ether(v6(tcp(port))))
        quote = IPv6(src=VIP6, dst=CLIENT6) / TCP(sport=80, dport=port)
        assert target_of(run, ether(v6(error, Raw(bytes(quote)), source="2001:db8:9::1"))) == target
    unknown = IPv6(src=VIP6, dst=CLIENT6) / TCP(sport=80, dport=1)
    assert dropped(run, ether(v6(error, Raw(bytes(unknown))))) == DropReason.ICMP_NO_FLOW


@pytest.mark.parametrize(
    "message", [ICMPv6EchoRequest(), ICMPv6ND_NS(tgt=VIP6)], ids=["echo request", "neighbour solicitation"]
)
def test_neighbours_and_echo_are_the_control_process(run, message):
    frame = ether(v6(message))
    assert run.decide(frame, NOW_S) == (PASS, frame)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (v6(tcp(), source="::1"), DropReason.MARTIAN),
        (v6(tcp(), source="::"), DropReason.MARTIAN),
        (v6(tcp(), source="ff02::1"), DropReason.MARTIAN),
        (v6(tcp(), source="::ffff:192.0.2.1"), DropReason.MARTIAN),
        (v6(tcp(), source=OTHER6), DropReason.MARTIAN),
        (v6(tcp(), hlim=0), DropReason.TTL),
        (v6(tcp(), plen=19), DropReason.MALFORMED),
        (v6(tcp(), plen=200), DropReason.MALFORMED),
        (v6(IPv6ExtHdrHopByHop(len=9), tcp()), DropReason.MALFORMED),
        (v6(TCP(sport=1, dport=81)), DropReason.NO_SERVER),
        (v6(UDP(sport=1, dport=80)), DropReason.NO_SERVER),
        (v6(Raw(bytes(8)), nh=47), DropReason.PROTOCOL),
        (v6(ICMPv6MLReport2()), DropReason.PROTOCOL),
    ],
)
def test_what_is_not_for_a_server_is_dropped_and_counted(run, packet, reason):
    assert dropped(run, ether(packet)) == reason


def test_the_sender_of_a_packet_that_is_too_big_is_told(run):
    run.program.install(table(vlan=7))
    big = ether(v6(tcp(flags="A"), Raw(bytes(1500 - 60 + 1))), Dot1Q(vlan=7))
    action, out = run.decide(big, NOW_S)
    assert action == TX
    answer = Ether(out)
    assert (answer.dst, answer.src, answer[Dot1Q].vlan) == (ROUTER, OWN, 7)
    assert (answer[IPv6].src, answer[IPv6].dst) == (VIP6, CLIENT6)
    assert answer[ICMPv6PacketTooBig].mtu == 1500
    message = bytes(answer[IPv6].payload)
    assert len(bytes(answer[IPv6])) == 1280
    assert message[8:] == big[18 : 18 + 1232]
    assert in6_chksum(58, answer[IPv6], message) == 0
    assert sum(run.decide(big, NOW_S)[0] == TX for _ in range(200)) == 99  # a hundred a second
    assert ICMP not in answer
