"""A forwarding table made ready for this datapath: exact IPv4 keys, MACs as words, dictionaries for single frames.

Address and port words are little-endian readings of network-order bytes, as a frame in place gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.contract import SERVER_ROWS, ForwardingTable
from engine.datapath.flowtable import CLOSING_S, Rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAPPED = bytes(10) + b"\xff\xff"
FILTER_SLOTS = 4096  # of the source-MAC pre-filter: at most 1,027 of them set


def mac_filter_slot(mac: int) -> int:
    """Slot of a MAC (little-endian 48 bits) in the pre-filter; the last bytes differ most between hosts."""
    return (mac >> 36 ^ mac >> 24) & FILTER_SLOTS - 1


def _mac_words(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Read MACs as little-endian 48-bit words."""
    padded = np.zeros((len(rows), 8), np.uint8)
    padded[:, :6] = rows
    return padded.view(np.uint64).ravel()


class Installed:
    """One table, derived. Built once when a table arrives, then read only."""

    def __init__(self, table: ForwardingTable) -> None:
        self.table = table
        self.generation = table.generation
        self.mtu = table.mtu
        self.own: list[int] = _mac_words(table.own_mac).tolist()
        self.source = self.own[0] if self.own else 0
        self.source_bytes = table.own_mac[0].tobytes() if self.own else bytes(6)
        macs = table.target_mac.tobytes()
        self.mac_bytes = [macs[at : at + 6] for at in range(0, len(macs), 6)]
        self.mac = _mac_words(table.target_mac)
        self.blocked_words = np.sort(_mac_words(table.blocked_mac))
        self.blocked = frozenset(self.blocked_words.tolist())
        self.blocked_filter = np.zeros(FILTER_SLOTS, np.bool_)
        self.blocked_filter[[mac_filter_slot(mac) for mac in self.blocked]] = True
        idle = np.zeros(SERVER_ROWS, np.uint16)
        idle[table.server_number] = table.server_idle_s
        shortest = min([CLOSING_S, *table.server_idle_s.tolist()])
        self.rules = Rules(table.member.ravel(), idle, shortest)
        virtual = table.virtual_addr.tobytes()
        rows = (virtual[at : at + 16] for at in range(0, len(virtual), 16))
        self.virtual = [row[12:] for row in rows if row[:12] == _MAPPED]
        self.virtual_words = frozenset(int.from_bytes(a, "little") for a in self.virtual)
        self._index_servers(table)

    def _index_servers(self, table: ForwardingTable) -> None:
        self.row_of: dict[int, int] = {}
        self.by_address: dict[int, list[int]] = {}
        addresses = table.server_addr.tobytes()
        ports = table.server_port.byteswap().tolist()
        protocols = table.server_protocol.tolist()
        for row, (port, protocol) in enumerate(zip(ports, protocols, strict=True)):
            raw = addresses[row * 16 : row * 16 + 16]
            if raw[:12] != _MAPPED:
                continue
            word = int.from_bytes(raw[12:], "little")
            self.row_of[word << 32 | port << 16 | protocol] = row
            self.by_address.setdefault(word, []).append(row)
        # Never empty, so that a look-up needs no special case: no frame has this key (a port 0 of protocol 255).
        keys = sorted(self.row_of) or [0xFF]
        self.keys = np.array(keys, np.uint64)
        self.key_rows = np.array([self.row_of.get(k, 0) for k in keys], np.intp)
        self.has_any_port = bool((table.server_port == 0).any())
        self.has_any_protocol = bool((table.server_protocol == 0).any())
        self.number = table.server_number.tolist()
        self.by_port = table.server_by_port.tolist()
        self.pick = table.server_pick.tolist()
        self.bucket_start = table.bucket_start.tolist()
        self.bucket_len = table.bucket_len.tolist()
        # Row vectors with one row more, so that an empty table can still be indexed.
        self.v_number = np.append(table.server_number, 0).astype(np.uint64)
        self.v_by_port = np.append(table.server_by_port, 0).astype(np.bool_)
        self.all_by_address = not self.v_by_port.any()

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
