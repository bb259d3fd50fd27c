"""What every datapath takes in and gives out.

In goes one immutable `ForwardingTable`; out come counters (`Counters`) and flows. Targets and servers are indexed by
their configured number everywhere (row 0 is never used), so counters keep their meaning across table changes.
Addresses are 16 bytes, IPv4 in mapped form (RFC 4291 section 2.5.5.2).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SERVER_ROWS = 513
"""Rows of arrays indexed by server number, 1..512."""

TARGET_ROWS = 1025
"""Rows of arrays indexed by target number, 1..1024."""

MEMBER_COLUMNS = 2048
"""Columns of `ForwardingTable.member`: room for every target in a power of two, so that server and target of a flow are
the bits of one index into it, as the flow table's entries have them."""

NOT_MEMBER = 0xFF
"""In `ForwardingTable.member`: the server may not use the target; its known flows there are void."""

GENERATIONS = 16
"""A target's generation moves on when it loses its flows, so that an entry written before is void; 4 bits."""


class DropReason(enum.IntEnum):
    """Why a frame for a virtual address was not forwarded. The one list for code, counters, help and screens."""

    NO_SERVER = 0
    NO_TARGET = 1
    LOOP = 2
    MALFORMED = 3
    FRAGMENT = 4
    ICMP_NO_FLOW = 5
    PROTOCOL = 6
    TOO_BIG = 7
    TRUNCATED = 8
    TX_FULL = 9
    TX_ERROR = 10

    @property
    def label(self) -> str:
        """The name in JSON and on screens: lower case with dashes."""
        return self.name.lower().replace("_", "-")


DROP_HELP: dict[DropReason, str] = {
    DropReason.NO_SERVER: "the virtual address has no server on that port and protocol",
    DropReason.NO_TARGET: "the server has no target that takes new flows",
    DropReason.LOOP: "the source MAC is a target's, a peer's or our own",
    DropReason.MALFORMED: "a header is cut short or contradicts the frame's length",
    DropReason.FRAGMENT: "a later fragment whose first fragment was not seen",
    DropReason.ICMP_NO_FLOW: "an ICMP error about a flow that is not in the table",
    DropReason.PROTOCOL: "a protocol that no server on the virtual address takes",
    DropReason.TOO_BIG: "larger than the interface's MTU; the sender was told by ICMP where it asked not to fragment",
    DropReason.TRUNCATED: "larger than a ring slot, and the whole frame could not be kept",
    DropReason.TX_FULL: "the transmit ring stayed full",
    DropReason.TX_ERROR: "the kernel refused to send the frame",
}


class Pick(enum.IntEnum):
    """How a new flow picks from its server's buckets."""

    NEXT = 0  # rr, first: the next bucket in turn
    RANDOM = 1
    HASH = 2  # bucket = key hash modulo length (Maglev)
    LEAST = 3  # session: the target with the fewest sessions for its weight


@dataclass(frozen=True, eq=False)
class ForwardingTable:
    """Servers, health and weights compiled into arrays. Immutable once made.

    S = servers that answer, B = all buckets. `buckets[bucket_start[s] : bucket_start[s] + bucket_len[s]]` are the
    target numbers of row s; length 0 means no target takes new flows.
    """

    generation: int
    virtual_addr: NDArray[
        np.uint8
    ]  # [V,16] every address whose frames are consumed, with or without a server
    server_number: NDArray[np.uint16]  # [S]
    server_addr: NDArray[np.uint8]  # [S,16]
    server_port: NDArray[np.uint16]  # [S] host order, 0: any
    server_protocol: NDArray[np.uint8]  # [S] IP protocol number, 0: any
    server_by_port: NDArray[np.uint8]  # [S] 1: the flow key includes the client's port
    server_idle_s: NDArray[np.uint16]  # [S] idle timeout
    server_pick: NDArray[np.uint8]  # [S] Pick
    bucket_start: NDArray[np.uint32]  # [S]
    bucket_len: NDArray[np.uint32]  # [S]
    buckets: NDArray[np.uint16]  # [B] target numbers
    member: NDArray[
        np.uint8
    ]  # [SERVER_ROWS, MEMBER_COLUMNS] generation of a target that may keep its known flows
    target_mac: NDArray[np.uint8]  # [TARGET_ROWS, 6]
    target_weight: NDArray[np.uint16]  # [TARGET_ROWS]
    own_mac: NDArray[np.uint8]  # [K,6] frames to these are ours; row 0 is the source of what we send
    blocked_mac: NDArray[np.uint8]  # [N,6] frames from these are never forwarded (targets, peers)
    mtu: int  # of the interface, bytes of IP packet


ARRAYS: tuple[tuple[str, str], ...] = (
    ("virtual_addr", "u1"),
    ("server_number", "u2"),
    ("server_addr", "u1"),
    ("server_port", "u2"),
    ("server_protocol", "u1"),
    ("server_by_port", "u1"),
    ("server_idle_s", "u2"),
    ("server_pick", "u1"),
    ("bucket_start", "u4"),
    ("bucket_len", "u4"),
    ("buckets", "u2"),
    ("member", "u1"),
    ("target_mac", "u1"),
    ("target_weight", "u2"),
    ("own_mac", "u1"),
    ("blocked_mac", "u1"),
)
"""Array fields of `ForwardingTable` and their dtypes, in the order they are laid out in shared memory."""


@dataclass(frozen=True, eq=False)
class Counters:
    """Totals since the start, summed over workers."""

    received: int
    forwarded: int
    passed: int
    ring_lost: int
    dropped: NDArray[np.int64]  # [len(DropReason)]
    target_packets: NDArray[np.int64]  # [TARGET_ROWS]
    target_bytes: NDArray[np.int64]  # [TARGET_ROWS]
    target_sessions: NDArray[np.int64]  # [TARGET_ROWS] now
    server_packets: NDArray[np.int64]  # [SERVER_ROWS]
    server_bytes: NDArray[np.int64]  # [SERVER_ROWS]
    server_sessions: NDArray[np.int64]  # [SERVER_ROWS] now


@dataclass(frozen=True)
class Swaps:
    """Changes of table since the start, and what they cost: frames wait while a worker takes one up."""

    count: int = 0
    last_ms: float = 0.0
    longest_ms: float = 0.0


@dataclass(frozen=True)
class Flow:
    """One entry of a flow table, for people."""

    server: int
    target: int
    client: str
    port: int | None
    idle_s: int
    closing: bool
