"""Frame in, frame out: what the balancer does with each kind, seen at its port of the switch, and how it counts it."""

import contextlib
import os
import random

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Dot1Q, Ether, IPOption_NOP, IPOption_RR, Raw, fragment

from engine.datapath.contract import DropReason
from engine.lab import addressing, links
from engine.lab.namespaces import inside
from tests.bench.traffic import with_checksum
from tests.helpers.datagrams import listening
from tests.helpers.port import LB, ROUTER, TARGET1, TARGET2, Port, balanced
from tests.helpers.scene import SEED, until

DNS_PORT, GAME_PORT = 53, 5000
GAME_VIP = "172.16.1.11"
CONFIG = SEED.read_text() + "".join(
    f"""
server {number} {{
    ipaddr {address}
    port {port}
    protocol udp
    sessionid {sessionid}
    targets {2 * number - 1},{2 * number}
}}
target {2 * number - 1} {{
    ipaddr {addressing.TARGETS["target1"]}
    port {port}
    protocol udp
    dsr enable
}}
target {2 * number} {{
    ipaddr {addressing.TARGETS["target2"]}
    port {port}
    protocol udp
    dsr enable
}}
register server {number}
enable server {number}
register targets {2 * number - 1},{2 * number}
enable targets {2 * number - 1},{2 * number}
"""
    for number, address, port, sessionid in (
        (2, addressing.VIP, DNS_PORT, "src"),
        (3, GAME_VIP, GAME_PORT, "src+port"),
        (4, GAME_VIP, DNS_PORT, "src"),
    )
)
CLIENTS_NET = "198.51.100.0/24"
clients = (f"198.51.100.{n}" for n in range(1, 255))
"""A client of its own for whoever asks: no test meets another's flows."""


def prepare(lab):
    for node in addressing.TARGETS:
        lab.alias(node, GAME_VIP, present=True)
        # The clients here do not exist: answers to them, and the router's complaints, would only disturb.
        with inside(lab.netns_path(node)), links.netlink() as netlink:
            netlink.route("add", dst=CLIENTS_NET, type="blackhole")


@pytest.fixture(scope="module", autouse=True)
def services(module_scene):
    """Have somebody listen where UDP is served."""
    with listening(module_scene, (DNS_PORT, GAME_PORT)):
        yield


@pytest.fixture
def port(scene):
    with Port(scene.lab) as port:
        yield port


@pytest.fixture(params=[0, 40], ids=["one by one", "as a batch"])
def fillers(request):
    """How many frames for nobody (`no-server`) go with what is sent: with 40 there is enough for a vector."""
    return request.param


@pytest.fixture
def send(fillers, scene, port):
    """Send frames to the balancer and return what it forwards; both of its ways of handling frames are taken."""

    def forwarded(*frames, count=None):
        if not fillers:
            return [seen for frame in frames for seen in port.forwarded(frame, count=count)]
        filler = [to_vip("198.51.100.255") / UDP(sport=9, dport=9)] * fillers
        with scene.workers_held():
            port.send(*frames, *filler)
        return port.heard(len(frames) if count is None else count)

    return forwarded


def to_vip(client=None, vip=addressing.VIP, **ip):
    return Ether(src=ROUTER, dst=LB) / IP(src=client or next(clients), dst=vip, **ip)


def syn(client=None, **ip):
    return to_vip(client, **ip) / TCP(sport=40_000, dport=80, flags="S", seq=1)


def rewritten(frame, seen, to=None):
    """Whether a frame came out as it went in but for its two MAC addresses."""
    assert seen.source == LB
    assert seen.to in ([to] if to else [TARGET1, TARGET2])
    assert seen.packet == bytes(frame)[12:]
    return True


@contextlib.contextmanager
def counted(scene, reason, count=1, **others):
    """Expect `count` more drops for a reason, and none for another (but for `others`)."""
    before = scene.dropped()
    expected = {reason: count} | {key.replace("_", "-"): number for key, number in others.items() if number}

    def more():
        now = scene.dropped()
        return {key: now[key] - before.get(key, 0) for key in now if now[key] != before.get(key, 0)}

    yield
    with contextlib.suppress(AssertionError):
        until(lambda: more() == expected, 1, "")
    assert more() == expected


