"""Many frames at a time: header fields of a batch as columns, one numpy expression for each step.

What is not plain (options, fragments, VLAN tags, super-frames, ICMP, other protocols, anything doubtful) is left to the
scalar path, so a column here may assume an IPv4 header of 20 bytes, TCP or UDP, whole in its slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket import slot
from engine.datapath.afpacket.scalar import verdict
from engine.datapath.contract import DropReason, Pick
from engine.datapath.counters import word
from engine.datapath.flowtable import (
    GENERATION_MASK,
    GENERATION_SHIFT,
    MATCH_FIELD,
    PRINT_SHIFT,
    SEEN_FIELD,
    SEEN_MASK,
    SEEN_SHIFT,
    SERVER_SHIFT,
    STATE_FIELD,
    STATE_SHIFT,
    TARGET_MASK,
    WAYS,
    FlowState,
    age_s,
    live_mask,
)
from engine.datapath.keys import U64, flow_hash_v4_vector, hash_slot_vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.afpacket.tables import Tables

# Words of a slot by name (slot.py has the map); local names, for a look-up through the module costs time.
_STATUS, _CAPTURED, _VIRTIO, _TO, _TO_FROM = slot.STATUS, slot.CAPTURED, slot.VIRTIO, slot.TO, slot.TO_FROM
_FROM_IP, _TCP_WORD = slot.FROM_IP, slot.TCP
_EVICTED, _UNRECORDED, _FORWARDED = word("evicted"), word("unrecorded"), word("forwarded")

_U = np.uint64
_14, _16, _32, _40, _48 = _U(14), _U(16), _U(32), _U(40), _U(48)
_FF, _FFFF, _FFFFFFFF = _U(0xFF), _U(0xFFFF), _U(0xFFFF_FFFF)
_HIGH32, _PORT = _U(0xFFFF_FFFF_0000_0000), _U(0xFFFF_0000)
_LOW48 = _U(0xFFFF_FFFF_FFFF)
_TCP, _UDP = _U(6), _U(17)
_FIN_RST, _SYN, _RST, _FIN_SYN_RST = _U(5), _U(2), _U(4), _U(7)

_MATCH = _U(MATCH_FIELD)
_PRINT = _U(0xFFFF_FFFF_FFFF_FFFF >> PRINT_SHIFT << PRINT_SHIFT)
_SERVER_SHIFT = _U(SERVER_SHIFT)
_GENERATION_SHIFT = _U(GENERATION_SHIFT)
_TARGET_MASK = _U(TARGET_MASK)
_NOT_SEEN = _U(0xFFFF_FFFF_FFFF_FFFF ^ SEEN_FIELD)
_STATE_FIELD = _U(STATE_FIELD)
_FRESH, _OPEN, _CLOSING = (_U(state << STATE_SHIFT) for state in FlowState)

NOT_PLAIN = -1000
"""In the verdicts: for the scalar path."""

_NO_SERVER = verdict(DropReason.NO_SERVER)
_NO_TARGET = verdict(DropReason.NO_TARGET)
_LOOP = verdict(DropReason.LOOP)


class Vector:
    """Decides about batches and rewrites their MACs in place."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def decide(self, columns: U64, now_s: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Decide about a batch.

        `columns` is [slot.WORDS, n]: the words of each slot that slot.py names. Returns verdicts [n] (a target
        number, a `verdict`, or `NOT_PLAIN`) and the servers' rows [n] (meaningful where a target was found).
        """
        # Each call costs more than its work on some hundred frames: what counts here is the number of calls.
        lookup = self.tables.lookup
        count = columns.shape[1]
        from_ip, ip, addresses, ports, tcp = columns[_FROM_IP : _TCP_WORD + 1]
        odd = columns[: slot.HEAD_WORDS] ^ self.tables.plain_words
        odd &= slot.PLAIN_MASK
        size = columns[_STATUS] >> _32
        differs = np.bitwise_or.reduce(odd, axis=0)
        differs |= (size ^ columns[_CAPTURED]) & _FFFFFFFF  # not all of it was captured
        plain: NDArray[np.bool_] = differs == 0
        protocol = ip >> _40 & _FF
        is_tcp = protocol == _TCP
        plain &= is_tcp | (protocol == _UDP)
        ip_length = slot.ip_lengths(columns)
        # 40 bytes hold either transport header; a shorter UDP packet is rare enough for the other path.
        plain &= ip_length >= _40
        plain &= ip_length + _14 <= np.minimum(size, lookup.mtu + 14)
        rows, known = self._rows(addresses & _HIGH32 | ports & _PORT | protocol)
        use = plain & known
        suspect = lookup.blocked_filter.take((from_ip & _FFFF).view(np.intp))
        if np.count_nonzero(suspect):
            source = columns[_TO_FROM] >> _32 | (from_ip & _FFFF) << _32
            suspect &= np.isin(source, lookup.blocked_words) | (source == lookup.source)
            use &= ~suspect
        flags = tcp >> _40 & _FIN_SYN_RST
        if np.count_nonzero(is_tcp) != count:
            flags *= is_tcp
        usable = np.count_nonzero(use)
        if usable == count:
            return self._flows(rows, addresses, ports, flags, now_s), rows
        verdicts = np.where(plain, _NO_SERVER, NOT_PLAIN)
        verdicts[plain & suspect] = _LOOP
        if usable:
            at = np.flatnonzero(use)
            verdicts[at] = self._flows(rows[at], addresses[at], ports[at], flags[at], now_s)
        return verdicts, rows

    def _rows(self, key: U64) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Server rows of destination keys (address, port, protocol), the most exact first."""
        lookup = self.tables.lookup
        rows, known = self._search(key)
        wider = []
        if lookup.has_any_port:
            wider.append(~_U(0xFFFF_0000))
        if lookup.has_any_protocol:
            wider += [~_FF, ~_FFFFFFFF]
        for mask in wider:
            if known.all():
                break
            more_rows, more = self._search(key & mask)
            more &= ~known
            rows[more] = more_rows[more]
            known |= more
        return rows, known

    def _search(self, key: U64) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        lookup = self.tables.lookup
        place = lookup.keys.searchsorted(key)
        return lookup.key_rows.take(place), lookup.keys.take(place) == key

    def _flows(
        self, rows: NDArray[np.intp], addresses: U64, ports: U64, flags: U64, now_s: int
    ) -> NDArray[np.int64]:
        """Targets (or `verdict`s) of a batch of flows: known ones from the table, new ones chosen and written.

        The words have the client's address and port in their low bits.
        """
        tables = self.tables
        lookup, flows = tables.lookup, tables.flows
        server = lookup.v_number.take(rows)
        if lookup.all_by_address:
            port = np.zeros(len(rows), np.uint64)
        else:
            port = (ports & _FFFF) * lookup.v_by_port[rows]
        hashes = flow_hash_v4_vector(addresses, port, server)
        want = hashes & _PRINT
        want |= server << _SERVER_SHIFT
        bucket = (hashes & _U(flows.bucket_mask)).view(np.intp)
        matches = (flows.lines.take(bucket, axis=0) & _MATCH) == want[:, None]
        index = bucket * WAYS
        index += matches.argmax(axis=1)
        entries = flows.entries.take(index)
        live = (entries & _MATCH) == want
        live &= live_mask(entries, now_s, lookup.rules)
        targets = (entries & _TARGET_MASK).view(np.int64)
        self._refresh(index, entries, live, port, flags, now_s)
        if np.count_nonzero(live) != len(live):
            new = np.flatnonzero(~live)
            targets[new] = self._new(
                rows[new], addresses[new], port[new], flags[new], hashes[new], want[new], now_s
            )
        return targets

    def _refresh(
        self,
        index: NDArray[np.intp],
        entries: U64,
        live: NDArray[np.bool_],
        port: U64,
        flags: U64,
        now_s: int,
    ) -> None:
        """Write last use and state of known flows where they change."""
        changed = entries & _NOT_SEEN
        changed |= _U((now_s & SEEN_MASK) << SEEN_SHIFT)
        state = entries & _STATE_FIELD
        if np.count_nonzero(flags):
            syn = (flags & _SYN) != 0
            after = np.where((state == _FRESH) & ~syn | (state == _CLOSING) & syn, _OPEN, state)
            after[((flags & _FIN_RST) != 0) & (port != 0)] = _CLOSING
            changed = (changed & ~_STATE_FIELD) | after
        elif np.count_nonzero(state) != len(state):
            changed[state == _FRESH] |= _OPEN
        write = np.flatnonzero((changed != entries) & live)
        if len(write):
            # A later frame of the same flow writes last; a FIN in front of it is seen again in its retransmission.
            self.tables.flows.entries[index[write]] = changed[write]

    def _new(
        self,
        rows: NDArray[np.intp],
        client: U64,
        port: U64,
        flags: U64,
        hashes: U64,
        want: U64,
        now_s: int,
    ) -> NDArray[np.int64]:
        """Choose targets for flows that are not in the table, once per flow, and write them down."""
        tables = self.tables
        flows = tables.flows
        _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        first_syn = (flags[first] & (_SYN | _RST)) != 0
        record = (flags[first] & _RST) == 0
        place = np.full(len(first), -1, np.int64)
        if record.any():
            place[record] = self._slots(hashes[first][record], want[first][record], first_syn[record], now_s)
            tables.counters.flat[_UNRECORDED] += int((place[record] < 0).sum())
        row_of_flow = rows[first]
        recorded = place >= 0
        chosen = np.zeros(len(first), np.int64)
        chosen[recorded] = self._pick(row_of_flow[recorded], hashes[first][recorded])
        for n in np.flatnonzero(~recorded):
            chosen[n] = tables.pick_unrecorded(int(row_of_flow[n]), int(hashes[first][n]))
        write = np.flatnonzero(recorded & (chosen > 0))
        if len(write):
            source = first[write]
            server = tables.lookup.v_number[row_of_flow[write]]
            target = chosen[write]
            pair = server << _SERVER_SHIFT | target.view(np.uint64)
            member = tables.lookup.rules.member[pair.view(np.intp)]
            entry = want[source] | pair | (member & GENERATION_MASK).astype(np.uint64) << _GENERATION_SHIFT
            entry |= _U((now_s & SEEN_MASK) << SEEN_SHIFT)
            at = place[write]
            former = flows.entries[at]
            used = former[former != 0]
            if len(used):
                tables.count_sessions(used, -1)
                tables.counters.flat[_EVICTED] += int(live_mask(used, now_s, tables.lookup.rules).sum())
            flows.entries[at] = entry
            tables.count_sessions(entry, 1)
            flows.address[at, 0] = 0
            flows.address[at, 1] = client[source] << _32 | _U(0xFFFF_0000)
            flows.port[at] = port[source]
        chosen[chosen == 0] = _NO_TARGET
        return chosen[inverse]

    def _slots(self, hashes: U64, want: U64, syn: NDArray[np.bool_], now_s: int) -> NDArray[np.int64]:
        """Find indices for new entries, -1 where a bucket is full of flows in use; no index twice."""
        flows = self.tables.flows
        bucket = (hashes & _U(flows.bucket_mask)).astype(np.intp)
        lines = flows.lines[bucket]
        flat = lines.ravel()
        void = ~live_mask(flat, now_s, self.tables.lookup.rules)
        fresh = (flat & _STATE_FIELD) == _FRESH
        age = age_s(flat, now_s)
        same = ((lines ^ want[:, None]) & _MATCH) == 0
        score = np.where(void, 1 << 20, np.where(fresh, (1 << 17) + age, age)).reshape(-1, WAYS)
        # A void entry of the flow itself is taken before others, so that a flow never stands twice in its line.
        score[same & (lines != 0)] += 1 << 21
        in_use = ~(void | fresh).reshape(-1, WAYS)
        score[in_use & syn[:, None]] = -1
        slots = np.full(len(hashes), -1, np.int64)
        waiting = np.arange(len(hashes))
        while len(waiting):
            # Flows that share a line choose one after the other: each turn serves the first of every line.
            _, turn = np.unique(bucket[waiting], return_index=True)
            serve = waiting[turn]
            way = score[serve].argmax(axis=1)
            best = score[serve, way]
            slots[serve] = np.where(best >= 0, bucket[serve] * WAYS + way, -1)
            rest = np.ones(len(waiting), np.bool_)
            rest[turn] = False
            waiting = waiting[rest]
            if len(waiting):
                taken = dict(zip(bucket[serve].tolist(), way.tolist(), strict=True))
                score[waiting, [taken[b] for b in bucket[waiting].tolist()]] = -1
        return slots

    def _pick(self, rows: NDArray[np.intp], hashes: U64) -> NDArray[np.int64]:
        """Choose targets for new flows by each server's way; 0 where there is none."""
        tables = self.tables
        lookup = tables.lookup
        picked = np.zeros(len(rows), np.int64)
        for row in np.unique(rows).tolist() if len(rows) else ():
            mine = np.flatnonzero(rows == row)
            length = lookup.bucket_len[row]
            if not length:
                continue
            how = lookup.pick[row]
            if how == Pick.LEAST:
                picked[mine] = self._least(row, len(mine))
                continue
            if how == Pick.NEXT:
                number = lookup.number[row]
                at = (tables.turn[number] + np.arange(len(mine))) % length
                tables.turn[number] += len(mine)
            elif how == Pick.HASH:
                at = hash_slot_vector(hashes[mine], length)
            else:
                at = tables.generator.integers(0, length, len(mine))
            picked[mine] = lookup.table.buckets[lookup.bucket_start[row] + at]
        return picked

    def _least(self, row: int, count: int) -> NDArray[np.int64]:
        """Name the `count` targets that least sessions gives one after the other."""
        lookup = self.tables.lookup
        start = lookup.bucket_start[row]
        candidates = lookup.table.buckets[start : start + lookup.bucket_len[row]]
        sessions = self.tables.counters.target_sessions[candidates].astype(np.float64)
        weight = lookup.table.target_weight[candidates]
        picked = np.empty(count, np.int64)
        for i in range(count):
            best = int(((sessions + 1) / weight).argmin())
            sessions[best] += 1
            picked[i] = candidates[best]
        return picked

    def rewrite(self, columns: U64, targets: NDArray[np.int64]) -> None:
        """Set destination and source MAC in the columns, and ask for a whole copy on sending.

        The kernel links a ring's pages into the frame it sends, and a receiver on the same host may still read them
        when the slot is used again. A virtio header that says "all of it is header" makes it copy instead.
        """
        mac = self.tables.lookup.mac[targets]
        source = self.tables.lookup.source
        columns[_VIRTIO] = (columns[_VIRTIO] & _LOW48) | columns[_STATUS] >> _32 << _48  # hdr_len
        columns[_TO] = (columns[_TO] & _LOW48) | mac << _48
        columns[_TO_FROM] = mac >> _16 | _U((source & 0xFFFF_FFFF) << 32)
        columns[_FROM_IP] = (columns[_FROM_IP] & ~_FFFF) | _U(source >> 32)

    def count(self, targets: NDArray[np.int64], rows: NDArray[np.intp], sizes: U64) -> None:
        """Add forwarded frames to the counters of their targets and servers."""
        counters = self.tables.counters
        server = self.tables.lookup.v_number.take(rows).view(np.intp)
        counters.flat[_FORWARDED] += len(targets)
        for numbers, packets, octets in (
            (targets, counters.target_packets, counters.target_bytes),
            (server, counters.server_packets, counters.server_bytes),
        ):
            found = np.bincount(numbers)
            packets[: len(found)] += found
            octets[: len(found)] += np.bincount(numbers, sizes).astype(np.int64)
