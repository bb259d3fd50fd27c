"""What the kernel would let through, by a small machine for classic BPF (linux/filter.h)."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.address import Address
from engine.domain.frame import AddressSet, FrameMatch, Link, Listening
from engine.io.control_filter import control_filter
from engine.io.packet_filter import JA, JEQ, LD_ABS, LDB_ABS, LDH_ABS, MAX_INSTRUCTIONS, RET
from engine.modules.arp.arp import Arp
from engine.modules.hc.hc import Hc
from engine.modules.ping import Ping

LINK = Link(1, "eth0", 2, b"\x02" * 6, 1500, True)
VIRTUAL = [Address.parse(f"172.16.1.{n}") for n in (10, 11, 253)]
REAL = [Address.parse("172.16.1.252"), Address.parse("172.16.1.251")]
STRANGER = Address.parse("9.9.9.9")
VRRP = Address.parse("224.0.0.18")
MODULES = (*Arp.wants, *Ping.wants, *Hc.wants)
SIZES = {LDH_ABS: 2, LDB_ABS: 1, LD_ABS: 4}


def accepts(program, frame):
    at = word = 0
    while True:
        code, jump_true, jump_false, value = program[at]
        at += 1
        if code in SIZES:
            if value + SIZES[code] > len(frame):
                return False
            word = int.from_bytes(frame[value : value + SIZES[code]], "big")
        elif code == JEQ:
            at += jump_true if word == value else jump_false
        elif code == JA:
            at += value
        else:
            assert code == RET
            return value > 0


def ipv4(source, destination, protocol):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20, 0, 0, 64, protocol, 0)
    return bytes(12) + b"\x08\x00" + header + source.packed + destination.packed


def matches(match, frame, source=None, destination=None, protocol=None):
    """What `FrameMatch` says, in its own words."""
    if int.from_bytes(frame[12:14], "big") != match.ethertype:
        return False
    sets = {AddressSet.VIRTUAL: VIRTUAL, AddressSet.REAL: REAL}

    def fits(wish, address):
        return wish is None or address in sets.get(wish, [wish])

    return (
        match.protocol in (None, protocol)
        and fits(match.source, source)
        and fits(match.destination, destination)
    )


def listening(wanted, virtual=VIRTUAL, real=REAL):
    return Listening(LINK, tuple(wanted), tuple(virtual), tuple(real))


ADDRESS = st.sampled_from([*VIRTUAL, *REAL, STRANGER, VRRP])
SIDE = st.sampled_from([None, AddressSet.VIRTUAL, AddressSet.REAL, VRRP])
MATCH = st.builds(
    FrameMatch,
    ethertype=st.just(0x0800),
    protocol=st.sampled_from([None, 1, 6, 112]),
    source=SIDE,
    destination=SIDE,
) | st.just(FrameMatch(0x0806))


@given(
    wanted=st.lists(MATCH, max_size=4),
    source=ADDRESS,
    destination=ADDRESS,
    protocol=st.sampled_from([1, 6, 17, 112]),
)
def test_what_is_wanted_is_let_through_and_nothing_else(wanted, source, destination, protocol):
    program = control_filter(listening(wanted))
    frame = ipv4(source, destination, protocol)
    expected = any(matches(m, frame, source, destination, protocol) for m in wanted)
    assert accepts(program, frame) == expected
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    assert accepts(program, arp) == (FrameMatch(0x0806) in wanted)
    assert not accepts(program, bytes(12) + b"\x86\xdd" + bytes(40))


@pytest.mark.parametrize(
    ("source", "destination", "protocol", "expected"),
    [
        (STRANGER, VIRTUAL[0], 1, True),  # an echo to us
        (STRANGER, VIRTUAL[2], 1, True),
        (STRANGER, VIRTUAL[0], 6, False),  # the datapath's
        (VIRTUAL[1], REAL[0], 6, True),  # the answer to a VIP check
        (VIRTUAL[1], REAL[1], 1, True),
        (STRANGER, REAL[0], 6, False),  # the kernel's
        (STRANGER, REAL[0], 1, False),
        (VIRTUAL[0], STRANGER, 6, False),
        (VIRTUAL[0], REAL[0], 17, True),
    ],
)
def test_what_the_modules_hear(source, destination, protocol, expected):
    program = control_filter(listening(MODULES))
    assert accepts(program, ipv4(source, destination, protocol)) == expected


def test_without_addresses_arp_alone_is_heard():
    program = control_filter(listening(MODULES, virtual=[], real=[]))
    assert accepts(program, bytes(12) + b"\x08\x06" + bytes(28))
    assert not accepts(program, ipv4(VIRTUAL[0], REAL[0], 1))


def test_the_largest_configuration_fits_and_long_lists_are_jumped_over():
    virtual = [Address.of(bytes([10, 1, n >> 8, n & 255])) for n in range(513)]
    program = control_filter(listening(MODULES, virtual=virtual))
    assert len(program) * 8 < 20 * 1024  # net.core.optmem_max before Linux 6.7
    assert len(program) <= MAX_INSTRUCTIONS
    assert all(jump < 256 for _, yes, no, _ in program for jump in (yes, no))
    chance = random.Random(1)
    for address in [virtual[0], virtual[-1], *chance.sample(virtual, 20)]:
        assert accepts(program, ipv4(STRANGER, address, 1))
        assert accepts(program, ipv4(address, REAL[0], 6))
        assert not accepts(program, ipv4(address, STRANGER, 6))


def test_a_frame_that_is_cut_short_is_dropped():
    program = control_filter(listening(MODULES))
    assert not accepts(program, ipv4(STRANGER, VIRTUAL[0], 1)[:33])
    assert not accepts(program, b"")
