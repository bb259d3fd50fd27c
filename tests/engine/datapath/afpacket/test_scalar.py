"""What becomes of one frame: each trap that others fell into has its fixture here."""

from __future__ import annotations

import pytest

from engine.datapath.afpacket.scalar import PASS, Scalar, too_big
from engine.datapath.contract import DropReason
from engine.datapath.flow_states import CLOSING_S
from engine.datapath.lookup import Lookup
from engine.datapath.table import Compiler
from tests.helpers.frames import ICMP, IP, OWN, TARGET_MAC, TCP, UDP, VIP, VNET, compiled, drop, frame, server


def decide(scalar: Scalar, data: bytes, now: int = 100, vnet: bytes = VNET) -> int:
    return scalar.decide(memoryview(bytearray(vnet + data)), len(data), now)


@pytest.fixture
def scalar(worker_tables) -> Scalar:
    return Scalar(worker_tables(compiled(server())))


def test_a_client_stays_with_its_target_whatever_its_port(scalar):
    first = decide(scalar, frame())
    assert first in {1, 2}
    for port in range(50000, 50020):
        assert decide(scalar, frame(TCP(sport=port, dport=80, flags="A"))) == first


def test_round_robin_shares_new_clients_evenly(scalar):
    got = [decide(scalar, frame(src=f"192.0.2.{n}")) for n in range(1, 101)]
    assert got.count(1) == got.count(2) == 50


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        pytest.param(frame(to="02:00:00:00:00:99"), PASS, id="another host's MAC"),
        pytest.param(frame(dst="172.16.1.77"), PASS, id="no virtual address"),
        pytest.param(frame(TCP(dport=81)), drop(DropReason.NO_SERVER), id="unknown port"),
        pytest.param(frame(UDP(dport=80)), drop(DropReason.NO_SERVER), id="unknown protocol"),
        pytest.param(frame(proto=47, transport=b"\0" * 20), drop(DropReason.PROTOCOL), id="GRE"),
        pytest.param(frame(by=TARGET_MAC[1]), drop(DropReason.LOOP), id="from a target"),
        pytest.param(frame(by=OWN), drop(DropReason.LOOP), id="our own"),
        pytest.param(frame(ICMP(type=8)), PASS, id="echo request: the ping module's"),
        pytest.param(frame(ICMP(type=13)), drop(DropReason.PROTOCOL), id="timestamp request"),
        pytest.param(frame()[:30], drop(DropReason.MALFORMED), id="cut in the IP header"),
        pytest.param(frame()[:44], drop(DropReason.MALFORMED), id="cut in the TCP header"),
        pytest.param(frame(len=500), drop(DropReason.MALFORMED), id="tot_len larger than the frame"),
        pytest.param(frame(len=19), drop(DropReason.MALFORMED), id="tot_len smaller than the header"),
        pytest.param(frame(len=32), drop(DropReason.MALFORMED), id="TCP header of 12 bytes, flags beyond"),
        pytest.param(frame(ihl=4), drop(DropReason.MALFORMED), id="header length under 20"),
        pytest.param(frame(version=6), drop(DropReason.MALFORMED), id="version 6 in an IPv4 frame"),
        pytest.param(b"\0" * 8, PASS, id="runt"),
        pytest.param(frame(payload=b"x" * 1480), drop(DropReason.TOO_BIG), id="over the MTU"),
    ],
)
def test_what_is_not_forwarded_says_why(scalar, data, verdict):
    assert decide(scalar, data) == verdict


def test_ip_options_are_read_past(scalar):
    from scapy.layers.inet import IPOption_NOP

    assert decide(scalar, frame(options=[IPOption_NOP()] * 4)) in {1, 2}


def test_fragments_follow_the_first(worker_tables):
    scalar = Scalar(worker_tables(compiled(server(by_port=True, protocol="udp"))))
    first = decide(scalar, frame(UDP(sport=999, dport=80), flags="MF", id=7, payload=b"x" * 32))
    assert first in {1, 2}
    for _ in range(4):
        assert decide(scalar, frame(b"y" * 64, proto=17, frag=5, id=7)) == first
    assert decide(scalar, frame(b"y" * 64, proto=17, frag=5, id=8)) == drop(DropReason.FRAGMENT)


