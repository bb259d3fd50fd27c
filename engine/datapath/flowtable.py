"""The flow table: which target a known flow belongs to. One layout for every datapath, no pointers, mappable.

A set-associative array of buckets, one 64-byte cache line each: 8 entries of 8 bytes, so a look-up costs one miss.
An entry, from the low bit::

    0..10   target number      11..20  server number      21..22  state (FlowState)
    23..26  generation of the target (void if the target's has moved on)
    27..42  last use, seconds modulo 65,536               43..63  fingerprint, the top 21 bits of the flow's hash

The low bits of the hash choose the bucket. An all-zero entry is free. Beside the lines stands a side table of the same
order with the client's 16-byte address and port, written once per new flow and read only for people (`show sessions`);
behind it the seed of the hash, 8 bytes, so that whoever maps the table finds it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.contract import (
    GENERATIONS,
    MEMBER_COLUMNS,
    NOT_MEMBER,
    SERVER_ROWS,
    Flow,
    ForwardingTable,
)
from engine.datapath.flow_states import LONGEST_S, FlowState
from engine.datapath.keys import U64, swap16
from engine.domain.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WAYS = 8
LINE_BYTES = 64
DEFAULT_BUCKETS = 1 << 18
"""2 M entries, 16 MiB of lines: a million flows fill it by half, so that hardly a bucket overflows."""

TARGET_BITS, SERVER_SHIFT, STATE_SHIFT, GENERATION_SHIFT, SEEN_SHIFT, PRINT_SHIFT = 11, 11, 21, 23, 27, 43
TARGET_MASK = 0x7FF
SERVER_MASK = 0x3FF
PAIR_MASK = SERVER_MASK << SERVER_SHIFT | TARGET_MASK
GENERATION_MASK = GENERATIONS - 1
SEEN_MASK = 0xFFFF
SEEN_FIELD = SEEN_MASK << SEEN_SHIFT
STATE_FIELD = 3 << STATE_SHIFT
MATCH_FIELD = 0xFFFF_FFFF_FFFF_FFFF >> PRINT_SHIFT << PRINT_SHIFT | SERVER_MASK << SERVER_SHIFT
"""An entry is the flow's if these bits are equal: fingerprint and server."""

_STATE_LOW = 1 << STATE_SHIFT
_STATE_AND_SERVER = 3 << STATE_SHIFT - SERVER_SHIFT | SERVER_MASK


def is_session(entry: int) -> bool:
    """Tell whether an entry's flow is a session: open or closing."""
    return (entry ^ entry >> 1) & _STATE_LOW != 0


def table_bytes(buckets: int) -> int:
    """Size in bytes of lines, side table and seed for that many buckets."""
    return buckets * (LINE_BYTES + WAYS * (16 + 2)) + 8


