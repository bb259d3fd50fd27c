"""Targets and states of the flows of a batch, as if its frames had come one by one.

A batch is sorted by flow. What the frames of one flow do to it is folded together, and only where the order of
different flows decides - they share a line of the table, or the number of sessions does - it is looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.fewest import MOST_ROWS, pick_fewest
from engine.datapath.afpacket.scalar import Scalar, verdict
from engine.datapath.contract import DropReason, Pick
from engine.datapath.counters import word
from engine.datapath.flow_states import FIRST_STATE, NEXT_STATE, SEGMENT, FlowState
from engine.datapath.flowtable import (
    GENERATION_MASK,
    GENERATION_SHIFT,
    MATCH_FIELD,
    PAIR_MASK,
    PRINT_SHIFT,
    SEEN_FIELD,
    SEEN_MASK,
    SEEN_SHIFT,
    SERVER_SHIFT,
    STATE_FIELD,
    STATE_SHIFT,
    TARGET_MASK,
    WAYS,
    live_mask,
    session_mask,
)
from engine.datapath.keys import U64, flow_hash_v4_vector, hash_slot_vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.afpacket.tables import Tables

_U = np.uint64
_FFFF = _U(0xFFFF)
_32 = _U(32)
_SYN, _RST, _FIN_SYN_RST, _SYN_RST = _U(2), _U(4), _U(7), _U(6)
_SYN_OF_TCP, _SEGMENT = _U(SEGMENT | 2), _U(SEGMENT)

_UNRECORDED = word("unrecorded")
_MATCH = _U(MATCH_FIELD)
_PRINT = _U(0xFFFF_FFFF_FFFF_FFFF >> PRINT_SHIFT << PRINT_SHIFT)
_SERVER_SHIFT = _U(SERVER_SHIFT)
_GENERATION_SHIFT = _U(GENERATION_SHIFT)
_TARGET_MASK = _U(TARGET_MASK)
_NOT_SEEN = _U(0xFFFF_FFFF_FFFF_FFFF ^ SEEN_FIELD)
_NOT_SEEN_NOR_STATE = _U(0xFFFF_FFFF_FFFF_FFFF ^ SEEN_FIELD ^ STATE_FIELD)
_STATE_FIELD = _U(STATE_FIELD)
_NOT_STATE = _U(0xFFFF_FFFF_FFFF_FFFF ^ STATE_FIELD)
_PAIR = _U(PAIR_MASK)
_FRESH, _OPEN, _CLOSING, _HALF_OPEN = (_U(state << STATE_SHIFT) for state in FlowState)
_STATE_SHIFT, _EVENT_SHIFT = _U(STATE_SHIFT), _U(2)
_BY_PORT = _U(8)  # above the flags: the flow is told by its client's port
_NEXT = NEXT_STATE[0] + NEXT_STATE[1]  # at by_port << 5 | flags << 2 | state
_V_NEXT = np.array(_NEXT, np.uint64)
_V_FIRST = np.array(FIRST_STATE, np.uint64)

_NO_TARGET = verdict(DropReason.NO_TARGET)

_WAY_OF_BYTE = _U(sum(way << 8 * (WAYS - 1 - way) for way in range(WAYS)))
_WAY_SHIFT = _U(8 * (WAYS - 1))
"""A word with a 1 in the byte of one way, times the first and shifted by the second, is the number of the way."""


def _events(flags: U64, port: U64) -> U64:
    """Give what frames do to the states of their flows, as places in `_NEXT` but for the state."""
    return ((flags & _FIN_SYN_RST) | np.where(port != 0, _BY_PORT, _U(0))) << _EVENT_SHIFT


@dataclass(slots=True)
class _Batch:
    """Columns by frame; `client` and `port` are the flow's key with its server."""

    rows: NDArray[np.intp]
    client: U64
    port: U64
    server: U64
    flags: U64
    hashes: U64
    want: U64
    now_s: int


@dataclass(slots=True)
class _Sorted:
    """A batch by flow: the frames of flow n are order[starts[n] : starts[n] + frames[n]]."""

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    frames: NDArray[np.int64]
    reset: NDArray[np.bool_]  # by place in `order`

    def asking(self, n: int) -> list[int]:
        """Return the frames of a flow that would have made an entry, had there been room."""
        span = slice(self.starts[n], self.starts[n] + self.frames[n])
        found: list[int] = self.order[span][~self.reset[span]].tolist()
        return found