def test_a_first_fragment_is_remembered_for_thirty_seconds(worker_tables):
    scalar = Scalar(worker_tables(compiled(server(by_port=True, protocol="udp"))))
    first = decide(scalar, frame(UDP(sport=999, dport=80), flags="MF", id=7, payload=b"x" * 32), now=100)
    later = frame(b"y" * 64, proto=17, frag=5, id=7)
    assert decide(scalar, later, now=130) == first
    assert decide(scalar, later, now=131) == drop(DropReason.FRAGMENT)


def test_a_later_fragment_alone_follows_its_client(scalar):
    known = decide(scalar, frame())
    assert decide(scalar, frame(b"y" * 64, proto=6, frag=5, id=9)) == known


def test_an_icmp_error_reaches_the_target_of_its_flow(scalar):
    known = decide(scalar, frame(src="192.0.2.44"))
    inner = IP(src=VIP, dst="192.0.2.44") / TCP(sport=80, dport=40000)
    error = frame(ICMP(type=3, code=4, nexthopmtu=1400), src="198.51.100.1", payload=bytes(inner)[:28])
    assert decide(scalar, error) == known
    stranger = IP(src=VIP, dst="192.0.2.45") / TCP(sport=80, dport=40000)
    error = frame(ICMP(type=3, code=4), src="198.51.100.1", payload=bytes(stranger)[:28])
    assert decide(scalar, error) == drop(DropReason.ICMP_NO_FLOW)
    assert decide(scalar, frame(ICMP(type=3, code=4), payload=b"\x45")) == drop(DropReason.MALFORMED)


def test_no_target_is_said(worker_tables):
    scalar = Scalar(worker_tables(compiled(server(new=(), keep=()))))
    assert decide(scalar, frame()) == drop(DropReason.NO_TARGET)


def test_a_target_that_goes_loses_its_flows_and_others_keep_theirs(worker_tables):
    compiler = Compiler()
    scalar = Scalar(worker_tables(compiled(server(), compiler=compiler)))
    clients = [f"192.0.2.{n}" for n in range(1, 101)]
    before = {c: decide(scalar, frame(src=c)) for c in clients}
    scalar.tables.install(Lookup(compiled(server(new=(2,), keep=(2,)), compiler=compiler)))
    after = {c: decide(scalar, frame(src=c)) for c in clients}
    assert set(after.values()) == {2}
    # Back again: those that were moved stay where they are now; those that had been with 2 never moved at all.
    scalar.tables.install(Lookup(compiled(server(), compiler=compiler)))
    assert {c: decide(scalar, frame(src=c)) for c in clients} == after
    assert {c for c in clients if before[c] == 2} <= {c for c in clients if after[c] == 2}


def test_flows_of_a_target_that_was_away_are_void_even_if_nobody_used_them_meanwhile(worker_tables):
    compiler = Compiler()
    scalar = Scalar(worker_tables(compiled(server(new=(1,), keep=(1,)), compiler=compiler)))
    assert decide(scalar, frame()) == 1
    scalar.tables.install(Lookup(compiled(server(new=(2,), keep=(2,)), compiler=compiler)))
    scalar.tables.install(Lookup(compiled(server(new=(2,), keep=(1, 2)), compiler=compiler)))
    assert decide(scalar, frame()) == 2


def test_a_draining_target_keeps_its_flows_and_gets_no_new_ones(worker_tables):
    compiler = Compiler()
    scalar = Scalar(worker_tables(compiled(server(new=(1,), keep=(1,)), compiler=compiler)))
    assert decide(scalar, frame(src="192.0.2.1")) == 1
    scalar.tables.install(Lookup(compiled(server(new=(2,), keep=(1, 2)), compiler=compiler)))
    assert decide(scalar, frame(src="192.0.2.1")) == 1
    assert {decide(scalar, frame(src=f"192.0.2.{n}")) for n in range(2, 30)} == {2}


def test_idle_time_ends_a_session(worker_tables):
    scalar = Scalar(worker_tables(compiled(server(idle_s=600))))
    assert decide(scalar, frame(), now=99) == 1
    assert decide(scalar, frame(TCP(sport=40000, dport=80, flags="A")), now=100) == 1
    assert decide(scalar, frame(), now=700) == 1  # 600 s later: kept, and used again
    assert decide(scalar, frame(), now=1301) == 2  # 601 s later: a new session, the next in turn


