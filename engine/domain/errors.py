"""Refusals that an operator reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

ErrorCode = Literal[
    "read-only",  # the op changes something and this is monitor.sock
    "unknown-op",
    "bad-args",  # the arguments do not fit the op
    "not-found",  # a target or server of that number does not exist
    "refused",  # understood, and declined; the message says why
    "invalid",  # a configuration with errors; `findings` has them
    "conflict",  # the running configuration moved on from the revision the candidate was based on
    "file-differs",  # the file would be overwritten, and is not what was read or written last: args say `overwrite`
    "on-trial",  # somebody else's change is on trial: args name it in `keep_trial`
    "too-large",  # the frame is over MAX_FRAME_BYTES
    "malformed",  # the frame is not a msgpack map of a Request
    "internal",
]


class OpError(Exception):
    """A refusal of an op, sent to the console as it stands: a code, and a plain sentence.

    `findings` go with code "invalid": what is wrong in a configuration, and where (engine.config.finding.Finding).
    """

    def __init__(self, code: ErrorCode, message: str, findings: Sequence[Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.findings = list(findings or [])