class VectorFlows:
    """Finds the targets of batches, and keeps the flow table."""

    def __init__(self, tables: Tables, scalar: Scalar) -> None:
        self.tables = tables
        self.scalar = scalar
        self._told_apart = _PRINT | _U(tables.flows.bucket_mask)

    def targets(
        self, rows: NDArray[np.intp], addresses: U64, ports: U64, flags: U64, now_s: int
    ) -> NDArray[np.int64]:
        """Targets (or `verdict`s) of a batch: of known flows from the table, of new ones chosen and written.

        The words have the client's address and port in their low bits; `flags` are FIN, SYN and RST, and `SEGMENT`.
        """
        tables = self.tables
        lookup, flows = tables.lookup, tables.flows
        server = lookup.v_number.take(rows)
        if lookup.all_by_address:
            port = np.zeros(len(rows), np.uint64)
        else:
            port = (ports & _FFFF) * lookup.v_by_port.take(rows)
        hashes = flow_hash_v4_vector(addresses, port, server, flows.seed)
        want = hashes & _PRINT
        want |= server << _SERVER_SHIFT
        bucket = (hashes & _U(flows.bucket_mask)).view(np.intp)
        # A row of lines has a byte of each way in one word: comparing the words tells whether and where one matches.
        lines = flows.lines.take(bucket, axis=0, mode="clip")
        lines &= _MATCH
        ways = (lines.ravel() == want.repeat(WAYS)).view(np.uint64)
        index = bucket * WAYS
        index += (ways * _WAY_OF_BYTE >> _WAY_SHIFT).view(np.intp)
        entries = flows.entries.take(index)
        live = ways != 0
        live &= live_mask(entries, now_s, lookup.rules)
        targets = (entries & _TARGET_MASK).view(np.int64)
        if np.count_nonzero(live) == len(live):
            if not np.count_nonzero(flags & _FIN_SYN_RST):
                self._refresh(index, entries, now_s)
                return targets
            if not len(lookup.v_leaving):
                self._known(index, entries, _events(flags, port), now_s)
                return targets
        batch = _Batch(rows, addresses, port, server, flags, hashes, want, now_s)
        self._in_order(batch, index, entries, live, targets)
        return targets

    def _refresh(self, index: NDArray[np.intp], entries: U64, now_s: int) -> None:
        """Write last use and state of known flows that show nothing but data, where they change."""
        changed = entries & _NOT_SEEN
        changed |= _U((now_s & SEEN_MASK) << SEEN_SHIFT)
        beyond_open = entries & _STATE_FIELD
        beyond_open -= _OPEN
        if beyond_open.max(initial=0) > _CLOSING - _OPEN:
            begins = np.flatnonzero(~session_mask(entries))
            changed[begins] = (changed[begins] & _NOT_STATE) | _OPEN
            # A flow may be there more than once, and is counted once.
            _, once = np.unique(index[begins], return_index=True)
            begins = begins[once]
            self._count_changes(entries[begins], changed[begins])
        write = np.flatnonzero(changed != entries)
        if len(write) == len(index):
            self.tables.flows.entries[index] = changed
        elif len(write):
            self.tables.flows.entries[index.take(write)] = changed.take(write)

    def _known(self, index: NDArray[np.intp], entries: U64, events: U64, now_s: int) -> None:
        """Write known flows of a batch that has no others: no order counts but that of a flow's own frames."""
        order = index.argsort(kind="stable")
        place = index.take(order)
        other = place[1:] != place[:-1]
        if np.count_nonzero(other) == len(other):
            state = _V_NEXT.take((events | entries >> _STATE_SHIFT & _U(3)).view(np.intp)) << _STATE_SHIFT
        else:
            starts = np.flatnonzero(np.concatenate(([True], other)))
            first = order.take(starts)
            frames = np.diff(starts, append=len(index))
            index, entries = index.take(first), entries.take(first)
            state = self._folded(entries & _STATE_FIELD, events.take(order), None, starts, frames)
        self._write_known(index, entries, state, None, now_s)

    def _count_changes(self, former: U64, entries: U64) -> None:
        """Count flows that have become sessions, or are no more."""
        self.tables.count_sessions(former, -1)
        self.tables.count_sessions(entries, 1)

    # -- batches in which the order of frames decides -------------------------------------------------------------------

    def _in_order(
        self,
        batch: _Batch,
        index: NDArray[np.intp],
        entries: U64,
        live: NDArray[np.bool_],
        targets: NDArray[np.int64],
    ) -> None:
        """Set `targets` of frames of new flows, and write all flows."""
        count = len(live)
        key = batch.hashes & self._told_apart
        key ^= batch.server << _32
        order = key.argsort(kind="stable")
        key = key.take(order)
        # One row for each flow from here on: its frames stand at order[starts[n] : starts[n] + frames[n]].
        starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        frames = np.diff(starts, append=count)
        first = order.take(starts)
        known = live.take(first)
        flags = batch.flags.take(order)
        place = np.arange(count)
        reset = (flags & _RST) != 0
        # The place of the frame that makes the entry: a reset makes none; -1 where it is there.
        maker = np.minimum.reduceat(np.where(reset, count, place), starts)
        maker[known] = -1
        state = np.where(known, entries.take(first) & _STATE_FIELD, self._first_state(flags, maker))
        counts = place > maker.repeat(frames)
        state = self._folded(state, _events(flags, batch.port.take(order)), counts, starts, frames)
        in_turn = self._in_turn(batch, order, starts, known, entries, live)
        if in_turn is None:
            self._write_known(index.take(first), entries.take(first), state, known, batch.now_s)
            new = np.flatnonzero(~known)
            if len(new):
                chosen = targets.take(first)
                self._new(batch, _Sorted(order, starts, frames, reset), maker, state, new, chosen)
                targets[order] = chosen.repeat(frames)
                early = order[place < maker.repeat(frames)]
                if len(early):
                    targets[early] = self._by_hash(batch, early)
            return
        self._write_known(index.take(first), entries.take(first), state, known & ~in_turn, batch.now_s)
        self._one_by_one(batch, np.sort(order[in_turn.repeat(frames)]), targets)

    @staticmethod
    def _folded(
        state: U64,
        events: U64,
        counts: NDArray[np.bool_] | None,
        starts: NDArray[np.intp],
        frames: NDArray[np.int64],
    ) -> U64:
        """States after all frames, of each flow one after the other; of those that count, where not all do."""
        # The same event twice running does what it does once.
        news = np.concatenate(([True], events[1:] != events[:-1]))
        if counts is not None:
            news[1:] |= ~counts[:-1]
        news[starts] = True
        if counts is not None:
            news &= counts
        at = np.flatnonzero(news)
        if not len(at):
            return state
        flow = np.arange(len(starts)).repeat(frames).take(at)
        begins = np.concatenate(([True], flow[1:] != flow[:-1]))
        events = events.take(at)
        state = state >> _STATE_SHIFT
        first = flow[begins]
        state[first] = _V_NEXT.take((events[begins] | state.take(first)).view(np.intp))
        if len(first) != len(at):
            more = np.flatnonzero(~begins)
            flow = flow.take(more)
            after: list[int] = []
            last, now = -1, 0
            for n, event, former in zip(
                flow.tolist(), events.take(more).tolist(), state.take(flow).tolist(), strict=True
            ):
                now = _NEXT[event | (now if n == last else former)]
                last = n
                after.append(now)
            state[flow] = after  # of a flow that is there more than once the last one stays
        return state << _STATE_SHIFT

    def _write_known(
        self, index: NDArray[np.intp], entries: U64, state: U64, known: NDArray[np.bool_] | None, now_s: int
    ) -> None:
        """Write last use and state of flows where they change; of the known ones, where not all are."""
        changed = entries & _NOT_SEEN_NOR_STATE
        changed |= state
        changed |= _U((now_s & SEEN_MASK) << SEEN_SHIFT)
        differs = changed != entries
        if known is not None:
            differs &= known
        write = np.flatnonzero(differs)
        if len(write):
            former, changed = entries.take(write), changed.take(write)
            self.tables.flows.entries[index.take(write)] = changed
            other = session_mask(former) != session_mask(changed)
            if np.count_nonzero(other):
                self._count_changes(former[other], changed[other])

    @staticmethod
    def _first_state(flags: U64, maker: NDArray[np.intp]) -> U64:
        """Give the states that the frames which make the entries begin with."""
        return _V_FIRST.take(flags.take(maker, mode="clip").view(np.intp)) << _STATE_SHIFT

    def _in_turn(
        self,
        batch: _Batch,
        order: NDArray[np.intp],
        starts: NDArray[np.intp],
        known: NDArray[np.bool_],
        entries: U64,
        live: NDArray[np.bool_],
    ) -> NDArray[np.bool_] | None:
        """Tell which flows have to be decided one frame after the other; None where none has.

        That is where a target is about to be full, and where a flow is to leave its target, which takes a turn as a
        new one does. And where many servers choose by numbers of sessions: see fewest.py.
        """
        lookup, tables = self.tables.lookup, self.tables
        first = order.take(starts)
        leaves = np.zeros(len(starts), np.bool_)
        if len(lookup.v_leaving):
            leaving = live & ((batch.flags & _SYN_RST) == _SYN)
            leaving &= np.isin(entries & _PAIR, lookup.v_leaving)
            leaves = np.logical_or.reduceat(leaving.take(order), starts)
        full = lookup.limited
        if len(full):
            full = full[tables.sessions(full) + len(live) >= lookup.v_limit[full]]
        if not len(full) and not leaves.any():
            rows = batch.rows[first[~known]]
            rows = rows[lookup.v_least.take(rows)]
            if not len(rows) or len(np.unique(rows)) <= MOST_ROWS:
                return None
        # Known flows that may become sessions, or be none for a while.
        flagged = np.logical_or.reduceat((batch.flags.take(order) & _FIN_SYN_RST) != 0, starts)
        asking: NDArray[np.bool_] = ~known | leaves | flagged | ~session_mask(entries.take(first))
        return asking

    def _one_by_one(self, batch: _Batch, frames: NDArray[np.intp], targets: NDArray[np.int64]) -> None:
        flow, now_s = self.scalar.flow, batch.now_s
        for at, row, client, port, flags in zip(
            frames.tolist(),
            batch.rows[frames].tolist(),
            (batch.client[frames] & _U(0xFFFF_FFFF)).tolist(),
            batch.port[frames].tolist(),
            batch.flags[frames].tolist(),
            strict=True,
        ):
            targets[at] = flow(row, client, port, flags, now_s)

    # -- new flows --------------------------------------------------------------------------------------------------

    def _new(
        self,
        batch: _Batch,
        by_flow: _Sorted,
        maker: NDArray[np.intp],
        state: U64,
        new: NDArray[np.intp],
        chosen: NDArray[np.int64],
    ) -> None:
        """Choose targets of new flows, write their entries, and set `chosen` of them."""
        tables = self.tables
        flows = tables.flows
        new = new[maker[new] < len(by_flow.order)]  # of resets alone nothing is written down
        at = by_flow.order.take(maker[new])
        turn = at.argsort()
        new, at = new[turn], at[turn]
        if not len(new):
            return
        index, refused = self._room(batch, by_flow, new, at)
        if refused:
            tables.counters.flat[_UNRECORDED] += refused
        recorded = np.flatnonzero(index >= 0)
        picked = np.zeros(len(new), np.int64)
        if len(recorded) == len(new):
            picked = self._pick(batch, at, index)
        else:
            picked[recorded] = self._pick(batch, at[recorded], index[recorded])
            unrecorded = np.flatnonzero(index < 0)
            picked[unrecorded] = self._by_hash(batch, at[unrecorded])
        write = np.flatnonzero((index >= 0) & (picked > 0))
        if len(write):
            source = at[write]
            pair = batch.server[source] << _SERVER_SHIFT | picked[write].view(np.uint64)
            member = tables.lookup.rules.member.take(pair.view(np.intp))
            entry = batch.want[source] | pair | state[new[write]]
            entry |= (member & GENERATION_MASK).astype(np.uint64) << _GENERATION_SHIFT
            entry |= _U((batch.now_s & SEEN_MASK) << SEEN_SHIFT)
            to = index[write]
            former = flows.entries[to]
            used = former[former != 0]
            if len(used):
                tables.count_ends(used, batch.now_s)
            flows.entries[to] = entry
            tables.count_sessions(entry, 1)
            flows.address[to, 0] = 0
            flows.address[to, 1] = batch.client[source] << _32 | _U(0xFFFF_0000)
            flows.port[to] = batch.port[source]
        picked[picked == 0] = _NO_TARGET
        chosen[new] = picked

    def _room(
        self, batch: _Batch, by_flow: _Sorted, new: NDArray[np.intp], at: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], int]:
        """Find indices for new entries, -1 where a line is full of flows in use, and count the frames that stay without.

        `at` are the frames that make the entries of the flows `new`, in their order.
        """
        flows = self.tables.flows
        bucket = (batch.hashes[at] & _U(flows.bucket_mask)).view(np.intp)
        lines = flows.lines.take(bucket, axis=0)
        void = ~live_mask(lines.ravel(), batch.now_s, self.tables.lookup.rules).reshape(-1, WAYS)
        same = (((lines ^ batch.want[at, None]) & _MATCH) == 0) & (lines != 0)
        # A void entry of the flow itself is taken before others, so that a flow never stands twice in its line.
        score = void.view(np.int8) + (void & same)
        way = score.argmax(axis=1)
        free: NDArray[np.bool_] = np.logical_or.reduce(void, axis=1)
        index = np.where(free, bucket * WAYS + way, -1)
        in_line = bucket.argsort()
        line = bucket[in_line]
        twice = line[1:] == line[:-1]
        alone = ~free
        count = 0
        if np.count_nonzero(twice):
            beside = in_line[np.flatnonzero(np.append(False, twice) | np.append(twice, False))]
            alone[beside] = False
            count = self._share(batch, by_flow, new, at, np.sort(beside), index, bucket, score)
        return index, count + sum(len(by_flow.asking(n)) for n in new[alone].tolist())

    def _share(
        self,
        batch: _Batch,
        by_flow: _Sorted,
        new: NDArray[np.intp],
        at: NDArray[np.intp],
        shared: NDArray[np.intp],
        index: NDArray[np.intp],
        bucket: NDArray[np.intp],
        score: NDArray[np.int8],
    ) -> int:
        """Give the room in lines of several new flows, to one frame after the other; counts those that find none."""
        length = self.tables.lookup.bucket_len
        asking: list[tuple[int, int]] = []
        for n in shared.tolist():
            # Without a target nothing is written down, and each frame asks again.
            frames = [int(at[n])] if length[batch.rows[at[n]]] else by_flow.asking(new[n])
            asking += [(frame, n) for frame in frames]
        refused = 0
        taken: Counter[int] = Counter()
        for _, n in sorted(asking):
            line = int(bucket[n])
            ways = [way for way in range(WAYS) if score[n, way] and not taken[line] >> way & 1]
            has_target = length[batch.rows[at[n]]]
            if not ways:
                index[n] = -1
                refused += len(by_flow.asking(new[n])) if has_target else 1
                continue
            way = max(ways, key=lambda w: (score[n, w], -w))
            index[n] = line * WAYS + way
            if has_target:
                taken[line] |= 1 << way
        return refused

    def _pick(self, batch: _Batch, at: NDArray[np.intp], index: NDArray[np.intp]) -> NDArray[np.int64]:
        """Choose targets for new flows by each server's way, in the order of the frames `at`; 0 where there is none.

        `index` is where their entries will stand.
        """
        tables = self.tables
        lookup = tables.lookup
        rows = batch.rows[at]
        how = lookup.v_pick.take(rows)
        how[(batch.flags[at] & _SYN_OF_TCP) == _SEGMENT] = Pick.HASH  # late: see Scalar.flow
        length = lookup.v_bucket_len.take(rows)
        some = length > 0
        slots = np.zeros(len(at), np.intp)
        if len(drawn := np.flatnonzero((how == Pick.RANDOM) & some)):
            slots[drawn] = tables.generator.integers(0, length[drawn])
        turning = np.flatnonzero((how == Pick.NEXT) & some)
        for row in np.unique(rows[turning]).tolist():
            mine = turning[rows[turning] == row]
            number = lookup.number[row]
            slots[mine] = (tables.turn[number] + np.arange(len(mine))) % length[mine]
            tables.turn[number] += len(mine)
        picked = lookup.v_buckets.take(lookup.v_bucket_start.take(rows) + slots)
        picked[~some] = 0
        if len(hashed := np.flatnonzero(how == Pick.HASH)):
            picked[hashed] = self._by_hash(batch, at[hashed])
            picked[picked == _NO_TARGET] = 0
        if np.count_nonzero(fewest := (how == Pick.LEAST) & some):
            pick_fewest(tables, rows, fewest, picked, tables.flows.entries[index])
        return picked

    def _by_hash(self, batch: _Batch, at: NDArray[np.intp]) -> NDArray[np.int64]:
        """Choose by hash, the same on every node; `_NO_TARGET` where none takes new flows."""
        lookup = self.tables.lookup
        rows = batch.rows[at]
        hashes = flow_hash_v4_vector(batch.client[at], batch.port[at], batch.server[at])
        length = lookup.v_hash_len.take(rows)
        slots = hash_slot_vector(hashes, np.maximum(length, 1).view(np.uint64))
        picked = lookup.v_buckets.take(lookup.v_bucket_start.take(rows) + slots)
        picked[length == 0] = _NO_TARGET
        return picked
