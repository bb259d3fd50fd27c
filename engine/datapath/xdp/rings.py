"""Rings that decide by themselves, and the buckets of them that are in transition. What is proved of it: docs/datapath.md.

A server by `hash` of TCP, told by the client's port, without limits, needs no entry for its flows: the bucket of the hash
names the target. When a bucket goes to another target while the one before may keep its flows, it is in transition: what
has no entry stays with the target before, and everything that comes is written down. After one idle time every living
flow has an entry, the target before is forgotten, and the bucket goes by the ring again once no entry differs from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath import maglev
from engine.datapath.contract import NOT_MEMBER, ForwardingTable, Pick
from engine.datapath.flowtable import SERVER_MASK, SERVER_SHIFT, TARGET_MASK
from engine.datapath.keys import flow_hash_vector, hash_slot_vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.flowtable import FlowTable, Rules

IN_TRANSITION = 0x8000
"""Beside the target of a bucket (table.h)."""

_TCP = 6
_SLACK_S = 2
"""Beyond the idle time: entries count whole seconds, and processors read a clock that is behind by some milliseconds."""


def decides(table: ForwardingTable, row: int) -> bool:
    """Tell whether the ring of a server's row decides. Only a SYN that names its port tells a new flow from a known one."""
    first, length = int(table.bucket_start[row]), int(table.bucket_len[row])
    return bool(
        table.server_pick[row] == Pick.HASH
        and table.server_by_port[row]
        and table.server_protocol[row] == _TCP
        and not table.target_limit[table.buckets[first : first + length]].any()
    )


@dataclass
class Ring:
    """The buckets of one server: target (0: none), target before (0: none any more), and since when in transition."""

    target: NDArray[np.uint16]
    idle_s: int
    generation: NDArray[np.uint8]  # of the server's members, by target number
    before: NDArray[np.uint16] = field(init=False)
    marked: NDArray[np.bool_] = field(init=False)  # an entry may differ from the ring
    since_s: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no bucket in transition."""
        self.before = np.zeros_like(self.target)
        self.marked = np.zeros(len(self.target), np.bool_)
        self.since_s = np.zeros(len(self.target))

    def follow(
        self, target: NDArray[np.uint16], idle_s: int, generation: NDArray[np.uint8], now_s: float
    ) -> None:
        """Go over to other targets. A target whose generation is another one has lost its flows."""
        keeps = (self.generation == generation) & (generation != NOT_MEMBER)
        keeps[0] = False
        self.before[~keeps[self.before]] = 0
        # Where a target before is still known, flows without an entry are there, whatever the ring has said since.
        leaves = (target != self.target) & keeps[self.target] & (self.before == 0)
        self.before[leaves] = self.target[leaves]
        self.since_s[leaves] = now_s
        self.marked |= leaves
        self.target, self.generation = target, generation.copy()
        self.idle_s = max(self.idle_s, idle_s) if self.marked.any() else idle_s

    def mark(self, buckets: NDArray[np.intp]) -> None:
        """Have the program look for entries in buckets: some that live differ from the ring."""
        self.marked[buckets] = True

    def expire(self, now_s: float) -> NDArray[np.intp]:
        """Forget targets before that every living flow has had time to leave an entry of; returns the buckets."""
        over: NDArray[np.intp] = np.flatnonzero(
            (self.before != 0) & (now_s - self.since_s > self.idle_s + _SLACK_S)
        )
        self.before[over] = 0
        return over

    def settle(self, differing: NDArray[np.intp]) -> NDArray[np.intp]:
        """Take the mark from buckets whose living entries agree with the ring; `differing` are those of others."""
        done = self.marked & (self.before == 0)
        done[differing] = False
        self.marked &= ~done
        return np.flatnonzero(done)

    def buckets(self) -> NDArray[np.uint16]:
        """Return what the program reads: targets, with IN_TRANSITION where it has to look for an entry."""
        return np.where(self.marked, self.target | np.uint16(IN_TRANSITION), self.target)


class Rings:
    """The rings that decide, by server number; they outlive a server that does not answer for a while."""

    def __init__(self, size: int = maglev.SIZE) -> None:
        self._size = size
        self.by_number: dict[int, Ring] = {}

    def follow(self, table: ForwardingTable, now_s: float) -> bool:
        """Go over to another table, at a moment of monotonic time in seconds; tells whether there are rings anew.

        Flows of those may have entries of a time before, so what differs has to be marked.
        """
        anew = False
        rows = [row for row in range(len(table.server_number)) if decides(table, row)]
        numbers = {int(table.server_number[row]) for row in rows}
        answering = set(table.server_number.tolist())
        for number in [*self.by_number]:
            has_members = bool((table.member[number] != NOT_MEMBER).any())
            if number not in numbers and (number in answering or not has_members):
                del self.by_number[number]
        for row in rows:
            number = int(table.server_number[row])
            target, idle_s = self._expanded(table, row), int(table.idle_s[number])
            ring = self.by_number.get(number)
            if ring is None:
                self.by_number[number] = Ring(target, idle_s, table.member[number].copy())
                anew = True
            else:
                ring.follow(target, idle_s, table.member[number], now_s)
        return anew

    def _expanded(self, table: ForwardingTable, row: int) -> NDArray[np.uint16]:
        first, length = int(table.bucket_start[row]), int(table.bucket_len[row])
        if length == self._size:
            return table.buckets[first : first + length].copy()
        only = table.buckets[first] if length else 0  # of one target the compiler makes one bucket
        return np.full(self._size, only, np.uint16)

    def mark_differing(self, flows: FlowTable, now_s: int, rules: Rules) -> None:
        """Have the program look for entries wherever one that lives differs from its ring."""
        for number, buckets in self.differing(flows, now_s, rules).items():
            self.by_number[number].mark(buckets)

    def differing(self, flows: FlowTable, now_s: int, rules: Rules) -> dict[int, NDArray[np.intp]]:
        """Return for each ring the buckets that a living entry differs from, by server number."""
        index, entries = flows.live(now_s, rules)
        server = (entries >> np.uint64(SERVER_SHIFT) & np.uint64(SERVER_MASK)).view(np.intp)
        found: dict[int, NDArray[np.intp]] = {}
        for number, ring in self.by_number.items():
            mine = np.flatnonzero(server == number)
            address, port = flows.address[index[mine]], flows.port[index[mine]].astype(np.uint64)
            numbers = np.full(len(mine), number, np.uint64)
            hashes = flow_hash_vector(address[:, 0].copy(), address[:, 1].copy(), port, numbers)
            buckets = hash_slot_vector(hashes, np.full(len(mine), self._size, np.uint64))
            target = (entries[mine] & np.uint64(TARGET_MASK)).astype(np.uint16)
            found[number] = np.unique(buckets[target != ring.target[buckets]])
        return found
