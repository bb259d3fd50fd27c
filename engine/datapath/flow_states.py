"""What a flow is known to be from the packets it showed: half open, a session, on its way out.

Only what goes to the target is seen, so a connection is open when its client answers the target.
"""

from __future__ import annotations

import enum

CLOSING_S = 60
"""Idle time after the client's FIN or RST; half-closed downloads keep sending ACKs well within it."""

HALF_OPEN_S = 10
"""Idle time of a TCP flow that is no session yet. A client repeats a SYN after 1, 3, 7 and 15 s (RFC 6298)."""


@enum.unique
class FlowState(enum.IntEnum):
    """Where a flow stands. Sessions are those that are open or closing, and what is not TCP is open at once.

    A flow of TCP begins half open: it has shown nothing but SYNs. Fresh is one that showed a single segment without
    SYN, or was reset before it opened: no session either, but its target is not known to be silent.
    """

    FRESH = 0
    OPEN = 1
    CLOSING = 2
    HALF_OPEN = 3


LONGEST_S = {
    FlowState.CLOSING: CLOSING_S,
    FlowState.HALF_OPEN: HALF_OPEN_S,
    FlowState.FRESH: HALF_OPEN_S,
}
"""Idle times that are no longer than this in some states, whatever the server's is."""

FIN, SYN, RST = 1, 2, 4
"""Flags of a TCP segment as they stand in its header (RFC 9293 section 3.1)."""

SEGMENT = 8
"""Beside the flags: the packet is TCP."""


def _next_state(state: FlowState, flags: int, *, told_by_port: bool) -> FlowState:
    """Return the state after a packet. Where flows are told by address alone, no segment closes one."""
    begins = state in {FlowState.FRESH, FlowState.HALF_OPEN}
    if flags & RST and begins:
        return FlowState.FRESH
    if flags & (FIN | RST) and told_by_port:
        return FlowState.CLOSING
    if flags & RST:
        return state
    if flags & SYN:
        return state if state is FlowState.OPEN else FlowState.HALF_OPEN
    return state if state is FlowState.CLOSING else FlowState.OPEN


NEXT_STATE = tuple(
    tuple(int(_next_state(state, flags, told_by_port=by_port)) for flags in range(8) for state in FlowState)
    for by_port in (False, True)
)
"""The state after a packet, by whether its flow is told by port, then at ``flags << 2 | state``."""


def _first_state(flags: int) -> FlowState:
    if not flags & SEGMENT:
        return FlowState.OPEN
    return FlowState.HALF_OPEN if flags & SYN else FlowState.FRESH


FIRST_STATE = tuple(int(_first_state(flags)) for flags in range(2 * SEGMENT))
"""The state of a flow that begins with a packet, by its flags."""
