"""What is kept of a moment: the columns of targets, of servers and of the datapath, each declared once.

A slot of the file is a header and these records, one for each target and server number. Columns are codes of
`engine.trends.scale` but for `state`, the bits of `Phase`, and `identity`, which tells a number that was given to another
address.
"""

from __future__ import annotations

import enum
import zlib
from typing import Literal

import numpy as np

from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS, DropReason

Subject = Literal["datapath", "server", "target"]

COMMON = ("pps", "bps", "sessions", "half_open")

REASONS = 24
"""Columns for drop reasons: more than there are, so that one that is added keeps the file."""

COLUMNS: dict[Subject, tuple[str, ...]] = {
    # Frames a second; drops by reason follow as drop_0 ..., in the order of DropReason.
    "datapath": (*COMMON, "received", "dropped", *(f"drop_{n}" for n in range(REASONS))),
    "server": (*COMMON, "dropped"),
    "target": (*COMMON, "rtt_ms"),
}
"""Measured columns, in the order in which they stand."""

UNMEASURED = ("state", "identity")

RECORDS: dict[Subject, np.dtype[np.void]] = {
    subject: np.dtype([(name, "<u2") for name in (*columns, *UNMEASURED)])
    for subject, columns in COLUMNS.items()
}
ROWS: dict[Subject, int] = {"datapath": 1, "server": SERVER_ROWS, "target": TARGET_ROWS}

HEADER = np.dtype(
    [
        ("begin_s", "<u8"),
        ("pid", "<u4"),
        ("datapath", "<u2"),
        ("server", "<u2"),
        ("target", "<u2"),
        ("rest", "<u2", 3),
    ]
)
"""Unix time at which the slot begins, who wrote it, and how many rows of each kind it has."""

SLOT = np.dtype(
    [
        ("header", HEADER),
        *((subject, RECORDS[subject], (ROWS[subject],)) for subject in ("datapath", "server", "target")),
    ]
)

if len(DropReason) > REASONS:
    raise TypeError("more drop reasons than a slot has columns for: raise REASONS, and the layout's version")


class Phase(enum.IntFlag):
    """How a target or server stood; several bits where it changed within a slot."""

    UP = 1
    DOWN = 2
    UNKNOWN = 4
    DRAINING = 8
    DISABLED = 16
    IDLE = 32  # well, and gets no new flows: a backup, or a server whose turn it is not
    PARTLY = 64  # serves with fewer targets than it has

    @property
    def labels(self) -> list[str]:
        """Return the names of the bits, lower case."""
        return [bit.name.lower() for bit in type(self) if bit in self and bit.name]


def identity(address: str, port: int) -> int:
    """Return 16 bits that tell one address and port from another."""
    return zlib.crc32(f"{address}:{port}".encode()) & 0xFFFF
