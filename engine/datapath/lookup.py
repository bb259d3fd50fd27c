"""A forwarding table made ready for look-ups in frames: exact IPv4 keys, MACs as words, dictionaries for single frames.

Address and port words are little-endian readings of network-order bytes, as a frame in place gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.datapath.contract import Pick
from engine.datapath.flowtable import rules_of
from engine.datapath.keys import hash_slot
from engine.domain.address import MAPPED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from engine.datapath.contract import ForwardingTable

MARTIAN_OCTETS = frozenset({0, 127, *range(224, 256)})
"""First bytes of addresses that no packet may come from (RFC 1812 section 5.3.7)."""

_MAPPED = np.frombuffer(MAPPED, np.uint8)


def _mac_words(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Read MACs as little-endian 48-bit words."""
    padded = np.zeros((len(rows), 8), np.uint8)
    padded[:, :6] = rows
    return padded.view(np.uint64).ravel()


def _texts(rows: NDArray[np.uint8]) -> list[bytes]:
    """Rows of bytes, each as an object of its own."""
    found: list[bytes] = np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel().tolist()
    return found


class Egress(NamedTuple):
    """A way out. `ifindex` 0: the interface that frames came by; `vlan` None: the tag that they came with."""

    ifindex: int
    mac: bytes
    mtu: int
    vlan: int | None


