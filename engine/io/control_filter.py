"""The classic BPF program of a control socket, made of what the modules want to be shown.

For each wish, or several that differ in the protocol alone, stands a block of tests; a frame that fails one of them goes
on to the next block, and behind the last one it is dropped. Kernel document networking/filter.rst; the program sees the
frame from its Ethernet header on, VLAN tags taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.domain.frame import AddressSet
from engine.io.packet_filter import ACCEPT, JA, JEQ, LD_ABS, LDB_ABS, LDH_ABS, REJECT, Instruction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.domain.address import Address
    from engine.domain.frame import FrameMatch, Listening

    Side = AddressSet | Address | None

ETHERTYPE_AT, PROTOCOL_AT, SOURCE_AT, DESTINATION_AT = 12, 23, 26, 30

Test = tuple[Instruction, Sequence[int]]
"""What to load, and the values that pass."""


def control_filter(listening: Listening) -> list[Instruction]:
    """Return a program that accepts the frames that match, and no others. IPv4 addresses only."""
    program: list[Instruction] = []
    for (ethertype, source, destination), protocols in _grouped(listening.matches).items():
        tests: list[Test] = [((LDH_ABS, 0, 0, ETHERTYPE_AT), [ethertype])]
        if None not in protocols:
            tests.append(((LDB_ABS, 0, 0, PROTOCOL_AT), [p for p in protocols if p is not None]))
        sides = ((source, SOURCE_AT), (destination, DESTINATION_AT))
        addresses: list[Test] = [
            ((LD_ABS, 0, 0, at), _words(side, listening)) for side, at in sides if side is not None
        ]
        # The longest list comes last: the others are jumped over in full.
        tests += sorted(addresses, key=lambda test: len(test[1]))
        if all(values for _, values in tests):
            program += _block(tests)
    return [*program, REJECT]


def _grouped(matches: Iterable[FrameMatch]) -> dict[tuple[int, Side, Side], list[int | None]]:
    """Return the protocols by all else that is asked: a list of 512 addresses stands there once for all of them."""
    grouped: dict[tuple[int, Side, Side], list[int | None]] = {}
    for match in matches:
        grouped.setdefault((match.ethertype, match.source, match.destination), []).append(match.protocol)
    return grouped


def _words(side: AddressSet | Address, listening: Listening) -> list[int]:
    if side is AddressSet.VIRTUAL:
        addresses: Iterable[Address] = listening.virtual
    elif side is AddressSet.REAL:
        addresses = listening.real
    else:
        addresses = (side,)
    return [int.from_bytes(address.packed, "big") for address in addresses]


def _block(tests: Sequence[Test]) -> list[Instruction]:
    """Return the instructions that accept what passes every test, and fall through for all else."""
    block: list[Instruction] = [ACCEPT]
    for load, values in reversed(tests):
        # Conditional jumps reach 255 instructions only; so each value has a JA of its own to the end of the list.
        test: list[Instruction] = [load]
        for index, value in enumerate(values):
            test += [(JEQ, 0, 1, value), (JA, 0, 0, 2 * (len(values) - 1 - index) + 1)]
        block = [*test, (JA, 0, 0, len(block)), *block]
    return block
