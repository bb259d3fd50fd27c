"""Classic BPF programs for packet sockets: the kernel drops what is not ours before it costs a ring slot.

Kernel document networking/filter.rst; the program sees the frame from its Ethernet header on, VLAN tags taken out.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from typing import TYPE_CHECKING

from engine.io.if_packet import SO_ATTACH_FILTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Instruction = tuple[int, int, int, int]

LDH_ABS, LDB_ABS, LD_ABS, LDX_MSH, LD_LEN = 0x28, 0x30, 0x20, 0xB1, 0x80
LD_IND, LDH_IND, LDB_IND = 0x40, 0x48, 0x50
ADD, AND, LSH, ADD_X, XOR_X, MOD, TAX, TXA = 0x04, 0x54, 0x64, 0x0C, 0xAC, 0x94, 0x07, 0x87
JEQ, JGE, JGE_X, JSET, JA, RET = 0x15, 0x35, 0x3D, 0x45, 0x05, 0x06
VLAN_TAG, VLAN_TAG_PRESENT = 0xFFFF_F02C, 0xFFFF_F030
"""SKF_AD_OFF + SKF_AD_VLAN_TAG(_PRESENT) of linux/filter.h."""

ACCEPT: Instruction = (RET, 0, 0, 0x4_0000)
REJECT: Instruction = (RET, 0, 0, 0)

MAX_INSTRUCTIONS = 4096
"""BPF_MAXINSNS of linux/bpf_common.h."""


def _word(address: bytes) -> int:
    """Return an IPv4 address, of 4 bytes or mapped in 16 (engine.domain.address), as programs compare it."""
    return int.from_bytes(address[-4:], "big")


_GROUP = 8
"""Values that are compared one after the other at the end of a search: fewer instructions than halving on."""

_FARTHEST = 255
"""How far a conditional jump reaches."""


def any_of(words: Iterable[int]) -> list[Instruction]:
    """Look for the accumulator among values: to the end where it is there, one instruction beyond where it is not.

    A search by halves: every frame of a flood runs it, and a row of a thousand comparisons costs a microsecond.
    """
    return _search(sorted(set(words)), 0)


def _search(words: list[int], behind: int) -> list[Instruction]:
    """Look among sorted values; `behind` are the instructions between this part and the end of the whole."""
    count = len(words)
    if count <= _GROUP:
        compare: list[Instruction] = [(JEQ, count - at, 0, word) for at, word in enumerate(words)]
        return [*compare, (JA, 0, 0, behind + 2), (JA, 0, 0, behind)]
    middle = count // 2
    upper = _search(words[middle:], behind)
    lower = _search(words[:middle], behind + len(upper))
    if len(lower) <= _FARTHEST:
        return [(JGE, len(lower), 0, words[middle]), *lower, *upper]
    return [(JGE, 0, 1, words[middle]), (JA, 0, 0, len(lower)), *lower, *upper]


def _ethertype_is(value: int, otherwise: Iterable[Instruction] = (REJECT,)) -> list[Instruction]:
    other = list(otherwise)
    return [(LDH_ABS, 0, 0, 12), (JEQ, len(other), 0, value), *other]


_VID: list[Instruction] = [
    (LD_ABS, 0, 0, VLAN_TAG_PRESENT),
    (JEQ, 2, 0, 0),
    (LD_ABS, 0, 0, VLAN_TAG),
    (AND, 0, 0, 0x0FFF),
]
"""Load the VLAN of the tag that was taken out; 0 where there was none."""

_NO_ECHO: list[Instruction] = [
    (LDB_ABS, 0, 0, 23),
    (JEQ, 0, 12, 1),  # ICMP
    (LDH_ABS, 0, 0, 20),
    (JSET, 10, 0, 0x1FFF),  # a later fragment
    (LDX_MSH, 0, 0, 14),
    (TXA, 0, 0, 0),
    (ADD, 0, 0, 15),
    (TAX, 0, 0, 0),
    (LD_LEN, 0, 0, 0),
    (
        JGE_X,
        0,
        4,
        0,
    ),  # what is cut off before its type is left to the worker: a load beyond the end would reject it
    (LDX_MSH, 0, 0, 14),
    (LDB_IND, 0, 0, 14),
    (JEQ, 0, 1, 8),  # echo request
    REJECT,
]


def nothing() -> list[Instruction]:
    """Accept no frame: for a socket that only sends, or is not set up yet."""
    return [REJECT]


def for_addresses(
    addresses: Mapping[int, Iterable[bytes]], share: tuple[int, int] = (0, 1)
) -> list[Instruction]:
    """Accept IPv4 frames to IPv4 addresses on their VLANs but for echo requests, which the control process answers.

    `addresses` are by VLAN, 0: untagged, or a priority alone. Whether the tag is of 802.1Q or 802.1ad makes no difference.

    With a `share` (index, workers) only those of every `workers`-th client: all connections of a client are in one
    flow table, and an ICMP error comes to the client that it is about. No PACKET_FANOUT: its members change places
    when one of them ends, and the flows of both would be looked for in the other's table.
    """
    index, workers = share
    return [
        *_ethertype_is(0x0800),
        *_NO_ECHO,
        *(_clients(index, workers) if workers > 1 else ()),
        *_VID,
        *(i for vlan, served in addresses.items() for i in _on_vlan(vlan, any_of(map(_word, served)))),
        REJECT,
    ]


_QUOTED_CLIENT = 14 + 8 + 16
"""Beside the length of the IP header: where the destination stands in the header that an ICMP error quotes (RFC 792)."""


def _on_vlan(vlan: int, search: list[Instruction]) -> list[Instruction]:
    """Accept on one VLAN, which the accumulator holds, what a search finds as the destination."""
    there: list[Instruction] = [(LD_ABS, 0, 0, 30), *search, ACCEPT, REJECT]
    return [(JEQ, 1, 0, vlan), (JA, 0, 0, len(there)), *there]


def _clients(index: int, workers: int) -> list[Instruction]:
    return [
        (LDB_ABS, 0, 0, 23),
        (JEQ, 0, 9, 1),
        (LDX_MSH, 0, 0, 14),
        (TXA, 0, 0, 0),
        (ADD, 0, 0, _QUOTED_CLIENT + 4),
        (TAX, 0, 0, 0),
        (LD_LEN, 0, 0, 0),
        (
            JGE_X,
            0,
            3,
            0,
        ),  # what is too short to quote goes by its source: a load beyond the end would reject it
        (LDX_MSH, 0, 0, 14),
        (LD_IND, 0, 0, _QUOTED_CLIENT),
        (JA, 0, 0, 1),
        (LD_ABS, 0, 0, 26),
        (MOD, 0, 0, workers),
        (JEQ, 1, 0, index),
        REJECT,
    ]


def _sock_fprog(program: list[Instruction]) -> tuple[bytes, ctypes.Array[ctypes.c_char]]:
    if len(program) > MAX_INSTRUCTIONS:
        raise ValueError(f"a filter of {len(program)} instructions; the kernel takes {MAX_INSTRUCTIONS}")
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    return struct.pack("HL", len(program), ctypes.addressof(buffer)), buffer


def replace(sock: socket.socket, program: list[Instruction]) -> None:
    """Attach a filter, or put another one in its place between two frames; raises OSError.

    ENOMEM: old and new filter together are over net.core.optmem_max (20 KiB before Linux 6.7).
    """
    option, keep = _sock_fprog(program)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)
    del keep


def attach(sock: socket.socket, program: list[Instruction]) -> None:
    """Attach or replace a socket's filter, atomically where there is room for both; raises OSError."""
    try:
        replace(sock, program)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        replace(sock, nothing())
        replace(sock, program)
