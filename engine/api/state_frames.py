"""States as frames, whatever the size of the configuration: what would not fit a frame is trimmed, and says so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from engine.api.codec import HEADER, FrameTooLargeError, encode_frame
from engine.api.messages import MAX_FRAME_BYTES, StateFrame
from engine.domain.notices import Alarm

if TYPE_CHECKING:
    from engine.api.messages import State

CHECKS_KEPT = 8
"""Checks of a target in a state that would not fit otherwise."""

_CHECKS_THAT_FIT = 8 * 1024
"""A state with fewer of them fits a frame: 250 bytes a check, and 2 MiB for the rest, are more than either takes."""

_ENVELOPE_BYTES = 64
"""Room for what stands around a state in a frame."""

log = logging.getLogger("engine.api")


class StateFrames:
    """Encodes the states of one server."""

    def __init__(self) -> None:
        self._warned = False

    def frame(self, state: State) -> bytes | None:
        """Return a state as a frame, trimmed where it would not fit; None where it does not fit even then."""
        try:
            return encode_frame(StateFrame(state=state))
        except FrameTooLargeError as error:
            if not self._warned:
                self._warned = True
                log.warning("the state is %s; consoles see part of every target's checks", error)
        try:
            return encode_frame(StateFrame(state=trimmed(state)))
        except FrameTooLargeError:
            return None


def fitting(state: State) -> State:
    """Return a state that fits an answer: itself, or trimmed."""
    # Only a state that may be too large is encoded to see.
    if sum(len(target.checks) for target in state.targets) < _CHECKS_THAT_FIT:
        return state
    try:
        size = len(encode_frame(state)) - HEADER.size
    except FrameTooLargeError:
        return trimmed(state)
    return state if size < MAX_FRAME_BYTES - _ENVELOPE_BYTES else trimmed(state)


def trimmed(state: State) -> State:
    """Return the state with at most `CHECKS_KEPT` checks a target, the failing ones first, and an alarm saying so.

    A target in hundreds of servers has a VIP check for each; all of them together may exceed a frame. So may members;
    those go that say what the target says itself, which is how a server without them is read.
    """
    servers = [
        msgspec.structs.replace(server, members=[one for one in server.members if not one.able])
        for server in state.servers
    ]
    targets = [
        msgspec.structs.replace(
            target, checks=sorted(target.checks, key=lambda check: check.state == "up")[:CHECKS_KEPT]
        )
        for target in state.targets
    ]
    alarm = Alarm(
        severity="warning",
        subject="console",
        message=f"too many checks for one reading; of a target at most {CHECKS_KEPT} are shown, failing ones first",
    )
    return msgspec.structs.replace(state, servers=servers, targets=targets, alarms=[*state.alarms, alarm])