def pack(target: int, server: int, state: int, generation: int, seen: int, flow_hash: int) -> int:
    """Make an entry."""
    return (
        target
        | server << SERVER_SHIFT
        | state << STATE_SHIFT
        | generation << GENERATION_SHIFT
        | (seen & SEEN_MASK) << SEEN_SHIFT
        | flow_hash >> PRINT_SHIFT << PRINT_SHIFT
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What makes an entry valid, taken from a forwarding table: generations of members, idle times by server."""

    member: NDArray[
        np.uint8
    ]  # [SERVER_ROWS * MEMBER_COLUMNS] by an entry's low bits: generation or NOT_MEMBER
    idle_s: NDArray[np.uint16]  # [SERVER_ROWS]
    limit_s: NDArray[np.uint16] = field(init=False)  # [states * 1024] by an entry's bits of state and server

    def __post_init__(self) -> None:
        """Derive the idle times by state."""
        limit_s = np.zeros((len(FlowState), SERVER_MASK + 1), np.uint16)
        limit_s[:, : len(self.idle_s)] = self.idle_s
        for state, most_s in LONGEST_S.items():
            np.minimum(limit_s[state], most_s, out=limit_s[state])
        object.__setattr__(self, "limit_s", limit_s.ravel())


class FlowTable:
    """Views of one flow table in a shared buffer, for single look-ups and for vectors of them.

    One process writes; others may read at any time and see whole entries (aligned 8-byte words).
    """

    def __init__(self, buffer: memoryview, buckets: int) -> None:
        if buckets & (buckets - 1):
            raise ValueError("the number of buckets must be a power of two")
        lines_bytes = buckets * LINE_BYTES
        self.buckets = buckets
        self.bucket_mask = buckets - 1
        self.flat = buffer[:lines_bytes].cast("B").cast("Q")
        self.entries: U64 = np.frombuffer(buffer, np.uint64, buckets * WAYS)
        self.lines: U64 = self.entries.reshape(buckets, WAYS)
        addresses_end = lines_bytes + buckets * WAYS * 16
        self.address: U64 = np.frombuffer(buffer, np.uint64, buckets * WAYS * 2, lines_bytes).reshape(-1, 2)
        self.port: NDArray[np.uint16] = np.frombuffer(buffer, np.uint16, buckets * WAYS, addresses_end)
        self._seed: U64 = np.frombuffer(buffer, np.uint64, 1, table_bytes(buckets) - 8)
        self.seed = int(self._seed[0])

    def choose_seed(self) -> None:
        """Give an empty table a random seed, before its first flow."""
        self.seed = secrets.randbits(64)
        self._seed[0] = self.seed

    def find(self, flow_hash: int, server: int) -> int:
        """Return the index of the flow's entry, or -1. The entry may be void: see `is_live`."""
        want = flow_hash >> PRINT_SHIFT << PRINT_SHIFT | server << SERVER_SHIFT
        first = (flow_hash & self.bucket_mask) * WAYS
        flat = self.flat
        for index in range(first, first + WAYS):
            if (flat[index] ^ want) & MATCH_FIELD == 0:
                return index
        return -1

    def victim(self, flow_hash: int, now_s: int, rules: Rules) -> int:
        """Return the index where a new flow may be written, free or void; -1 where every entry of its line is in use."""
        first = (flow_hash & self.bucket_mask) * WAYS
        for index in range(first, first + WAYS):
            if not is_live(self.flat[index], now_s, rules):
                return index
        return -1

    def remember_client(self, index: int, high: int, low: int, port: int) -> None:
        """Write the side table's row of an entry (little-endian words of the address, port in network order)."""
        self.address[index] = (high, low)
        self.port[index] = port

    def live(self, now_s: int, rules: Rules) -> tuple[NDArray[np.intp], U64]:
        """Return the indices of live entries, and the entries."""
        # The comparison is a copy: nonzero() of what the worker changes meanwhile raises.
        used = np.flatnonzero(self.entries != 0)
        entries = self.entries[used]
        keep = live_mask(entries, now_s, rules)
        return used[keep], entries[keep]

    def pairs(self, now_s: int, rules: Rules) -> dict[tuple[int, int], int]:
        """Count live entries by (server, target)."""
        _, entries = self.live(now_s, rules)
        both, counts = np.unique(entries & np.uint64((1 << STATE_SHIFT) - 1), return_counts=True)
        return {
            (b >> SERVER_SHIFT, b & TARGET_MASK): c
            for b, c in zip(both.tolist(), counts.tolist(), strict=True)
        }

    def flows(
        self,
        now_s: int,
        rules: Rules,
        limit: int,
        server: int | None,
        target: int | None,
        client: Address | None = None,
    ) -> Iterator[Flow]:
        """Yield live entries for people, at most `limit`; of one client where its address is given."""
        used, entries = self.live(now_s, rules)
        keep = np.ones(len(used), np.bool_)
        if server is not None:
            keep &= (entries >> np.uint64(SERVER_SHIFT) & np.uint64(SERVER_MASK)) == server
        if target is not None:
            keep &= (entries & np.uint64(TARGET_MASK)) == target
        if client is not None:
            keep &= (self.address[used] == np.frombuffer(client, np.uint64)).all(axis=1)
        for index, entry in zip(used[keep][:limit].tolist(), entries[keep][:limit].tolist(), strict=True):
            yield Flow(
                server=entry >> SERVER_SHIFT & SERVER_MASK,
                target=entry & TARGET_MASK,
                client=Address(self.address[index].tobytes()),
                port=swap16(int(self.port[index])) or None,
                idle_s=now_s - (entry >> SEEN_SHIFT) & SEEN_MASK,
                state=FlowState(entry >> STATE_SHIFT & 3),
            )


def is_live(entry: int, now_s: int, rules: Rules) -> bool:
    """Whether an entry still binds its flow: its target may keep it and it was used recently enough."""
    if not entry:
        return False
    if rules.member[entry & PAIR_MASK] != entry >> GENERATION_SHIFT & GENERATION_MASK:
        return False
    limit = int(rules.limit_s[entry >> SERVER_SHIFT & _STATE_AND_SERVER])
    return now_s - (entry >> SEEN_SHIFT) & SEEN_MASK <= limit


_V_1 = np.uint64(1)
_V_STATE_LOW = np.uint64(_STATE_LOW)
_V_STATE_FIELD = np.uint64(STATE_FIELD)
_V_HALF_OPEN = np.uint64(FlowState.HALF_OPEN << STATE_SHIFT)
_V_STATE_AND_SERVER = np.uint64(_STATE_AND_SERVER)
_V_PAIR = np.uint64(PAIR_MASK)
_V_SERVER_SHIFT = np.uint64(SERVER_SHIFT)
_V_GENERATION_SHIFT = np.uint64(GENERATION_SHIFT)
_V_SEEN_SHIFT = np.uint64(SEEN_SHIFT)
_V_SEEN = np.uint64(SEEN_MASK)
_V_GENERATION = np.uint64(GENERATION_MASK)


def age_s(entries: U64, now_s: int) -> NDArray[np.int64]:
    """Seconds since the last use of each entry, 0..65,535."""
    return (np.uint64(now_s & SEEN_MASK) - (entries >> _V_SEEN_SHIFT) & _V_SEEN).view(np.int64)


def live_mask(entries: U64, now_s: int, rules: Rules) -> NDArray[np.bool_]:
    """`is_live` for a vector; free entries must have been left out or give False (server 0 has no member)."""
    alive = member_mask(entries, rules)
    alive &= age_s(entries, now_s) <= rules.limit_s.take(
        (entries >> _V_SERVER_SHIFT & _V_STATE_AND_SERVER).view(np.intp)
    )
    return alive


def is_unanswered(entry: int, now_s: int, rules: Rules) -> bool:
    """Tell whether a flow showed only SYNs until its time was over, at a target that might have kept it."""
    half_open = entry >> STATE_SHIFT & 3 == FlowState.HALF_OPEN
    is_member = rules.member[entry & PAIR_MASK] == entry >> GENERATION_SHIFT & GENERATION_MASK
    return bool(half_open and is_member and not is_live(entry, now_s, rules))


def session_mask(entries: U64) -> NDArray[np.bool_]:
    """`is_session` for a vector."""
    mask: NDArray[np.bool_] = ((entries ^ entries >> _V_1) & _V_STATE_LOW) != 0
    return mask


def unanswered_mask(entries: U64, now_s: int, rules: Rules) -> NDArray[np.bool_]:
    """`is_unanswered` for a vector."""
    half_open: NDArray[np.bool_] = (entries & _V_STATE_FIELD) == _V_HALF_OPEN
    if np.count_nonzero(half_open):
        half_open &= member_mask(entries, rules)
        half_open &= ~live_mask(entries, now_s, rules)
    return half_open


def member_mask(entries: U64, rules: Rules) -> NDArray[np.bool_]:
    """Tell which entries are of targets that may keep them."""
    member = rules.member.take((entries & _V_PAIR).view(np.intp))
    allowed: NDArray[np.bool_] = member == (entries >> _V_GENERATION_SHIFT & _V_GENERATION)
    return allowed


def rules_of(table: ForwardingTable) -> Rules:
    """Take the rules from a table."""
    return Rules(table.member.ravel(), table.idle_s)


def empty_rules() -> Rules:
    """Rules under which no entry is live."""
    member = np.full(SERVER_ROWS * MEMBER_COLUMNS, NOT_MEMBER, np.uint8)
    return Rules(member, np.zeros(SERVER_ROWS, np.uint16))
