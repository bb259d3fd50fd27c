"""Classic BPF programs for packet sockets: the kernel drops what is not ours before it costs a ring slot.

Kernel document networking/filter.rst; the program sees the frame from its Ethernet header on, VLAN tags taken out.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import TYPE_CHECKING

from engine.datapath.afpacket.constants import PACKET_FANOUT_DATA, SO_ATTACH_FILTER, SOL_PACKET

if TYPE_CHECKING:
    from collections.abc import Iterable

Instruction = tuple[int, int, int, int]

LDH_ABS, LDB_ABS, LD_ABS, LDX_MSH = 0x28, 0x30, 0x20, 0xB1
JEQ, RET, MOD, JA = 0x15, 0x06, 0x94, 0x05
ACCEPT: Instruction = (RET, 0, 0, 0x4_0000)
REJECT: Instruction = (RET, 0, 0, 0)
_NET_OFFSET = 0xFFF0_0000  # SKF_NET_OFF: relative to the network header, wherever the hook runs

MAX_INSTRUCTIONS = 4096
"""BPF_MAXINSNS of linux/bpf_common.h."""


def _word(address: bytes) -> int:
    return int.from_bytes(address, "big")


def _ethertype_is(value: int, otherwise: Iterable[Instruction] = (REJECT,)) -> list[Instruction]:
    other = list(otherwise)
    return [(LDH_ABS, 0, 0, 12), (JEQ, len(other), 0, value), *other]


def _accept_any_of(words: Iterable[int]) -> list[Instruction]:
    """Accept where the accumulator is one of `words`, else fall through."""
    program: list[Instruction] = []
    for word in words:
        program += [(JEQ, 0, 1, word), ACCEPT]
    return program


def nothing() -> list[Instruction]:
    """Accept no frame: for a socket that only sends, or is not set up yet."""
    return [REJECT]


def for_addresses(addresses: Iterable[bytes]) -> list[Instruction]:
    """Accept IPv4 frames to one of the 4-byte `addresses`: what the datapath takes."""
    return [*_ethertype_is(0x0800), (LD_ABS, 0, 0, 30), *_accept_any_of(map(_word, addresses)), REJECT]


def for_control(virtual: Iterable[bytes], real: Iterable[bytes]) -> list[Instruction]:
    """Accept what the control process handles.

    ARP; ICMP to a virtual address; and from a virtual address to one of our real ones (answers to VIP checks).
    """
    virtual_words = [_word(a) for a in virtual]
    program: list[Instruction] = [
        (LDH_ABS, 0, 0, 12),
        (JEQ, 0, 1, 0x0806),
        ACCEPT,
        (JEQ, 1, 0, 0x0800),
        REJECT,
    ]
    # ICMP to a virtual address. The jump over the list is JA: conditional jumps reach 255 instructions only.
    icmp = [(LD_ABS, 0, 0, 30), *_accept_any_of(virtual_words)]
    program += [(LDB_ABS, 0, 0, 23), (JEQ, 1, 0, 1), (JA, 0, 0, len(icmp)), *icmp]
    # To a real address: only what comes from a virtual one.
    from_virtual = [(LD_ABS, 0, 0, 26), *_accept_any_of(virtual_words), REJECT]
    program.append((LD_ABS, 0, 0, 30))
    reals = [_word(a) for a in real]
    for index, word in enumerate(reals):
        # Each real address takes two instructions; past the last one stands a REJECT, then the list.
        program += [(JEQ, 0, 1, word), (JA, 0, 0, 2 * (len(reals) - 1 - index) + 1)]
    return [*program, REJECT, *from_virtual]


def by_client(workers: int) -> list[Instruction]:
    """Choose a worker by the client's address, so that every connection of a client shares one flow table."""
    return [(LD_ABS, 0, 0, _NET_OFFSET + 12), (MOD, 0, 0, workers), (0x16, 0, 0, 0)]


def _sock_fprog(program: list[Instruction]) -> tuple[bytes, ctypes.Array[ctypes.c_char]]:
    if len(program) > MAX_INSTRUCTIONS:
        raise ValueError(f"a filter of {len(program)} instructions; the kernel takes {MAX_INSTRUCTIONS}")
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    return struct.pack("HL", len(program), ctypes.addressof(buffer)), buffer


def attach(sock: socket.socket, program: list[Instruction]) -> None:
    """Attach or replace a socket's filter, atomically; raises OSError."""
    option, keep = _sock_fprog(program)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)
    del keep


def set_fanout_program(sock: socket.socket, program: list[Instruction]) -> None:
    """Set the program of a PACKET_FANOUT_CBPF group; raises OSError."""
    option, keep = _sock_fprog(program)
    sock.setsockopt(SOL_PACKET, PACKET_FANOUT_DATA, option)
    del keep
