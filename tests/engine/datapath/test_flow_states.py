"""What a flow becomes by the packets it shows."""

from __future__ import annotations

import pytest

from engine.datapath.flow_states import FIN, FIRST_STATE, NEXT_STATE, RST, SEGMENT, SYN, FlowState

FRESH, OPEN, CLOSING, HALF_OPEN = FlowState
FLAGS = {"S": SYN, "A": 0, "F": FIN, "R": RST, "SF": SYN | FIN, "SR": SYN | RST, "FR": FIN | RST}


def after(history: str, *, by_port: bool) -> FlowState:
    """Return the state of a flow of TCP after segments with these flags."""
    first, *more = history.split()
    state = FlowState(FIRST_STATE[FLAGS[first] | SEGMENT])
    for flags in more:
        state = FlowState(NEXT_STATE[by_port][FLAGS[flags] << 2 | state])
    return state


@pytest.mark.parametrize(
    ("history", "by_port", "by_address"),
    [
        ("S", HALF_OPEN, HALF_OPEN),
        ("S S S", HALF_OPEN, HALF_OPEN),
        ("S A", OPEN, OPEN),
        ("S A S", OPEN, OPEN),  # repeated, late, or of another connection of the client
        ("S F", CLOSING, OPEN),  # its ACK was lost on the way to us
        ("S A F", CLOSING, OPEN),
        ("S A F A", CLOSING, OPEN),  # a half-closed download goes on
        ("S A F S", HALF_OPEN, OPEN),  # the port is used again
        ("S A F S A", OPEN, OPEN),
        ("S A R", CLOSING, OPEN),
        ("S A R S", HALF_OPEN, OPEN),
        # A scan, or a client that went away: never a session.
        ("S R", FRESH, FRESH),
        ("S R S", HALF_OPEN, HALF_OPEN),
        ("S R R", FRESH, FRESH),
        ("S SR", FRESH, FRESH),
        ("S SF", CLOSING, HALF_OPEN),
        ("SF", HALF_OPEN, HALF_OPEN),
        # A connection that began before we saw it: two segments are not a stray one.
        ("A", FRESH, FRESH),
        ("A A", OPEN, OPEN),
        ("A S", HALF_OPEN, HALF_OPEN),
        ("F", FRESH, FRESH),
        ("F A", OPEN, OPEN),
        ("A F", CLOSING, OPEN),
        ("A FR", FRESH, FRESH),
    ],
)
def test_a_flow_of_tcp_is_a_session_when_its_client_answers(history, by_port, by_address):
    assert after(history, by_port=True) is by_port
    assert after(history, by_port=False) is by_address


def test_what_is_not_tcp_is_a_session_at_once():
    assert FIRST_STATE[0] == OPEN
    assert FlowState(NEXT_STATE[False][OPEN]) is OPEN
