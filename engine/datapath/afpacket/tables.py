"""What one worker keeps between frames, shared by its scalar and its vector path."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import default_rng  # with the module: a worker imports nothing later

from engine.datapath.afpacket import slot
from engine.datapath.contract import GENERATIONS, SERVER_ROWS, TARGET_ROWS, Pick
from engine.datapath.counters import GENERATION, word
from engine.datapath.flowtable import (
    GENERATION_MASK,
    SERVER_MASK,
    SERVER_SHIFT,
    TARGET_MASK,
    is_session,
    is_unanswered,
    live_mask,
    member_mask,
    session_mask,
    unanswered_mask,
)
from engine.datapath.keys import hash_slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from engine.datapath.counters import CounterBlock
    from engine.datapath.flowtable import FlowTable
    from engine.datapath.keys import U64
    from engine.datapath.lookup import Lookup

_TARGET_SESSIONS, _SERVER_SESSIONS = word("target_sessions"), word("server_sessions")
_TARGET_HALF_OPEN, _SERVER_HALF_OPEN = word("target_half_open"), word("server_half_open")
_TARGET_UNANSWERED, _TARGET_OPENED = word("target_unanswered"), word("target_opened")

_NEXT, _HASH, _RANDOM, _FIRST = map(int, (Pick.NEXT, Pick.HASH, Pick.RANDOM, Pick.FIRST))

_SWEEP_BUCKETS = 1024
"""A slice of 8,192 entries takes about 0.1 ms: well under a millisecond of delay for a frame behind it."""

_SLICES_AFTER_CHANGE = 4
"""At a time, until the whole table has been looked through once with new rules: sessions that ended with a change are
off the counts within two seconds, not seven."""


class Tables:
    """Table, flows, counters, and the turn of each server.

    `beside` are the counters of the workers on the same interface, which share the limits of the targets.
    """

    def __init__(
        self, lookup: Lookup, flows: FlowTable, counters: CounterBlock, beside: Sequence[CounterBlock] = ()
    ) -> None:
        self.lookup = lookup
        self.plain_words = slot.plain_words(lookup.source)
        self.flows = flows
        self.counters = counters
        self.beside = beside
        self.turn = [0] * SERVER_ROWS  # of round robin, by server number: survives a change of table
        self.random = random.Random()
        self.generator = default_rng()
        self._swept = 0
        self._stale = 0  # buckets not looked at since the last change of rules
        self._unswept = 0  # changes of rules since all buckets were looked at

    def install(self, lookup: Lookup, breathe: Callable[[], None] = lambda: None) -> None:
        """Use another table from the next frame on; `breathe` is called in the middle of what takes long."""
        self.lookup = lookup
        self.plain_words = slot.plain_words(lookup.source)
        self._stale = self.flows.buckets
        self._unswept += 1
        self.counters.flat[GENERATION] = lookup.generation
        if self._unswept >= GENERATIONS - 1:
            self._clear_strangers(breathe)

    def pick(self, row: int, flow_hash: int) -> int:
        """Choose a target for one new flow of a server's row; 0 where none takes new flows. The hash is without a seed."""
        lookup = self.lookup
        length = lookup.bucket_len[row]
        if not length:
            return 0
        start = lookup.bucket_start[row]
        how = lookup.pick[row]
        if how == _NEXT:
            number = lookup.number[row]
            turn = self.turn[number]
            self.turn[number] = turn + 1
            at = turn % length
        elif how == _HASH:
            at = hash_slot(flow_hash, length)
        elif how == _RANDOM:
            at = self.random.randrange(length)
        elif how == _FIRST:
            at = 0
        else:
            return self.least(row)
        target = int(lookup.table.buckets[start + at])
        if not lookup.limit[target] or self.has_room(target):
            return target
        return self._next_with_room(start, length, at)

    def sessions(self, targets: NDArray[np.integer]) -> NDArray[np.int64]:
        """Count the sessions of targets, those of the workers beside this one included."""
        found: NDArray[np.int64] = self.counters.target_sessions[targets]
        for block in self.beside:
            found = found + block.target_sessions[targets]
        return found

    def has_room(self, target: int) -> bool:
        """Tell whether a target takes another session."""
        limit = self.lookup.limit[target]
        if not limit:
            return True
        at = _TARGET_SESSIONS + target
        return bool(sum((block.flat[at] for block in self.beside), self.counters.flat[at]) < limit)

    def _next_with_room(self, start: int, length: int, at: int) -> int:
        """Return the target of the next bucket whose target has room; 0 where none has."""
        buckets = self.lookup.table.buckets[start : start + length]
        room = self.sessions(buckets) < self.lookup.v_limit[buckets]
        if not room.any():
            return 0
        return int(buckets[(at + int(np.roll(room, -at).argmax())) % length])

    def pick_by_hash(self, row: int, flow_hash: int) -> int:
        """Choose for a flow that may not be written down: by hash, so that its next packet goes to the same target."""
        lookup = self.lookup
        length = lookup.hash_len[row]
        if not length:
            return 0
        return int(lookup.table.buckets[lookup.bucket_start[row] + hash_slot(flow_hash, length)])

    def least(self, row: int) -> int:
        """Return the target of a row with the fewest sessions for its weight."""
        lookup = self.lookup
        candidates, weight = lookup.candidates(row)
        if len(lookup.limited):
            room = self.sessions(candidates) < lookup.v_limit[candidates]
            candidates, weight = candidates[room], weight[room]
            if not len(candidates):
                return 0
        # Those half open count, too: most of them are sessions a moment later, and many begin at once.
        load = self.counters.target_sessions[candidates] + self.counters.target_half_open[candidates]
        load += 1
        return int(candidates[(load / weight).argmin()])

    def sweep(self, now_s: int) -> None:
        """Clear void entries of the next slices of the flow table and settle the session counts."""
        for _ in range(_SLICES_AFTER_CHANGE if self._stale > 0 else 1):
            self._stale = max(0, self._stale - _SWEEP_BUCKETS)
            self._sweep_slice(now_s)
        if not self._stale:
            self._unswept = 0

    def _sweep_slice(self, now_s: int) -> None:
        first = self._swept
        self._swept = (first + _SWEEP_BUCKETS) % self.flows.buckets
        self._clear(first, now_s, lambda entries: ~live_mask(entries, now_s, self.lookup.rules))

    def _clear_strangers(self, breathe: Callable[[], None]) -> None:
        """Clear what targets have lost, before their generations have come round and it would be valid again."""
        for first in range(0, self.flows.buckets, _SWEEP_BUCKETS):
            self._clear(first, 0, lambda entries: ~member_mask(entries, self.lookup.rules))
            breathe()
        self._unswept = 0

    def _clear(self, first: int, now_s: int, gone_of: Callable[[U64], NDArray[np.bool_]]) -> None:
        """Clear entries of one slice and take them off the counts."""
        lines = self.flows.lines[first : first + _SWEEP_BUCKETS].reshape(-1)
        used = np.flatnonzero(lines)
        if not len(used):
            return
        entries = lines[used]
        gone = gone_of(entries)
        if gone.any():
            lines[used[gone]] = 0
            self.count_ends(entries[gone], now_s)

    def recount(self) -> None:
        """Count the sessions of the flow table that is there: a worker that was killed may have left them uncounted."""
        counters = self.counters
        opened = counters.target_opened.copy()
        for counted in (
            counters.target_sessions,
            counters.server_sessions,
            counters.target_half_open,
            counters.server_half_open,
        ):
            counted[:] = 0
        self.count_sessions(self.flows.entries[np.flatnonzero(self.flows.entries)], 1)
        counters.target_opened[:] = opened

    def count_sessions(self, entries: U64, sign: int) -> None:
        """Add entries to the counts of sessions and of half-open flows (`sign` 1) or take them off (-1)."""
        counters = self.counters
        session = session_mask(entries)
        count = np.count_nonzero(session)
        if count:
            sessions = entries if count == len(entries) else entries[session]
            _count(sessions, counters.target_sessions, counters.server_sessions, sign)
            if sign > 0:
                target = (sessions & np.uint64(TARGET_MASK)).view(np.intp)
                opened = counters.target_opened
                opened += np.bincount(target, minlength=TARGET_ROWS)
        if count != len(entries):
            _count(
                entries[~session] if count else entries,
                counters.target_half_open,
                counters.server_half_open,
                sign,
            )

    def count_session(self, entry: int, sign: int) -> None:
        """`count_sessions` for one entry."""
        flat = self.counters.flat
        target, server = entry & TARGET_MASK, entry >> SERVER_SHIFT & SERVER_MASK
        if not is_session(entry):
            flat[_TARGET_HALF_OPEN + target] += sign
            flat[_SERVER_HALF_OPEN + server] += sign
            return
        flat[_TARGET_SESSIONS + target] += sign
        flat[_SERVER_SESSIONS + server] += sign
        if sign > 0:
            flat[_TARGET_OPENED + target] += 1

    def count_ends(self, entries: U64, now_s: int) -> None:
        """Take entries off the counts that are cleared or overwritten, and count those that nobody answered."""
        self.count_sessions(entries, -1)
        silent = unanswered_mask(entries, now_s, self.lookup.rules)
        if np.count_nonzero(silent):
            target = (entries[silent] & np.uint64(TARGET_MASK)).view(np.intp)
            unanswered = self.counters.target_unanswered
            unanswered += np.bincount(target, minlength=TARGET_ROWS)

    def count_end(self, entry: int, now_s: int) -> None:
        """`count_ends` for one entry."""
        self.count_session(entry, -1)
        if is_unanswered(entry, now_s, self.lookup.rules):
            self.counters.flat[_TARGET_UNANSWERED + (entry & TARGET_MASK)] += 1

    def generation(self, server: int, target: int) -> int:
        """Return the generation that a new entry of the pair carries."""
        return int(self.lookup.rules.member[server << SERVER_SHIFT | target]) & GENERATION_MASK


def _count(entries: U64, of_target: NDArray[np.int64], of_server: NDArray[np.int64], sign: int) -> None:
    target = (entries & np.uint64(TARGET_MASK)).view(np.intp)
    server = (entries >> np.uint64(SERVER_SHIFT) & np.uint64(SERVER_MASK)).view(np.intp)
    of_target += sign * np.bincount(target, minlength=TARGET_ROWS)
    of_server += sign * np.bincount(server, minlength=SERVER_ROWS)
