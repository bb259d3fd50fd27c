"""What the program is told of the contract: when it is built (`declared.h`) and when it is loaded (`layout`).

`python -m engine.datapath.xdp.declarations` prints declared.h anew; a test compares it with the one that is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.contract import DropReason, Pick
from engine.datapath.counters import block_words, word
from engine.datapath.flow_states import FlowState

if TYPE_CHECKING:
    from enum import IntEnum

COUNTED = (
    "passed",
    "unrecorded",
    "dropped",
    "target_packets",
    "target_bytes",
    "server_packets",
    "server_bytes",
    "server_dropped",
    "target_sessions",
    "target_half_open",
    "target_opened",
    "target_unanswered",
    "server_sessions",
    "server_half_open",
)
"""Counters that the program moves, in the order of `layout` in state.h. `received` and `forwarded` follow from them."""

CLOCK_NS, NOW_S, RANDOM, ANSWERED_S, ANSWERED, TURNS = (block_words() + at for at in range(6))
"""Words of a block behind its counters: when the second began, the second, the state of the random numbers, the second
of the last answers and how many there were, and the turns of round robin by server number."""

_SERVERS = 1024
IN_FORCE = TURNS + _SERVERS
"""Word of the shared block: number of the table in force."""

_ROOM = 16 * 1024
"""Words behind the last one: the program cuts numbers of servers and targets by masks, and what they reach is the block's."""

_PAGE = 4096
BLOCK_BYTES = -(-8 * (IN_FORCE + 1 + _ROOM) // _PAGE) * _PAGE


def layout(processors: int) -> bytes:
    """Return `layout` of state.h; the shared block stands behind those of the processors."""
    words = [*map(word, COUNTED), CLOCK_NS, NOW_S, RANDOM, ANSWERED_S, ANSWERED, TURNS, IN_FORCE]
    return np.array([*words, len(DropReason), processors], "<u4").tobytes()


def declared_h() -> str:
    """Return the text of declared.h."""
    enums = (("FlowState", FlowState), ("Pick", Pick), ("DropReason", DropReason))
    return "\n".join(
        [
            "/* SPDX-License-Identifier: GPL-2.0-or-later */",
            "/* Made by `python -m engine.datapath.xdp.declarations`; do not edit. */",
            "#ifndef DECLARED_H",
            "#define DECLARED_H",
            *(line for name, members in enums for line in _enum(name, members)),
            "",
            "#endif",
            "",
        ]
    )


def _enum(name: str, members: type[IntEnum]) -> list[str]:
    return ["", f"/* {name} */", "enum {", *(f"\t{m.name} = {m.value}," for m in members), "};"]


if __name__ == "__main__":
    import sys

    sys.stdout.write(declared_h())