def test_every_reason_that_is_shown_is_one_of_the_list(scene, port):
    port.forwarded(to_vip() / UDP(dport=1), count=0)
    shown = until(lambda: scene.balancer.json("show", "datapath")["dropped"], 2, "a drop is counted")
    assert shown.keys() <= {reason.label for reason in DropReason}
    assert shown == scene.dropped()


# -- what is forwarded --------------------------------------------------------------------------------------------------


def test_only_the_macs_are_rewritten_ttl_header_and_checksums_stay(send):
    frames = [
        syn(ttl=3, tos=0xB8, id=4711, flags="DF"),
        syn(ttl=1),
        to_vip()
        / TCP(sport=1024, dport=80, flags="SEC", options=[("MSS", 1460), ("WScale", 7), ("SAckOK", b"")]),
        to_vip() / TCP(dport=80, flags="A", chksum=0xDEAD) / Raw(b"a checksum that is wrong stays so"),
        to_vip() / UDP(sport=1, dport=DNS_PORT, chksum=0) / Raw(b"no checksum is no checksum"),
        to_vip() / TCP(dport=80, flags="PA") / Raw(os.urandom(1460)),
    ]
    seen = send(*frames)
    assert len(seen) == len(frames)
    assert all(rewritten(frame, one) for frame, one in zip(frames, sorted_like(frames, seen), strict=True))


def sorted_like(frames, seen):
    """Put what was seen in the order of what was sent: the two ways may overtake each other within a batch."""
    clients_in_order = [frame[IP].src for frame in frames]
    return sorted(seen, key=lambda one: clients_in_order.index(one.ip_source))


def test_a_frame_shorter_than_ethernets_minimum_keeps_its_padding(send):
    frame = bytes(syn()) + bytes(range(6))
    (seen,) = send(frame)
    assert rewritten(frame, seen)


def test_a_flow_goes_where_its_first_packet_went(send):
    client = next(clients)
    first = send(syn(client))[0].to
    rest = send(
        *[to_vip(client) / TCP(sport=p, dport=80, flags="A", seq=n) for n in range(10) for p in (1, 2)]
    )
    assert {seen.to for seen in rest} == {first}
    assert len(rest) == 20


@pytest.mark.parametrize(("prio", "dei"), [(0, 0), (7, 0), (5, 1)])
def test_a_priority_survives(send, prio, dei):
    plain = syn()
    tagged = Ether(src=ROUTER, dst=LB) / Dot1Q(vlan=0, prio=prio, dei=dei) / plain[IP]
    (seen,) = send(tagged)
    assert seen.vlan == prio << 13 | dei << 12
    assert rewritten(plain, seen)


def test_frames_with_and_without_a_priority_in_one_batch_keep_what_is_theirs(send):
    untagged = [syn() for _ in range(8)]
    tagged = [Ether(src=ROUTER, dst=LB) / Dot1Q(vlan=0, prio=n) / syn()[IP] for n in range(8)]
    seen = send(*[frame for pair in zip(untagged, tagged, strict=True) for frame in pair])
    by_client = {one.ip_source: one.vlan for one in seen}
    assert len(seen) == 16
    assert all(by_client[frame[IP].src] is None for frame in untagged)
    assert [by_client[frame[IP].src] for frame in tagged] == [n << 13 for n in range(8)]


@pytest.mark.parametrize(
    "options", [[IPOption_NOP()] * 4, [IPOption_RR(routers=["0.0.0.0"] * 9)]], ids=["nop", "rr"]
)
@pytest.mark.parametrize("transport", [TCP(dport=80, flags="S"), UDP(dport=DNS_PORT)], ids=["tcp", "udp"])
def test_ip_options_are_passed_on_as_they_are(send, options, transport):
    frame = to_vip(options=options) / transport
    (seen,) = send(frame)
    assert rewritten(frame, seen)


