"""What programs let through, run by an interpreter and, for what matters most, by the kernel itself."""

from __future__ import annotations

import socket
import struct

import pytest
from scapy.layers.inet import IPOption_NOP

from engine.domain.address import Address
from engine.io import packet_filter
from tests.helpers import bpf
from tests.helpers.frames import ICMP, IP, TCP, UDP, VIP, frame

OTHER_VIP = "172.16.1.11"
VIPS = [Address.parse(VIP), Address.parse(OTHER_VIP)]
ARP = bytes(12) + b"\x08\x06" + bytes(46)
IPV6 = bytes(12) + b"\x86\xdd" + bytes(46)


def passes(program, data: bytes, vlan: int | None = None) -> bool:
    return bpf.run(program, data, vlan) >= len(data)


def test_nothing_takes_nothing():
    assert bpf.run(packet_filter.nothing(), frame()) == 0


def test_a_datapath_takes_ipv4_to_its_addresses():
    program = packet_filter.for_addresses({0: VIPS})
    assert passes(program, frame())
    assert passes(program, frame(dst=OTHER_VIP))
    assert passes(program, frame(UDP()))
    assert passes(program, frame(ICMP(type=3), payload=b"x"))
    assert not passes(program, frame(ICMP(type=8), payload=b"x"))  # the control process answers it
    assert not passes(program, frame(ICMP(type=8), options=[IPOption_NOP()] * 4))
    assert not passes(program, frame(ICMP(type=8), flags="MF"))
    assert passes(program, frame(ICMP(type=8), frag=3))  # no ICMP header stands there
    assert not passes(program, frame(dst="172.16.1.12"))
    assert not passes(program, frame(src=VIP, dst="172.16.1.12"))
    assert not passes(program, ARP)
    assert not passes(program, IPV6)
    assert not passes(packet_filter.for_addresses({}), frame())


def test_an_address_is_served_on_its_vlan_alone():
    program = packet_filter.for_addresses({0: [VIPS[0]], 200: [VIPS[1]]})
    for vlan, here, there in ((None, True, False), (0, True, False), (0x6000, True, False), (200, False, True),
                              (0x60C8, False, True), (201, False, False)):  # fmt: skip
        assert passes(program, frame(), vlan) == here
        assert passes(program, frame(dst=OTHER_VIP), vlan) == there
    assert not passes(packet_filter.for_addresses({200: VIPS}), frame())


def test_addresses_may_be_of_four_bytes_or_mapped():
    assert packet_filter.for_addresses({0: [Address.parse(VIP).packed]}) == packet_filter.for_addresses(
        {0: [Address.parse(VIP)]}
    )


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_each_client_has_one_worker_and_its_icmp_errors_come_there(workers):
    programs = [packet_filter.for_addresses({0: VIPS}, (index, workers)) for index in range(workers)]
    seen = set()
    for n in range(40):
        client = f"192.0.2.{n}"
        inner = bytes(IP(src=VIP, dst=client) / TCP(sport=80, dport=40000))[:28]
        error = frame(ICMP(type=3, code=4), src="198.51.100.1", payload=inner)
        takers = [index for index, program in enumerate(programs) if passes(program, frame(src=client))]
        assert len(takers) == 1
        assert takers == [index for index, program in enumerate(programs) if passes(program, error)]
        assert takers == [int(Address.parse(client).packed.hex(), 16) % workers]
        seen |= set(takers)
    assert seen == set(range(workers))


def test_the_quoted_client_is_found_behind_options():
    inner = bytes(IP(src=VIP, dst="192.0.2.5") / TCP())[:28]
    error = frame(ICMP(type=11), src="198.51.100.1", payload=inner, options=[IPOption_NOP()] * 8)
    assert passes(packet_filter.for_addresses({0: VIPS}, (1, 2)), error)
    assert not passes(packet_filter.for_addresses({0: VIPS}, (0, 2)), error)


@pytest.mark.parametrize("length", [34, 42, 61])
def test_icmp_too_short_to_quote_goes_by_its_source(length):
    short = frame(ICMP(type=11), src="192.0.2.5", payload=bytes(40))[:length]
    takers = [i for i in range(3) if passes(packet_filter.for_addresses({0: VIPS}, (i, 3)), short)]
    assert takers == [int.from_bytes(bytes((192, 0, 2, 5)), "big") % 3]


def test_the_kernel_takes_icmp_too_short_to_quote():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.settimeout(1)
        packet_filter.attach(ours, packet_filter.for_addresses({0: VIPS}, (1, 2)))
        others, mine = (frame(ICMP(type=11), src=src)[:42] for src in ("192.0.2.4", "192.0.2.5"))
        for data in (others, mine):
            theirs.send(data)
        assert ours.recv(2000) == mine


def test_a_share_is_of_frames_to_the_addresses_only():
    program = packet_filter.for_addresses({0: VIPS}, (0, 2))
    assert passes(program, frame(src="192.0.2.4"))
    assert not passes(program, frame(src="192.0.2.4", dst="172.16.1.12"))


def test_a_program_is_at_most_as_long_as_the_kernel_takes():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        most = packet_filter.MAX_INSTRUCTIONS
        with pytest.raises(ValueError, match="4097 instructions"):
            packet_filter.attach(ours, [packet_filter.REJECT] * (most + 1))


def test_the_kernel_runs_a_program_and_another_in_its_place():
    """A datagram socket runs a filter over its datagrams as a packet socket does over frames."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.settimeout(1)
        packet_filter.attach(ours, packet_filter.for_addresses({0: VIPS}, (1, 2)))
        mine, others = frame(src="192.0.2.5"), frame(src="192.0.2.4")
        for data in (others, ARP, mine):
            theirs.send(data)
        assert ours.recv(2000) == mine
        packet_filter.attach(ours, packet_filter.for_addresses({0: VIPS}, (0, 2)))
        for data in (mine, ARP, others):
            theirs.send(data)
        assert ours.recv(2000) == others


def test_where_there_is_no_room_for_two_programs_the_old_one_goes_first(monkeypatch):
    given = []

    class Full:
        def setsockopt(self, _level, _option, value):
            length, _ = struct.unpack("HL", value)
            given.append(length)
            if len(given) == 1:
                raise OSError(12, "ENOMEM")

    packet_filter.attach(Full(), [packet_filter.ACCEPT] * 5)
    assert given == [5, 1, 5]


def test_another_error_is_the_callers():
    class Broken:
        def setsockopt(self, *_):
            raise OSError(1, "EPERM")

    with pytest.raises(OSError, match="EPERM"):
        packet_filter.attach(Broken(), packet_filter.nothing())
