"""Flows handed from one datapath to another: flow-table entries out as `FLOW_RECORD`, and in again.

A record has nothing that depends on the table it came from, so that it fits one with another number of buckets, of
another worker, or of another datapath with the same entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.contract import FLOW_RECORD, MEMBER_COLUMNS, NOT_MEMBER, SERVER_ROWS
from engine.datapath.flow_states import FlowState
from engine.datapath.flowtable import (
    GENERATION_SHIFT,
    MATCH_FIELD,
    PRINT_SHIFT,
    SEEN_MASK,
    SEEN_SHIFT,
    SERVER_MASK,
    SERVER_SHIFT,
    STATE_SHIFT,
    TARGET_MASK,
    WAYS,
    age_s,
    live_mask,
)
from engine.datapath.keys import U64, flow_hash_vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.flowtable import FlowTable, Rules

_U = np.uint64
_PRINT = _U(0xFFFF_FFFF_FFFF_FFFF >> PRINT_SHIFT << PRINT_SHIFT)
_MATCH = _U(MATCH_FIELD)


def records_of(table: FlowTable, now_s: int, rules: Rules) -> NDArray[np.void]:
    """Return the live entries of a table as records, [n] of `FLOW_RECORD`."""
    index, entries = table.live(now_s, rules)
    records = np.zeros(len(index), FLOW_RECORD)
    records["client"] = np.ascontiguousarray(table.address[index]).view("V16").ravel()
    records["port"] = table.port[index].view(">u2")
    records["server"] = entries >> _U(SERVER_SHIFT) & _U(SERVER_MASK)
    records["target"] = entries & _U(TARGET_MASK)
    records["idle_s"] = age_s(entries, now_s)
    records["state"] = entries >> _U(STATE_SHIFT) & _U(3)
    return records


def of_worker(records: NDArray[np.void], index: int, workers: int) -> NDArray[np.void]:
    """Return the records whose clients' packets go to one of several workers (packet_filter.for_addresses)."""
    low = _address_words(records).view(">u4")[:, 3]
    mine: NDArray[np.void] = records[low % workers == index]
    return mine


def write_records(table: FlowTable, records: NDArray[np.void], now_s: int, rules: Rules) -> tuple[U64, U64]:
    """Write records into a table, whose only writer the caller is; returns the entries written and those replaced.

    Left out are flows that the rules do not allow, those that are in the table already, and those that find only
    entries in use where they would stand.
    """
    records = records[
        (records["server"] < SERVER_ROWS)
        & (records["target"] < MEMBER_COLUMNS)
        & (records["state"] <= max(FlowState))
    ]
    server, target = records["server"].astype(np.uint64), records["target"].astype(np.uint64)
    generation = rules.member[(server << _U(SERVER_SHIFT) | target).view(np.intp)]
    address, port = _address_words(records), records["port"].view("<u2").astype(np.uint64)
    hashes = flow_hash_vector(address[:, 0].copy(), address[:, 1].copy(), port, server, table.seed)
    entries = hashes & _PRINT | server << _U(SERVER_SHIFT) | target
    entries |= records["state"].astype(np.uint64) << _U(STATE_SHIFT)
    entries |= (generation & np.uint8(15)).astype(np.uint64) << _U(GENERATION_SHIFT)
    seen = (np.int64(now_s) - records["idle_s"].astype(np.int64)) & SEEN_MASK
    entries |= seen.astype(np.uint64) << _U(SEEN_SHIFT)
    bucket = (hashes & _U(table.bucket_mask)).view(np.intp)
    waiting = np.flatnonzero((generation != NOT_MEMBER) & live_mask(entries, now_s, rules))
    written, replaced = [], []
    while len(waiting):
        # Flows that share a line are written one after the other: each turn serves the first of every line.
        _, turn = np.unique(bucket[waiting], return_index=True)
        serve = waiting[turn]
        waiting = np.delete(waiting, turn)
        lines = table.lines[bucket[serve]]
        live = live_mask(lines.ravel(), now_s, rules).reshape(-1, WAYS)
        same = ((lines ^ entries[serve, None]) & _MATCH) == 0
        # A void entry of the flow itself is taken before others, so that a flow never stands twice in its line.
        way = (~live * 1 + (~live & same & (lines != 0)) * 1).argmax(axis=1)
        free = ~live.all(axis=1) & ~(live & same).any(axis=1)
        place = (bucket[serve] * WAYS + way)[free]
        source = serve[free]
        former = table.entries[place]
        replaced.append(former[former != 0])
        table.address[place] = address[source]
        table.port[place] = port[source]
        table.entries[place] = entries[source]
        written.append(entries[source])
    nothing = np.zeros(0, np.uint64)
    return np.concatenate([nothing, *written]), np.concatenate([nothing, *replaced])


def _address_words(records: NDArray[np.void]) -> U64:
    """Clients as two little-endian words each, [n, 2]."""
    return np.ascontiguousarray(records["client"]).view(np.uint64).reshape(-1, 2)