def test_after_a_fin_a_flow_ends_soon_unless_it_goes_on(worker_tables):
    scalar = Scalar(worker_tables(compiled(server(by_port=True))))
    fin = frame(TCP(sport=40000, dport=80, flags="FA"))
    ack = frame(TCP(sport=40000, dport=80, flags="A"))
    assert decide(scalar, frame(), now=0) == 1
    assert decide(scalar, ack, now=1) == 1
    assert decide(scalar, fin, now=2) == 1
    # A half-closed download goes on with ACKs: each keeps the flow, still on the short timer.
    assert decide(scalar, ack, now=2 + CLOSING_S) == 1
    # By then it is over: a SYN has the next in turn.
    assert decide(scalar, frame(), now=3 + 2 * CLOSING_S) == 2


def test_a_fin_does_not_end_the_session_of_a_client_with_other_connections(scalar):
    assert decide(scalar, frame(), now=0) == 1
    assert decide(scalar, frame(TCP(sport=40000, dport=80, flags="FA")), now=1) == 1
    assert decide(scalar, frame(TCP(sport=40001, dport=80, flags="A")), now=300) == 1


def test_a_reset_of_an_unknown_flow_is_not_written_down(scalar):
    decide(scalar, frame(TCP(sport=1, dport=80, flags="R")))
    assert not scalar.tables.flows.entries.any()


def test_a_flood_of_first_packets_evicts_no_flow_in_use(worker_tables):
    scalar = Scalar(worker_tables(compiled(server(new=(1,), keep=(1,))), buckets=4))
    kept = [f"192.0.2.{n}" for n in range(1, 9)]
    for client in kept:
        decide(scalar, frame(src=client))
        decide(scalar, frame(TCP(sport=40000, dport=80, flags="A"), src=client))
    for n in range(2000):
        decide(scalar, frame(src=f"10.0.{n // 250}.{n % 250}"))
    assert scalar.tables.counters.get("unrecorded") > 1900
    compiler_moved_on = Compiler(generation=5)
    scalar.tables.install(Lookup(compiled(server(new=(2,), keep=(1, 2)), compiler=compiler_moved_on)))
    ack = TCP(sport=40000, dport=80, flags="A")
    assert [decide(scalar, frame(ack, src=c)) for c in kept] == [1] * len(kept)


def test_super_frames_are_judged_by_their_segments(scalar):
    big = frame(TCP(sport=1, dport=80, flags="A"), payload=b"x" * 9000)
    gso = bytes([0, 1, 54, 0, 0xA8, 5, 0, 0, 0, 0])  # TCPv4, segments of 1448 bytes
    assert decide(scalar, big, vnet=gso) in {1, 2}
    larger = bytes([0, 1, 54, 0, 0xF0, 5, 0, 0, 0, 0])  # segments of 1520 bytes
    assert decide(scalar, big, vnet=larger) == drop(DropReason.TOO_BIG)


@pytest.mark.parametrize("client", ["192.0.2.10", "192.0.2.11"])
def test_any_port_and_any_protocol(worker_tables, client):
    scalar = Scalar(worker_tables(compiled(server(port=0, protocol="any", new=(3,), keep=(3,)), server(2))))
    assert decide(scalar, frame(TCP(dport=8080), src=client)) == 3
    assert decide(scalar, frame(UDP(dport=53), src=client)) == 3
    assert decide(scalar, frame(proto=47, transport=b"\0" * 20, src=client)) == 3
    assert decide(scalar, frame(TCP(dport=80), src=client)) in {1, 2}  # the exact server comes first


def test_what_follows_the_packet_in_its_frame_does_not_make_it_too_big():
    data = frame(payload=bytes(1460))
    whole = memoryview(bytearray(VNET + data + bytes(4)))  # a trailer
    assert not too_big(whole, len(data) + 4, 1500)
    assert too_big(whole, len(data) + 4, 1499)
    unsaid = memoryview(
        bytearray(VNET + frame(payload=bytes(1460), len=0))
    )  # of a super-frame of 64 KiB and more
    assert too_big(unsaid, len(data), 1499)
    assert not too_big(unsaid, len(data), 1500)