# -- fragments ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", [TCP(dport=80, flags="A"), UDP(dport=DNS_PORT)], ids=["tcp", "udp"])
def test_fragments_follow_their_first_one(send, transport):
    pieces = fragment(to_vip(id=random.randrange(1 << 16)) / transport / Raw(bytes(4000)), 1480)
    assert len(pieces) == 3
    seen = send(*pieces)
    assert len(seen) == 3
    assert len({one.to for one in seen}) == 1
    assert {one.packet for one in seen} == {bytes(piece)[12:] for piece in pieces}


def test_later_fragments_that_come_first_go_where_the_client_belongs(port):
    client = next(clients)
    home = port.forwarded(syn(client))[0].to
    first, later = fragment(to_vip(client) / TCP(dport=80, flags="A") / Raw(bytes(2000)), 1480)
    assert [seen.to for seen in port.forwarded(later, first)] == [home, home]


def test_fragments_of_flows_by_port_follow_their_first_one(port):
    client = next(clients)
    homes = set()
    for source_port in range(1000, 1010):
        datagram = to_vip(client, GAME_VIP, id=source_port) / UDP(sport=source_port, dport=GAME_PORT)
        seen = port.forwarded(*fragment(datagram / Raw(bytes(2000)), 1480))
        assert len(seen) == 2
        assert seen[0].to == seen[1].to
        homes.add(seen[0].to)
    assert homes == {TARGET1, TARGET2}


def test_a_later_fragment_that_nobody_can_place_is_dropped_as_fragment(scene, port):
    # Two servers of that protocol at the address: whose it is, only its first fragment could tell.
    _, later = fragment(to_vip(vip=GAME_VIP, id=77) / UDP(dport=GAME_PORT) / Raw(bytes(2000)), 1480)
    with counted(scene, "fragment"):
        assert port.forwarded(later, count=0) == []


def test_a_tiny_first_fragment_that_hides_the_ports_is_malformed(scene, port):
    with counted(scene, "malformed"):
        assert port.forwarded(to_vip(flags="MF", proto=6) / Raw(b"\x9c\x40\x00\x50"), count=0) == []


# -- ICMP about a flow --------------------------------------------------------------------------------------------------


def error_about(client, kind=3, code=4, source=addressing.ROUTER, inner=None):
    """An ICMP error as a router sends it: it quotes the target's answer, from the virtual address to the client."""
    quoted = inner or IP(src=addressing.VIP, dst=client) / TCP(sport=80, dport=40_000, flags="A", seq=1)
    return (
        Ether(src=ROUTER, dst=LB)
        / IP(src=source, dst=addressing.VIP)
        / ICMP(type=kind, code=code, nexthopmtu=1400)
        / quoted
    )


@pytest.mark.parametrize(("kind", "code"), [(3, 4), (3, 1), (11, 0), (12, 0)])
def test_an_icmp_error_reaches_the_target_of_the_flow_it_is_about(send, kind, code):
    for client in (next(clients), next(clients)):
        home = send(syn(client))[0].to
        frame = error_about(client, kind, code)
        (seen,) = send(frame)
        assert rewritten(frame, seen, home)


def test_an_icmp_error_with_the_eight_bytes_that_rfc_792_promises_is_enough(port):
    client = next(clients)
    home = port.forwarded(syn(client))[0].to
    quoted = bytes(IP(src=addressing.VIP, dst=client, len=1500) / TCP(sport=80, dport=40_000))[:28]
    (seen,) = port.forwarded(error_about(client, inner=Raw(quoted)))
    assert seen.to == home


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (lambda: error_about("203.0.113.1"), "icmp-no-flow"),
        (
            lambda: error_about("x", inner=IP(src="172.16.1.99", dst="203.0.113.1") / TCP(sport=80)),
            "icmp-no-flow",
        ),
        (
            lambda: error_about("x", inner=IP(src=addressing.VIP, dst="203.0.113.1") / TCP(sport=81)),
            "no-server",
        ),
        (lambda: error_about("x", inner=Raw(b"\x45\0\0\x28")), "malformed"),
        (lambda: error_about("x", inner=Raw(bytes(40))), "malformed"),
        (lambda: to_vip() / ICMP(type=13), "protocol"),
        (lambda: to_vip() / ICMP(type=0), "protocol"),
        (lambda: to_vip(proto=1) / Raw(b"\x03\x04\0\0"), "malformed"),
    ],
    ids=[
        "no flow",
        "another's address",
        "no such port",
        "cut",
        "no header",
        "timestamp",
        "echo reply",
        "bare",
    ],
)
def test_icmp_about_nothing_of_ours_is_counted_and_goes_nowhere(scene, port, frame, reason):
    with counted(scene, reason):
        assert port.forwarded(frame(), count=0) == []


