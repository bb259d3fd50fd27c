"""The classic BPF programs of an interface's control sockets, made of what the modules want to be shown.

A program is a row of blocks: a frame that fails a test of one goes on to the next block, and behind the last one it is
dropped. Kernel document networking/filter.rst; the program sees the frame from its Ethernet header on, VLAN tags taken
out, and a load beyond the frame's end drops it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.frame import AddressSet, FrameClass
from engine.io.packet_filter import (
    ACCEPT,
    ADD_X,
    AND,
    JA,
    LD_ABS,
    LDB_ABS,
    LDB_IND,
    LDH_ABS,
    LDH_IND,
    LDX_MSH,
    LSH,
    REJECT,
    TAX,
    XOR_X,
    Instruction,
    any_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.domain.address import Address
    from engine.domain.frame import FrameMatch, Listening

    Side = AddressSet | Address

ETHERTYPE_AT, PACKET_AT, PROTOCOL_AT = 12, 14, 23
ARP = 0x0806
ADDRESSES_AT = {0x0800: (26, 30), ARP: (28, 38)}
"""Source and destination of an IPv4 header, sender and target of an ARP packet for IPv4 over Ethernet (RFC 826)."""

ARP_SENDER_MAC_LOW, ARP_SENDER = 24, 28
"""The last four bytes of the sender's MAC, and its address."""

ICMP, TCP = 1, 6
ECHO_REPLY, UNREACHABLE = 0, 3

FITS = 2400
"""Instructions of a program that the smallest `net.core.optmem_max` (20 KiB before Linux 6.7) has room for. One that
would be longer lets all ARP through: it is read no faster for that."""


@dataclass(frozen=True)
class _Test:
    """What to load, and the values that pass, or with `absent` those that do not."""

    load: tuple[Instruction, ...]
    values: Sequence[int]
    absent: bool = False


_TO_TRANSPORT: Instruction = (LDX_MSH, 0, 0, PACKET_AT)
_ICMP_TYPE: tuple[Instruction, ...] = (_TO_TRANSPORT, (LDB_IND, 0, 0, PACKET_AT))
_QUOTE_AT = PACKET_AT + 8
_QUOTED_PROTOCOL: tuple[Instruction, ...] = ((LDB_IND, 0, 0, _QUOTE_AT + 9),)
_ACKNOWLEDGED: tuple[Instruction, ...] = (_TO_TRANSPORT, (LDH_IND, 0, 0, PACKET_AT + 8))
_IDENTIFIER: tuple[Instruction, ...] = ((LDH_IND, 0, 0, PACKET_AT + 4),)
_QUOTED_COOKIE: tuple[Instruction, ...] = (
    (LDB_IND, 0, 0, _QUOTE_AT),
    (AND, 0, 0, 15),
    (LSH, 0, 0, 2),
    (ADD_X, 0, 0, 0),
    (TAX, 0, 0, 0),
    (
        LDH_IND,
        0,
        0,
        _QUOTE_AT + 4,
    ),  # sequence number of a TCP segment, identifier of an echo: both stand here
)
_SENDER: tuple[Instruction, ...] = (
    (LD_ABS, 0, 0, ARP_SENDER_MAC_LOW),
    (TAX, 0, 0, 0),
    (LD_ABS, 0, 0, ARP_SENDER),
    (XOR_X, 0, 0, 0),
)


def control_filter(listening: Listening, frame_class: FrameClass) -> list[Instruction]:
    """Return a program that accepts the frames of a class that match, and no others. IPv4 addresses only."""
    program = _program(listening, frame_class, exactly=True)
    return program if len(program) <= FITS else _program(listening, frame_class, exactly=False)


def _program(listening: Listening, frame_class: FrameClass, *, exactly: bool) -> list[Instruction]:
    program: list[Instruction] = []
    for match in listening.matches:
        knows = match.frame_class is FrameClass.NEIGHBOURS
        if frame_class is match.frame_class or (frame_class is FrameClass.STRANGERS and knows):
            known = [_Test(_SENDER, _pairs(listening), frame_class is FrameClass.STRANGERS)] if knows else []
            program += _match(match, listening, known, exactly=exactly)
    return [*program, REJECT]


def _pairs(listening: Listening) -> list[int]:
    return [int.from_bytes(a.packed, "big") ^ int.from_bytes(mac[2:], "big") for a, mac in listening.known]


def _match(
    match: FrameMatch, listening: Listening, known: list[_Test], *, exactly: bool
) -> list[Instruction]:
    """Return the instructions that accept what matches, and fall through for all else."""
    tests = [_Test(((LDH_ABS, 0, 0, ETHERTYPE_AT),), [match.ethertype])]
    if match.protocol is not None:
        tests.append(_Test(((LDB_ABS, 0, 0, PROTOCOL_AT),), [match.protocol]))
    source_at, destination_at = ADDRESSES_AT[match.ethertype]
    # The longest list comes last: most frames are past before it.
    addresses = [
        _Test(((LD_ABS, 0, 0, at),), _words((side,), listening))
        for side, at in ((match.source, source_at), (match.destination, destination_at))
        if side is not None
    ]
    tests += sorted(addresses, key=lambda test: len(test.values))
    tests += [test for test in known if test.values or not test.absent]
    if match.either and exactly:
        words = _words(match.either, listening)
        sides = [_chain([_Test(((LD_ABS, 0, 0, at),), words)], []) for at in (destination_at, source_at)]
        return _chain(tests, sides)
    return _chain(tests, _alternatives(match))


def _alternatives(match: FrameMatch) -> list[list[Instruction]]:
    """Return the blocks of which one has to accept; none where all is asked already."""
    if match.quoted is not None:
        about = [_Test(_ICMP_TYPE, [UNREACHABLE]), _Test(_QUOTED_PROTOCOL, [match.quoted])]
        return [_chain(about, [])]
    if match.cookie is None:
        return []
    if match.protocol == TCP:
        return [_chain([_Test(_ACKNOWLEDGED, [match.cookie])], [])]
    return [
        _chain([_Test(_ICMP_TYPE, [ECHO_REPLY]), _Test(_IDENTIFIER, [match.cookie])], []),
        _chain([_Test(_ICMP_TYPE, [UNREACHABLE]), _Test(_QUOTED_COOKIE, [match.cookie])], []),
    ]


def _words(sides: Iterable[Side], listening: Listening) -> list[int]:
    sets = {
        AddressSet.VIRTUAL: listening.virtual,
        AddressSet.REAL: listening.real,
        AddressSet.NEIGHBOURS: listening.neighbours,
    }
    addresses = [a for side in sides for a in (sets[side] if isinstance(side, AddressSet) else (side,))]
    return [int.from_bytes(address.packed, "big") for address in addresses]


def _chain(tests: Sequence[_Test], alternatives: Sequence[list[Instruction]]) -> list[Instruction]:
    """Accept what passes every test, and one of the alternatives if there are any; fall through for all else."""
    block = [i for alternative in alternatives for i in alternative] if alternatives else [ACCEPT]
    for test in reversed(tests):
        beyond: Instruction = (JA, 0, 0, len(block))
        # `any_of` goes on at its end for a value that is there, one instruction later for any other.
        exits = [beyond] if test.absent else [(JA, 0, 0, 1), beyond]
        block = [*test.load, *any_of(test.values), *exits, *block]
    return block
