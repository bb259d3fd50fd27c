"""Runs classic BPF programs as the kernel does: the instructions that engine.io.packet_filter uses, and no others."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.io.packet_filter import Instruction

STEPS = 10_000
WIDTHS = {0x20: 4, 0x28: 2, 0x30: 1, 0x40: 4, 0x48: 2, 0x50: 1}
CALCULATE = {
    0x04: operator.add,
    0x54: operator.and_,
    0x64: operator.lshift,
    0x94: operator.mod,
    0xA4: operator.xor,
}


VLAN_TAG, VLAN_TAG_PRESENT = 0xFFFF_F02C, 0xFFFF_F030


def run(program: list[Instruction], frame: bytes, vlan: int | None = None) -> int:
    """Return how many bytes of the frame are accepted; 0 where a load is beyond its end (networking/filter.rst)."""
    accumulator = index = at = 0
    for _ in range(STEPS):
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x06:  # ret k
            return value
        if value == VLAN_TAG_PRESENT:  # what the kernel knows beside the frame
            accumulator = int(vlan is not None)
        elif value == VLAN_TAG and code == 0x20:
            accumulator = vlan or 0
        elif code in WIDTHS:  # ld, ldh, ldb: [k], or [x + k]
            first = value + (index if code & 0x40 else 0)
            if first + WIDTHS[code] > len(frame):
                return 0
            accumulator = int.from_bytes(frame[first : first + WIDTHS[code]], "big")
        elif code == 0xB1:  # ldx 4 * ([k] & 15)
            if value >= len(frame):
                return 0
            index = 4 * (frame[value] & 15)
        elif code == 0x80:  # ld len
            accumulator = len(frame)
        elif code == 0x87:  # txa
            accumulator = index
        elif code == 0x07:  # tax
            index = accumulator
        elif code == 0x15:  # jeq k
            at += if_true if accumulator == value else if_false
        elif code == 0x3D:  # jge x
            at += if_true if accumulator >= index else if_false
        elif code == 0x35:  # jge k
            at += if_true if accumulator >= value else if_false
        elif code == 0x45:  # jset k
            at += if_true if accumulator & value else if_false
        elif code == 0x05:  # ja k
            at += value
        else:
            operand = index if code & 0x08 else value
            accumulator = CALCULATE[code & ~0x08](accumulator, operand) & 0xFFFF_FFFF
    raise ValueError("an endless program")