# -- what is consumed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "reason"),
    [
        (TCP(dport=81, flags="S"), "no-server"),
        (UDP(dport=80), "no-server"),
        (TCP(dport=DNS_PORT, flags="S"), "no-server"),
        (Raw(bytes(20)), "protocol"),
    ],
    ids=["tcp port", "udp on a tcp port", "tcp on a udp port", "protocol"],
)
def test_what_no_server_takes_is_consumed_and_neither_forwarded_nor_answered(scene, port, transport, reason):
    ip = {"proto": 47} if reason == "protocol" else {}
    with counted(scene, reason):
        port.send(to_vip(**ip) / transport)
        # Not only is it not forwarded: no reset, no "port unreachable" by the host's own stack either.
        assert (
            port.heard(wanted=lambda seen: seen.ethertype == 0x0800 and balanced(seen), timeout_s=0.2) == []
        )


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame[:14] + b"\x65" + frame[15:],  # version 6 under the ethertype of 4
        lambda frame: frame[:14] + b"\x44" + frame[15:],  # a header of 16 bytes
        lambda frame: frame[:14] + b"\x4f" + frame[15:],  # a header longer than the packet
        lambda frame: frame[:16] + b"\x00\x13" + frame[18:],  # shorter than its own header
        lambda frame: frame[:16] + b"\xff\xff" + frame[18:],  # longer than the frame
        lambda frame: with_checksum(frame[:16] + b"\x00\x20" + frame[18:46]),  # twelve bytes of TCP
    ],
    ids=["version", "ihl 4", "ihl 15", "total 19", "total 65535", "short tcp"],
)
def test_headers_that_contradict_themselves_are_malformed(scene, send, fillers, change):
    with counted(scene, "malformed", no_server=fillers):
        assert send(change(bytes(syn())), count=0) == []


@pytest.mark.parametrize("options", [[], [IPOption_NOP()] * 4], ids=["plain", "IP options"])
@pytest.mark.parametrize(
    ("reason", "header"),
    [
        *(
            pytest.param("martian", {"client": source}, id=source)
            for source in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.5", "240.0.0.1", "255.255.255.255")
        ),
        pytest.param("martian", {"client": addressing.VIP}, id="the virtual address itself"),
        pytest.param("martian", {"client": GAME_VIP}, id="another virtual address"),
        pytest.param("ttl", {"ttl": 0}, id="TTL 0"),
        pytest.param("checksum", {"chksum": 0x1234}, id="a wrong checksum"),
    ],
)
def test_what_no_router_may_forward_is_dropped_by_its_reason_and_makes_no_flow(
    scene, send, fillers, reason, header, options
):
    def flows():
        state = scene.state()
        return sum(target.sessions + target.half_open for target in state.targets)

    scene.forget_flows()
    until(lambda: flows() == 0, 5, "no flow is left")
    with counted(scene, reason, no_server=fillers):
        assert send(syn(**header, options=options), count=0) == []
    assert flows() == 0


