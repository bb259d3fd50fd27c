"""Maglev tables: which target a hash value belongs to, so that losing one target hardly moves the others' flows.

Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), section 3.4. There every
target takes turns to claim the next free slot of its own permutation. Here a turn claims a handful of slots at once,
which lets a table of 65,537 slots be built in vectors; a slot that two targets want in one turn goes to the one for
which it stands earlier in its permutation. Permutations depend on the targets' identities alone, so nodes agree.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 65537
"""A prime over 100 times the targets one server is likely to have: imbalance stays under 1 % (the paper, section 5.3)."""

_FREE = np.uint16(0xFFFF)
_FEW = 8  # up to here half of the missing slots a turn moves as few flows as an eighth, and is done in a third of the time
_PART = 8
_CELLS = 1 << 14  # permutation steps looked at in one turn, all targets together
_SHARE = 1 << 20  # resolution of a claim's rank within its turn


def _walk(identity: str) -> tuple[int, int]:
    """Offset and skip of an identity's permutation, `(offset + skip * step) mod SIZE`."""
    digest = hashlib.blake2b(identity.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little") % SIZE, int.from_bytes(digest[8:], "little") % (SIZE - 1) + 1


def _quotas(weights: Sequence[int]) -> list[int]:
    """Split the slots by weight; the remainder goes to the largest fractions, in order."""
    total = sum(weights)
    exact = [SIZE * w / total for w in weights]
    quotas = [int(e) for e in exact]
    by_fraction = sorted(range(len(weights)), key=lambda i: (quotas[i] - exact[i], i))
    for i in by_fraction[: SIZE - sum(quotas)]:
        quotas[i] += 1
    return quotas


def build(identities: Sequence[str], weights: Sequence[int]) -> NDArray[np.uint16]:
    """Build the table: `SIZE` indices into `identities`.

    `identities` are distinct and not empty, at most 1,024; `weights` positive. The order of the identities does not
    matter.
    """
    count = len(identities)
    if count == 1:
        return np.zeros(SIZE, np.uint16)
    order = sorted(range(count), key=lambda i: identities[i])
    walks = np.array([_walk(identities[i]) for i in order], np.int64)
    left = np.array(_quotas([weights[i] for i in order]), np.int64)
    table = np.full(SIZE, _FREE, np.uint16)
    step = np.zeros(count, np.int64)  # how far each has walked along its permutation
    free = SIZE
    while free:
        rows = np.flatnonzero(left)
        # A part of what is missing in one turn: few claims collide, and the number of turns stays logarithmic.
        take = np.maximum(1, left[rows] // (_PART if count > _FEW else 2))
        if free * len(rows) <= _CELLS:
            row, claim, nth = _claims_of_few(table, walks[rows], take)
        else:
            reach = int(min(2 * int(take.max()) * SIZE // free + 8, max(8, _CELLS // len(rows)), SIZE))
            row, claim, nth, walked = _claims_ahead(table, walks[rows], step[rows], take, reach)
            step[rows] += walked
        # By share of what was asked for, so that a heavy target does not win every collision; ties by identity.
        rank = nth * _SHARE // take[row] * count + row
        best_last = np.argsort(-rank, kind="stable")
        table[claim[best_last]] = rows[row[best_last]].astype(np.uint16)
        won = np.bincount(table[np.unique(claim)], minlength=count)
        left -= won
        free -= int(won.sum())
    return np.asarray(order, np.uint16)[table]


Claims: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Row of the claimant, slot claimed, and how many claims of the row in this turn stand before it."""


def _claims_ahead(
    table: NDArray[np.uint16],
    walks: NDArray[np.int64],
    step: NDArray[np.int64],
    take: NDArray[np.int64],
    reach: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Look `reach` steps ahead along each permutation; also returns how far each may move on."""
    slots = (walks[:, :1] + walks[:, 1:] * (step[:, None] + np.arange(reach))) % SIZE
    is_free = table[slots] == _FREE
    found = np.cumsum(is_free, axis=1, dtype=np.int64)
    row, column = np.nonzero(is_free & (found <= take[:, None]))
    past = found > take[:, None]
    walked = np.where(past[:, -1], np.argmax(past, axis=1), reach)
    return row, slots[row, column], found[row, column] - 1, walked


def _claims_of_few(table: NDArray[np.uint16], walks: NDArray[np.int64], take: NDArray[np.int64]) -> Claims:
    """Where few slots are left, ask each slot for its place in the permutations: `SIZE` is prime, so skips invert."""
    slots = np.flatnonzero(table == _FREE)
    inverse = np.array([pow(int(skip), -1, SIZE) for skip in walks[:, 1]], np.int64)
    place = (slots[None, :] - walks[:, :1]) % SIZE * inverse[:, None] % SIZE
    wanted = np.argsort(place, axis=1)[:, : int(take.max())]
    row, nth = np.nonzero(np.arange(wanted.shape[1]) < take[:, None])
    return row, slots[wanted[row, nth]], nth