class Lookup:
    """One table, derived. Built once when a table arrives, then read only.

    Frames wait while the worker builds it, so whole arrays are taken at a time, and `breathe` is called in between:
    512 servers take a millisecond in all.
    """

    def __init__(self, table: ForwardingTable, breathe: Callable[[], None] = lambda: None) -> None:
        self.table = table
        self.generation = table.generation
        self._index_egress(table)
        self.own: list[int] = _mac_words(table.own_mac).tolist()
        self.source = self.own[0] if self.own else 0
        self.mac_bytes = _texts(table.target_mac)
        self.mac = _mac_words(table.target_mac)
        breathe()
        self.blocked_words = np.sort(_mac_words(np.concatenate((table.blocked_mac, table.own_mac))))
        self.blocked = frozenset(self.blocked_words.tolist())
        # By the last two bytes, which differ most between hosts: a frame from none of them is sure to be no loop.
        self.blocked_filter = np.zeros(1 << 16, np.bool_)
        self.blocked_filter[self.blocked_words >> np.uint64(32)] = True
        breathe()
        self.rules = rules_of(table)
        self.limit = table.target_limit.tolist()
        self.limited = np.flatnonzero(table.target_limit)
        self.v_limit = np.where(table.target_limit, table.target_limit, np.iinfo(np.int64).max).astype(
            np.int64
        )
        self.leaving = frozenset(table.leaving.tolist())
        self.v_leaving = np.sort(table.leaving).astype(np.uint64)
        breathe()
        mapped = (table.virtual_addr[:, :12] == _MAPPED).all(axis=1)
        virtual = table.virtual_addr[mapped, 12:]
        words = virtual.view("<u4").ravel()
        self.virtual_vlan: dict[int, int] = dict(
            zip(words.tolist(), table.virtual_vlan[mapped].tolist(), strict=True)
        )
        self.v_virtual = np.sort(words).astype(np.uint64)
        self.v_vlan = table.virtual_vlan[mapped][np.argsort(words)].astype(np.uint64)
        self.any_vlan = bool(self.v_vlan.any())
        # Sources that cannot be, by their first byte, and for virtual addresses by the last two.
        self.martian_first = np.zeros(1 << 8, np.bool_)
        self.martian_first[list(MARTIAN_OCTETS)] = True
        self.virtual_last = np.zeros(1 << 16, np.bool_)
        self.virtual_last[self.v_virtual >> np.uint64(16)] = True
        breathe()
        self._index_servers(table, breathe)

    def _index_egress(self, table: ForwardingTable) -> None:
        source = table.own_mac[:1].tobytes() or bytes(6)
        self.egress = [Egress(0, source, table.mtu, None)]
        macs = map(bytes, table.egress_mac.tolist())
        columns = (table.egress_ifindex.tolist(), macs, table.egress_mtu.tolist(), table.egress_vlan.tolist())
        self.egress += map(Egress._make, zip(*columns, strict=True))
        self.egress_of: list[int] = table.target_egress.tolist()
        self.v_egress = table.target_egress.astype(np.intp)
        self.v_source = _mac_words(
            np.frombuffer(b"".join(e.mac for e in self.egress), np.uint8).reshape(-1, 6)
        )
        self.one_egress = len(self.egress) == 1
        self.mtu_most = max(e.mtu for e in self.egress)
        self.mtu_least = min(e.mtu for e in self.egress)

    def _index_servers(self, table: ForwardingTable, breathe: Callable[[], None]) -> None:
        rows = np.flatnonzero((table.server_addr[:, :12] == _MAPPED).all(axis=1))
        words = np.ascontiguousarray(table.server_addr[rows, 12:]).view("<u4").ravel().astype(np.uint64)
        ports = table.server_port[rows].byteswap().astype(np.uint64)
        keys = words << np.uint64(32) | ports << np.uint64(16) | table.server_protocol[rows]
        self.row_of: dict[int, int] = dict(zip(keys.tolist(), rows.tolist(), strict=True))
        self._rows, self._addresses = rows, words
        breathe()
        # One more at the end, which no frame has (protocol 255): a look-up needs no case for what is beyond all.
        order = np.argsort(keys)
        self.keys = np.append(keys[order], np.uint64(0xFFFF_FFFF_FFFF_FFFF))
        self.key_rows = np.append(rows[order], 0)
        breathe()
        self.has_any_port = bool((table.server_port == 0).any())
        self.has_any_protocol = bool((table.server_protocol == 0).any())
        self.number = table.server_number.tolist()
        # By address word, where one server alone has it: whose a frame without ports is.
        self.only_server = {
            int(word): self.number[rows[at]]
            for word, at, times in zip(*np.unique(words, return_index=True, return_counts=True), strict=True)
            if times == 1
        }
        self.row_of_number = {number: row for row, number in enumerate(self.number)}
        self.by_port = table.server_by_port.tolist()
        self.pick = table.server_pick.tolist()
        self.bucket_start = table.bucket_start.tolist()
        self.bucket_len = table.bucket_len.tolist()
        # What is chosen by hash, where the method is another one: of `first` it is the first all the same.
        first = table.server_pick == Pick.FIRST
        hash_len = np.where(first, np.minimum(table.bucket_len, 1), table.bucket_len)
        self.hash_len = hash_len.tolist()
        # Row vectors with one row more, so that an empty table can still be indexed.
        self.v_number = np.append(table.server_number, 0).astype(np.uint64)
        self.v_buckets = np.append(table.buckets, 0).astype(np.int64)  # one more for servers without any
        self.v_bucket_start = np.append(table.bucket_start, 0).astype(np.intp)
        self.v_bucket_len = np.append(table.bucket_len, 0).astype(np.intp)
        self.v_hash_len = np.append(hash_len, 0).astype(np.intp)
        self.v_pick = np.append(table.server_pick, 0).astype(np.intp)
        self.v_least = self.v_pick == Pick.LEAST
        self.v_by_port = np.append(table.server_by_port, 0).astype(np.bool_)
        self.all_by_address = not self.v_by_port.any()
        self._candidates: dict[int, tuple[NDArray[np.uint16], NDArray[np.uint16]]] = {}

    def candidates(self, row: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Return the targets of new flows of a row, and their weights. Kept, for a flood of SYNs asks for them each time."""
        found = self._candidates.get(row)
        if found is None:
            start = self.bucket_start[row]
            targets = self.table.buckets[start : start + self.bucket_len[row]]
            found = self._candidates[row] = targets, self.table.target_weight[targets]
        return found

    def by_vlan(self) -> dict[int, list[bytes]]:
        """Return the virtual addresses by the VLAN they are served on, 0: untagged."""
        found: dict[int, list[bytes]] = {}
        for word, vlan in self.virtual_vlan.items():
            found.setdefault(vlan, []).append(word.to_bytes(4, "little"))
        return found

    def would_pick(self, row: int, flow_hash: int) -> int | None:
        """Target of a new flow where the method tells it beforehand (hash, first, one target), else None."""
        start, length = self.bucket_start[row], self.hash_len[row]
        if not length:
            return None
        if self.pick[row] == Pick.HASH:
            return int(self.table.buckets[start + hash_slot(flow_hash, length)])
        choices = set(self.table.buckets[start : start + length].tolist())
        return int(choices.pop()) if len(choices) == 1 else None

    def rows_at(self, address: int) -> list[int]:
        """Rows of the servers with an address."""
        found: list[int] = self._rows[self._addresses == address].tolist()
        return found

    def find_row(self, address: int, port: int, protocol: int) -> int:
        """Row of the server for a destination, the most exact first; -1 where there is none."""
        base = address << 32
        row = self.row_of.get(base | port << 16 | protocol)
        if row is None and self.has_any_port:
            row = self.row_of.get(base | protocol)
        if row is None and self.has_any_protocol:
            row = self.row_of.get(base | port << 16)
            if row is None:
                row = self.row_of.get(base)
        return -1 if row is None else row