def test_runts_and_garbage_do_not_disturb_forwarding(scene, port):
    dice = random.Random(20261123)
    head = LB + ROUTER
    vip = bytes([172, 16, 1, 10])
    garbage = [head + b"\x08\0" + dice.randbytes(length) for length in range(80)]  # runts of every length
    garbage += [head + dice.randbytes(2) + dice.randbytes(dice.randrange(1, 1400)) for _ in range(300)]
    # Addressed to the server, and else anything: these reach the datapath.
    for _ in range(600):
        body = bytearray(dice.randbytes(dice.randrange(20, 200)))
        body[16:20] = vip
        if dice.random() < 0.7:
            body[0] = 0x45
        if dice.random() < 0.7:
            body[2:4] = len(body).to_bytes(2, "big")
        if dice.random() < 0.7:
            body[9] = dice.choice([1, 6, 17])
        garbage.append(head + b"\x08\0" + bytes(body))
    workers = scene.workers()
    client = next(clients)
    home = port.forwarded(syn(client))[0].to
    for start in range(0, len(garbage), 49):
        for frame in garbage[start : start + 49]:
            with contextlib.suppress(OSError):  # the kernel refuses to send what is shorter than a header
                port.send(frame)
        port.send(to_vip(client, id=start) / TCP(sport=40_000, dport=80, flags="A"))
        # Some of the garbage may well be a fragment that a server takes: only this client's frame is looked at.
        (seen,) = port.heard(1, wanted=lambda one: balanced(one) and one.ip_source == client, quiet_s=0)
        assert seen.to == home
    assert scene.workers() == workers
    assert scene.get().target in addressing.TARGETS


def test_counters_add_up(scene, port):
    port.forwarded(*[syn() for _ in range(5)])
    port.forwarded(to_vip() / TCP(dport=81, flags="S"), to_vip(frag=5) / ICMP(), count=0)
    until(
        lambda: (d := scene.state().datapath).received == d.forwarded + d.passed + sum(d.dropped.values()),
        2,
        "received is forwarded, passed and dropped",
    )
    assert (
        scene.state().datapath.passed > 0
    )  # the rest of an echo request, which the worker does not see itself


# -- no loops -----------------------------------------------------------------------------------------------------------


def test_a_frame_from_a_targets_mac_is_counted_as_loop_and_not_forwarded(scene, send, fillers):
    for mac in (TARGET1, TARGET2, LB):
        with counted(scene, "loop", no_server=fillers):
            assert send(Ether(src=mac, dst=LB) / syn()[IP], count=0) == []


def test_what_a_target_sends_to_the_virtual_address_over_the_wire_comes_back_to_nobody(scene):
    before = scene.dropped().get("loop", 0)
    with Port(scene.lab, "target1", "eth0") as target, Port(scene.lab) as port:
        target.send(
            Ether(src=TARGET1, dst=LB)
            / IP(src=addressing.VIP, dst=addressing.VIP)
            / TCP(sport=80, dport=80, flags="S")
        )
        assert port.heard(timeout_s=0.3) == []
        assert (
            target.heard(
                wanted=lambda seen: balanced(seen) and seen.ip_source == addressing.VIP, timeout_s=0.1
            )
            == []
        )
    until(lambda: scene.dropped().get("loop", 0) == before + 1, 2, "one more loop")


def test_a_frame_with_the_virtual_address_as_its_source_never_goes_round(port):
    port.send(
        Ether(src=ROUTER, dst=LB)
        / IP(src=addressing.VIP, dst=addressing.VIP)
        / TCP(sport=80, dport=80, flags="S")
    )
    assert len(port.heard(timeout_s=0.4)) <= 1


def test_own_frames_are_not_taken_in_again(scene, port):
    before = scene.state().datapath
    frames = [syn() for _ in range(30)]
    assert len(port.forwarded(*frames)) == 30
    after = until(
        lambda: (d := scene.state().datapath).forwarded - before.forwarded >= 30 and d, 2, "30 forwarded"
    )
    assert after.forwarded - before.forwarded == 30
    assert after.received - before.received == 30


def test_frames_to_another_station_are_left_alone(scene, port):
    before = scene.dropped()
    for to in (ROUTER, TARGET1, b"\xff" * 6, bytes.fromhex("01005e000001")):
        port.send(Ether(src=bytes.fromhex("020000000099"), dst=to) / syn()[IP])
    assert port.heard(timeout_s=0.3) == []
    assert scene.dropped() == before
