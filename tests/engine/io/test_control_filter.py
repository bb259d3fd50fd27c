"""What the kernel would let through to which queue, by a small machine for classic BPF (linux/filter.h)."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from engine.config.model import Config
from engine.domain.address import Address
from engine.domain.frame import AddressSet, FrameClass, FrameMatch, Link, Listening
from engine.io.control_filter import FITS, control_filter
from engine.io.packet_filter import MAX_INSTRUCTIONS, REJECT, any_of
from engine.modules.chain import build_chain
from engine.modules.hc import vip_frames
from engine.modules.state.world import World
from tests.helpers import bpf

CHECKS, DATAGRAMS, NEIGHBOURS, STRANGERS, ECHO = FrameClass
LINK = Link(1, "eth0", 2, b"\x02" * 6, 1500, True)
VIRTUAL = [Address.parse(f"172.16.1.{n}") for n in (10, 11, 253)]
REAL = [Address.parse("172.16.1.252"), Address.parse("172.16.1.251")]
TARGET, ROUTER = Address.parse("172.16.1.100"), Address.parse("172.16.1.254")
STRANGER = Address.parse("9.9.9.9")
VRRP = Address.parse("224.0.0.18")
COOKIE = 0xBEEF
CHAIN = build_chain(World(Config()))
MODULES = (*CHAIN.arp.wants, *CHAIN.ping.wants, *vip_frames.wanted(COOKIE, datagrams=True))
KNOWN = frozenset({(ROUTER, bytes.fromhex("020000000001")), (TARGET, bytes.fromhex("020000000064"))})


def listening(wanted=MODULES, virtual=VIRTUAL, real=REAL, known=KNOWN):
    return Listening(LINK, tuple(wanted), tuple(virtual), tuple(real), (TARGET, ROUTER), known)


def classes(frame, heard=None):
    """The queues that get a frame."""
    frame = bytes(frame)
    return [c for c in FrameClass if bpf.run(control_filter(heard or listening(), c), frame)]


def ipv4(source, destination, protocol):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20, 0, 0, 64, protocol, 0)
    return bytes(12) + b"\x08\x00" + header + source.packed + destination.packed


def arp(op, sender, mac, target):
    return Ether(src=mac) / ARP(op=op, psrc=str(sender), hwsrc=mac, pdst=str(target))


def packet(source, destination):
    return Ether() / IP(src=str(source), dst=str(destination))


def matches(match, source, destination, protocol):
    """What `FrameMatch` says, in its own words."""
    sets = {AddressSet.VIRTUAL: VIRTUAL, AddressSet.REAL: REAL, AddressSet.NEIGHBOURS: [TARGET, ROUTER]}

    def fits(wish, address):
        return wish is None or address in sets.get(wish, [wish])

    return (
        match.protocol in (None, protocol)
        and fits(match.source, source)
        and fits(match.destination, destination)
        and (not match.either or any(fits(s, a) for s in match.either for a in (source, destination)))
    )


ADDRESS = st.sampled_from([*VIRTUAL, *REAL, STRANGER, VRRP, TARGET])
SIDE = st.sampled_from([None, AddressSet.VIRTUAL, AddressSet.REAL, VRRP])
MATCH = st.builds(
    FrameMatch,
    ethertype=st.just(0x0800),
    protocol=st.sampled_from([None, 1, 6, 112]),
    source=SIDE,
    destination=SIDE,
    either=st.sampled_from([(), (AddressSet.REAL,), (AddressSet.VIRTUAL, AddressSet.NEIGHBOURS)]),
    frame_class=st.sampled_from([CHECKS, STRANGERS, ECHO]),
) | st.just(FrameMatch(0x0806))


@given(
    wanted=st.lists(MATCH, max_size=4),
    source=ADDRESS,
    destination=ADDRESS,
    protocol=st.sampled_from([1, 6, 17, 112]),
)
def test_what_is_wanted_is_let_through_and_nothing_else(wanted, source, destination, protocol):
    heard = listening(wanted)
    ip = [m for m in wanted if m.ethertype == 0x0800]
    expected = [
        c
        for c in FrameClass
        if any(m.frame_class is c and matches(m, source, destination, protocol) for m in ip)
    ]
    assert classes(ipv4(source, destination, protocol), heard) == expected
    assert classes(bytes(12) + b"\x08\x06" + bytes(28), heard) == (
        [STRANGERS] if FrameMatch(0x0806) in wanted else []
    )
    assert classes(bytes(12) + b"\x86\xdd" + bytes(40), heard) == []


@given(
    words=st.lists(st.integers(0, 2**32 - 1), max_size=900) | st.sets(st.integers(0, 3000), max_size=1500),
    others=st.lists(st.integers(0, 2**32 - 1), max_size=20),
)
def test_a_search_finds_what_is_there_and_nothing_else(words, others):
    program = [(0x20, 0, 0, 0), *any_of(words), (0x06, 0, 0, 1), REJECT]
    assert all(jump < 256 for _, yes, no, _ in program for jump in (yes, no))
    there = set(words)
    near = {w + step & 0xFFFF_FFFF for w in list(there)[:20] for step in (-1, 0, 1)}
    for value in {*others, *near}:
        assert bpf.run(program, value.to_bytes(4, "big")) == (value in there)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (packet(STRANGER, VIRTUAL[0]) / ICMP(), [ECHO]),
        (packet(STRANGER, VIRTUAL[2]) / ICMP(), [ECHO]),
        (packet(STRANGER, VIRTUAL[0]) / TCP(), []),  # the datapath's
        (packet(STRANGER, REAL[0]) / TCP(), []),  # the kernel's
        (packet(STRANGER, REAL[0]) / ICMP(), []),
        # Answers to a SYN and to an echo of ours, and such that nobody has asked for.
        (packet(VIRTUAL[1], REAL[0]) / TCP(ack=COOKIE << 16 | 0x1234, flags="SA"), [CHECKS]),
        (packet(VIRTUAL[1], REAL[0]) / TCP(ack=COOKIE << 16 | 0xFFFF, flags="RA"), [CHECKS]),
        (packet(VIRTUAL[1], REAL[0]) / TCP(ack=0x1234_BEEF, flags="SA"), []),
        (packet(VIRTUAL[1], STRANGER) / TCP(ack=COOKIE << 16, flags="SA"), []),
        (packet(VIRTUAL[1], REAL[1]) / ICMP(type=0, id=COOKIE), [CHECKS]),
        (packet(VIRTUAL[1], REAL[1]) / ICMP(type=0, id=COOKIE + 1), []),
        (packet(VIRTUAL[1], REAL[1]) / ICMP(type=8, id=COOKIE), []),
        (
            packet(VIRTUAL[0], REAL[0]) / ICMP(type=3) / IP(src=str(REAL[0]), dst=str(VIRTUAL[0])) / TCP(seq=COOKIE << 16 | 5),
            [CHECKS],
        ),
        (
            packet(VIRTUAL[0], REAL[0]) / ICMP(type=3) / IP(src=str(REAL[0]), dst=str(VIRTUAL[0])) / ICMP(id=COOKIE),
            [CHECKS],
        ),
        (packet(VIRTUAL[0], REAL[0]) / ICMP(type=3) / IP() / TCP(seq=5), []),
        (packet(VIRTUAL[0], REAL[0]) / ICMP(type=3) / IP() / UDP(), [DATAGRAMS]),
        (packet(VIRTUAL[0], REAL[0]) / UDP(), [DATAGRAMS]),
        (packet(STRANGER, REAL[0]) / UDP(), []),
    ],
)  # fmt: skip
def test_what_the_modules_hear_of_ip(frame, expected):
    assert classes(frame) == expected


def test_an_answer_with_options_and_a_quote_with_options_are_found():
    behind = Ether() / IP(src=str(VIRTUAL[0]), dst=str(REAL[0]), options=b"\1\1\1\1")
    assert classes(behind / TCP(ack=COOKIE << 16)) == [CHECKS]
    quote = IP(src=str(REAL[0]), dst=str(VIRTUAL[0]), options=b"\1" * 8) / TCP(seq=COOKIE << 16)
    assert classes(behind / ICMP(type=3) / quote) == [CHECKS]


def test_errors_about_packets_of_a_protocol_can_be_asked_for():
    wish = FrameMatch(0x0800, 1, source=AddressSet.VIRTUAL, destination=AddressSet.REAL, quoted=17)
    error = packet(VIRTUAL[0], REAL[0]) / ICMP(type=3)
    assert classes(error / IP() / UDP(), listening([wish])) == [STRANGERS]
    assert classes(error / IP() / TCP(), listening([wish])) == []


ROUTER_MAC, TARGET_MAC, OTHER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:64", "02:00:00:00:0b:ad"


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (arp(1, ROUTER, ROUTER_MAC, VIRTUAL[0]), [NEIGHBOURS]),
        (arp(2, TARGET, TARGET_MAC, REAL[0]), [NEIGHBOURS]),
        (arp(1, TARGET, TARGET_MAC, TARGET), [NEIGHBOURS]),
        (arp(1, ROUTER, OTHER_MAC, VIRTUAL[0]), [STRANGERS]),  # its address alone does not make it known
        (arp(1, TARGET, ROUTER_MAC, VIRTUAL[0]), [STRANGERS]),
        (arp(1, Address.parse("172.16.1.77"), ROUTER_MAC, VIRTUAL[0]), [STRANGERS]),
        (arp(1, Address.parse("0.0.0.0"), OTHER_MAC, VIRTUAL[0]), [STRANGERS]),
        (arp(2, VIRTUAL[0], TARGET_MAC, ROUTER), [STRANGERS]),  # a claim
        (arp(1, REAL[0], OTHER_MAC, STRANGER), [STRANGERS]),
        (arp(1, STRANGER, OTHER_MAC, Address.parse("172.16.1.77")), []),  # nobody's business here
    ],
)
def test_arp_of_hosts_that_are_known_does_not_wait_behind_strangers(frame, expected):
    assert classes(frame) == expected


def test_arp_that_is_cut_short_is_dropped():
    whole = bytes(arp(1, ROUTER, ROUTER_MAC, VIRTUAL[0]))
    for size in range(len(whole)):
        assert classes(whole[:size]) == []


def test_with_nobody_known_everybody_is_a_stranger():
    heard = listening(known=frozenset())
    assert classes(arp(1, ROUTER, ROUTER_MAC, VIRTUAL[0]), heard) == [STRANGERS]


def test_without_addresses_nothing_is_heard():
    heard = Listening(LINK, MODULES, (), ())
    assert classes(arp(1, ROUTER, ROUTER_MAC, VIRTUAL[0]), heard) == []
    assert classes(packet(VIRTUAL[0], REAL[0]) / ICMP(), heard) == []


def test_the_largest_configuration_fits():
    virtual = [Address.of(bytes([10, 1, n >> 8, n & 255])) for n in range(513)]
    targets = [Address.of(bytes([10, 2, n >> 8, n & 255])) for n in range(1024)]
    known = frozenset((a, bytes([2, 0]) + a.packed) for a in targets[:512])
    heard = Listening(LINK, MODULES, tuple(virtual), tuple(REAL), tuple(targets), known)
    for frame_class in FrameClass:
        program = control_filter(heard, frame_class)
        assert len(program) <= FITS
        assert len(program) * 8 < 20 * 1024  # net.core.optmem_max before Linux 6.7
        assert len(program) <= MAX_INSTRUCTIONS
        assert all(jump < 256 for _, yes, no, _ in program for jump in (yes, no))
    chance = random.Random(1)
    for address in [virtual[0], virtual[-1], *chance.sample(virtual, 20)]:
        assert classes(packet(STRANGER, address) / ICMP(), heard) == [ECHO]
        assert classes(packet(address, REAL[0]) / TCP(ack=COOKIE << 16), heard) == [CHECKS]
        assert classes(packet(address, STRANGER) / TCP(ack=COOKIE << 16), heard) == []
    for address, mac in chance.sample(sorted(known), 20):
        assert classes(arp(1, address, mac.hex(":"), virtual[3]), heard) == [NEIGHBOURS]
        assert classes(arp(1, address, OTHER_MAC, virtual[3]), heard) == [STRANGERS]


def test_a_frame_that_is_cut_short_is_dropped():
    whole = bytes(packet(VIRTUAL[1], REAL[0]) / TCP(ack=COOKIE << 16, flags="SA"))
    for size in range(44):
        assert classes(whole[:size]) == []
