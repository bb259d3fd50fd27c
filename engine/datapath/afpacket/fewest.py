"""Targets with the fewest sessions, for many new flows at a time.

Each flow that is written counts at its target, and the entry that it takes the place of counts no more: so the flows
are gone through in the order of their frames, and each server's candidates stand in a heap.
"""

from __future__ import annotations

from heapq import heapify, heappush, heapreplace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.flowtable import TARGET_MASK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.afpacket.tables import Tables
    from engine.datapath.keys import U64

MOST_ROWS = 8
"""Servers that choose so in one batch. Each has a heap, and a flow that ends moves its target in all of them."""


class _Candidates:
    """The targets of a server by load, the least first; of equal ones the first in the server's order."""

    def __init__(self, targets: list[int], load: Load) -> None:
        self._place = {target: place for place, target in enumerate(targets)}
        self._load = load
        self._heap = [(load.of(target), place, target) for target, place in self._place.items()]
        heapify(self._heap)

    def least(self) -> int:
        """Return the target with the least load."""
        heap = self._heap
        while True:
            load, place, target = heap[0]
            now = self._load.of(target)
            if now == load:
                return target
            heapreplace(heap, (now, place, target))  # more than it was: `less` puts down what is less

    def less(self, target: int) -> None:
        """Take up that a target's load is less than before."""
        place = self._place.get(target)
        if place is not None:
            heappush(self._heap, (self._load.of(target), place, target))


class Load:
    """Flows of some targets as they come and go, and what they mean by their weight."""

    def __init__(self, tables: Tables, targets: list[int]) -> None:
        counters, weight = tables.counters, tables.lookup.table.target_weight
        # Those half open count, too: most of them are sessions a moment later, and many begin at once.
        flows = counters.target_sessions[targets] + counters.target_half_open[targets]
        self._flows = dict(zip(targets, flows.tolist(), strict=True))
        self._weight = dict(zip(targets, weight[targets].tolist(), strict=True))

    def of(self, target: int) -> float:
        """Return the load that a target would have with one flow more."""
        load: float = (self._flows[target] + 1) / self._weight[target]
        return load

    def count(self, target: int, sign: int) -> None:
        """Count a flow that begins (1) or ends (-1)."""
        self._flows[target] += sign


def pick_fewest(
    tables: Tables,
    rows: NDArray[np.intp],
    fewest: NDArray[np.bool_],
    picked: NDArray[np.int64],
    former: U64,
) -> None:
    """Set `picked` of those new flows whose server chooses by numbers of sessions; the others have theirs already.

    `rows` are the servers' rows, `former` the entries whose places the flows take, 0 where it is free.
    """
    chosen, ended = picked.tolist(), (former & np.uint64(TARGET_MASK)).tolist()
    targets = {row: tables.lookup.candidates(row)[0].tolist() for row in np.unique(rows[fewest]).tolist()}
    load = Load(tables, list({*chosen, *ended, *chain.from_iterable(targets.values())}))
    candidates = {row: _Candidates(those, load) for row, those in targets.items()}
    for n, (row, chooses, target, end) in enumerate(
        zip(rows.tolist(), fewest.tolist(), chosen, ended, strict=True)
    ):
        if chooses:
            target = picked[n] = candidates[row].least()  # noqa: PLW2901
        if not target:
            continue  # nothing is written down
        if end:
            load.count(end, -1)
            for those in candidates.values():
                those.less(end)
        load.count(target, 1)
