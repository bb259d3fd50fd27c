"""Many frames at a time: header fields of a batch as columns, one numpy expression for each step.

What is not plain (options, fragments, VLAN tags, super-frames, ICMP, other protocols, anything doubtful) is left to the
single-frame path, so a column here may assume an IPv4 header of 20 bytes, TCP or UDP, whole in its slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.datapath import shared
from engine.datapath.afpacket.constants import (
    RX_FRAME,
    TP_STATUS_COPY,
    TP_STATUS_VLAN_VALID,
)
from engine.datapath.afpacket.single import verdict
from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS, DropReason, Pick
from engine.datapath.flowtable import (
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
    age_s,
    live_mask,
)
from engine.datapath.flowtable import (
    State as FlowState,
)
from engine.datapath.keys import U64, flow_hash_v4_vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.afpacket.state import State

WORDS = 16  # of 8 bytes: slot header, virtio header, Ethernet, IPv4, ports, TCP flags

_U = np.uint64
_8, _16, _32, _40, _48 = _U(8), _U(16), _U(32), _U(40), _U(48)
_FF, _FFFF, _FFFFFFFF = _U(0xFF), _U(0xFFFF), _U(0xFFFF_FFFF)
_LOW48 = _U(0xFFFF_FFFF_FFFF)
_SPECIAL = _U(TP_STATUS_COPY | TP_STATUS_VLAN_VALID)
_GSO_TYPE = _U(0xFF << 40)  # of the virtio header
_PLAIN_IPV4 = _U(0x45_0008)  # bytes 08 00 45: ETH_P_IP, version 4, 20 bytes of header
_ETHERTYPE_VERSION = _U(0xFF_FFFF)
_FRAGMENT_BITS = _U(0xFF3F)  # all of the fragment field but "reserved" and "don't fragment", bytes swapped
_MAC_OFFSET = _U(RX_FRAME)
_TCP, _UDP = _U(6), _U(17)
_FIN_RST, _SYN, _RST, _FIN_SYN_RST = _U(5), _U(2), _U(4), _U(7)

_MATCH = _U(MATCH_FIELD)
_PRINT_SHIFT = _U(PRINT_SHIFT)
_SERVER_SHIFT = _U(SERVER_SHIFT)
_TARGET_MASK = _U(TARGET_MASK)
_NOT_SEEN = _U(0xFFFF_FFFF_FFFF_FFFF ^ SEEN_FIELD)
_STATE_FIELD = _U(STATE_FIELD)
_FRESH, _OPEN, _CLOSING = (_U(state << STATE_SHIFT) for state in FlowState)

NOT_PLAIN = -1000
"""In the verdicts: for the single-frame path."""

_NO_SERVER = verdict(DropReason.NO_SERVER)
_NO_TARGET = verdict(DropReason.NO_TARGET)
_LOOP = verdict(DropReason.LOOP)


class Vector:
    """Decides about batches and rewrites their MACs in place."""

    def __init__(self, state: State) -> None:
        self.state = state

    def decide(self, columns: U64, now_s: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Decide about a batch.

        `columns` is [WORDS, n]: the first 128 bytes of each slot, word by word. Returns verdicts [n] (a target
        number, a `verdict`, or `NOT_PLAIN`) and the servers' rows [n] (meaningful where a target was found).
        """
        installed = self.state.installed
        w9, w10, w11, w12, w13, w14, w15 = columns[9:16]
        verdicts = np.full(columns.shape[1], NOT_PLAIN, np.int64)
        protocol = w12 >> _40 & _FF
        ip_length = w11 >> _48
        ip_length = (ip_length & _FF) << _8 | ip_length >> _8
        captured = columns[1] & _FFFFFFFF
        plain = (w11 >> _16 & _ETHERTYPE_VERSION) == _PLAIN_IPV4
        plain &= (columns[0] & _SPECIAL) == 0
        plain &= (columns[8] & _GSO_TYPE) == 0
        plain &= columns[0] >> _32 == captured
        plain &= (columns[1] >> _32 & _FFFF) == _MAC_OFFSET
        plain &= (w12 >> _16 & _FRAGMENT_BITS) == 0
        is_tcp = protocol == _TCP
        plain &= is_tcp | (protocol == _UDP)
        plain &= (w9 >> _48 | (w10 & _FFFFFFFF) << _16) == installed.source
        # 40 bytes hold either transport header; a shorter UDP packet is rare enough for the other path.
        plain &= (ip_length >= 40) & (ip_length + _U(14) <= captured) & (ip_length <= installed.mtu)
        source_mac = w10 >> _32 | (w11 & _FFFF) << _32
        suspect = installed.blocked_filter[
            ((source_mac >> _U(36) ^ source_mac >> _U(24)) & _U(4095)).astype(np.intp)
        ]
        if suspect.any():
            suspect &= np.isin(source_mac, installed.blocked_words)
        suspect |= source_mac == installed.source
        key = (w13 & ~_FFFFFFFF) | (w14 & ~_FFFF & _FFFFFFFF) | protocol
        rows, known = self._rows(key)
        verdicts[plain] = _NO_SERVER
        use = plain & known & ~suspect
        verdicts[plain & suspect] = _LOOP
        at = np.flatnonzero(use)
        if len(at) == len(use):
            flags = np.where(is_tcp, w15 >> _40 & _FF, _U(0))
            verdicts[:] = self._flows(rows, w13 & _FFFFFFFF, w14 & _FFFF, flags, now_s)
        elif len(at):
            flags = np.where(is_tcp[at], w15[at] >> _40 & _FF, _U(0))
            verdicts[at] = self._flows(rows[at], w13[at] & _FFFFFFFF, w14[at] & _FFFF, flags, now_s)
        return verdicts, rows

    def _rows(self, key: U64) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Server rows of destination keys (address, port, protocol), the most exact first."""
        installed = self.state.installed
        rows, known = self._search(key)
        wider = []
        if installed.has_any_port:
            wider.append(~_U(0xFFFF_0000))
        if installed.has_any_protocol:
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
        installed = self.state.installed
        keys = installed.keys
        place = np.searchsorted(keys, key)
        place[place == len(keys)] = 0
        return installed.key_rows[place], (keys[place] == key) & bool(installed.row_of)

    def _flows(
        self, rows: NDArray[np.intp], client: U64, port: U64, flags: U64, now_s: int
    ) -> NDArray[np.int64]:
        """Targets (or `verdict`s) of a batch of flows: known ones from the table, new ones chosen and written."""
        state = self.state
        installed, flows = state.installed, state.flows
        server = installed.v_number[rows]
        if installed.all_by_address:
            port = np.zeros_like(port)
        else:
            port = np.where(installed.v_by_port[rows], port, _U(0))
        hashes = flow_hash_v4_vector(client, port, server)
        want = hashes >> _PRINT_SHIFT << _PRINT_SHIFT | server << _SERVER_SHIFT
        bucket = (hashes & _U(flows.bucket_mask)).astype(np.intp)
        matches = ((flows.lines[bucket] ^ want[:, None]) & _MATCH) == 0
        way = matches.argmax(axis=1)
        index = bucket * WAYS + way
        entries = flows.entries[index]
        found = matches.ravel()[np.arange(len(way)) * WAYS + way]
        live = found & live_mask(entries, now_s, installed.rules)
        targets: NDArray[np.int64] = (entries & _TARGET_MASK).astype(np.int64)
        self._refresh(index, entries, live, port, flags, now_s)
        if not live.all():
            new = np.flatnonzero(~live)
            targets[new] = self._new(
                rows[new], client[new], port[new], flags[new], hashes[new], want[new], now_s
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
        changed = (entries & _NOT_SEEN) | _U((now_s & SEEN_MASK) << SEEN_SHIFT)
        state = entries & _STATE_FIELD
        flagged = (flags & _FIN_SYN_RST) != 0
        if flagged.any():
            syn = (flags & _SYN) != 0
            after = np.where((state == _FRESH) & ~syn | (state == _CLOSING) & syn, _OPEN, state)
            after[((flags & _FIN_RST) != 0) & (port != 0)] = _CLOSING
            changed = (changed & ~_STATE_FIELD) | after
        else:
            changed[state == _FRESH] |= _OPEN
        write = np.flatnonzero(live & (changed != entries))
        if len(write):
            # A later frame of the same flow writes last; a FIN in front of it is seen again in its retransmission.
            self.state.flows.entries[index[write]] = changed[write]

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
        state = self.state
        flows = state.flows
        _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        first_syn = (flags[first] & (_SYN | _RST)) != 0
        record = (flags[first] & _RST) == 0
        slot = np.full(len(first), -1, np.int64)
        if record.any():
            slot[record] = self._slots(hashes[first][record], want[first][record], first_syn[record], now_s)
            state.counters.flat[shared.UNRECORDED] += int((slot[record] < 0).sum())
        row_of_flow = rows[first]
        recorded = slot >= 0
        chosen = np.zeros(len(first), np.int64)
        chosen[recorded] = self._pick(row_of_flow[recorded], hashes[first][recorded])
        for at in np.flatnonzero(~recorded):
            chosen[at] = state.pick_unrecorded(int(row_of_flow[at]), int(hashes[first][at]))
        write = np.flatnonzero(recorded & (chosen > 0))
        if len(write):
            source = first[write]
            server = state.installed.v_number[row_of_flow[write]]
            target = chosen[write]
            member = state.installed.rules.member[server.astype(np.intp) * TARGET_ROWS + target]
            entry = want[source] | target.astype(np.uint64) | (member & 15).astype(np.uint64) << _U(23)
            entry |= _U((now_s & SEEN_MASK) << SEEN_SHIFT)
            place = slot[write]
            former = flows.entries[place]
            used = former[former != 0]
            if len(used):
                state.count_sessions(used, -1)
                state.counters.flat[shared.EVICTED] += int(
                    live_mask(used, now_s, state.installed.rules).sum()
                )
            flows.entries[place] = entry
            state.count_sessions(entry, 1)
            flows.address[place, 0] = 0
            flows.address[place, 1] = client[source] << _32 | _U(0xFFFF_0000)
            flows.port[place] = port[source]
        chosen[chosen == 0] = _NO_TARGET
        return chosen[inverse]

    def _slots(self, hashes: U64, want: U64, syn: NDArray[np.bool_], now_s: int) -> NDArray[np.int64]:
        """Find indices for new entries, -1 where a bucket is full of flows in use; no index twice."""
        flows = self.state.flows
        bucket = (hashes & _U(flows.bucket_mask)).astype(np.intp)
        lines = flows.lines[bucket]
        flat = lines.ravel()
        void = ~live_mask(flat, now_s, self.state.installed.rules)
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
        state = self.state
        installed = state.installed
        picked = np.zeros(len(rows), np.int64)
        for row in np.unique(rows).tolist() if len(rows) else ():
            mine = np.flatnonzero(rows == row)
            length = installed.bucket_len[row]
            if not length:
                continue
            how = installed.pick[row]
            if how == Pick.LEAST:
                picked[mine] = self._least(row, len(mine))
                continue
            if how == Pick.NEXT:
                number = installed.number[row]
                at = (state.turn[number] + np.arange(len(mine))) % length
                state.turn[number] += len(mine)
            elif how == Pick.HASH:
                at = hash_slot_vector(hashes[mine], length)
            else:
                at = state.generator.integers(0, length, len(mine))
            picked[mine] = installed.table.buckets[installed.bucket_start[row] + at]
        return picked

    def _least(self, row: int, count: int) -> NDArray[np.int64]:
        """Name the `count` targets that least sessions gives one after the other."""
        installed = self.state.installed
        start = installed.bucket_start[row]
        candidates = installed.table.buckets[start : start + installed.bucket_len[row]]
        sessions = self.state.counters.target_sessions[candidates].astype(np.float64)
        weight = installed.table.target_weight[candidates]
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
        mac = self.state.installed.mac[targets]
        source = self.state.installed.source
        columns[8] = (columns[8] & _LOW48) | columns[0] >> _32 << _48
        columns[9] = (columns[9] & _LOW48) | mac << _48
        columns[10] = mac >> _16 | _U((source & 0xFFFF_FFFF) << 32)
        columns[11] = (columns[11] & ~_FFFF) | _U(source >> 32)

    def count(self, targets: NDArray[np.int64], rows: NDArray[np.intp], sizes: U64) -> None:
        """Add forwarded frames to the counters of their targets and servers."""
        counters = self.state.counters
        server = self.state.installed.v_number[rows].astype(np.intp)
        counters.flat[shared.FORWARDED] += len(targets)
        counters.target_packets += np.bincount(targets, minlength=TARGET_ROWS)
        counters.target_bytes += np.bincount(targets, sizes, TARGET_ROWS).astype(np.int64)
        counters.server_packets += np.bincount(server, minlength=SERVER_ROWS)
        counters.server_bytes += np.bincount(server, sizes, SERVER_ROWS).astype(np.int64)


def hash_slot_vector(hashes: U64, length: int) -> NDArray[np.intp]:
    """`hash_slot` for a vector."""
    return ((hashes >> _U(20) & _FFFFFFFF) % _U(length)).astype(np.intp)
