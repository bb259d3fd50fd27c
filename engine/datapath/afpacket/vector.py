"""Many frames at a time: header fields of a batch as columns, one numpy expression for each step.

What is not plain (options, fragments, super-frames, ICMP, other protocols, anything doubtful) is left to the scalar
path, so a column here may assume an IPv4 header of 20 bytes, TCP or UDP, whole in its slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.datapath.afpacket import slot
from engine.datapath.afpacket.scalar import Scalar, verdict
from engine.datapath.afpacket.vector_flows import VectorFlows
from engine.datapath.contract import DropReason
from engine.datapath.counters import word
from engine.datapath.flow_states import SEGMENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.afpacket.tables import Tables
    from engine.datapath.keys import U64

# Words of a slot by name (slot.py has the map); local names, for a look-up through the module costs time.
_STATUS, _CAPTURED, _VIRTIO, _TO, _TO_FROM = slot.STATUS, slot.CAPTURED, slot.VIRTIO, slot.TO, slot.TO_FROM
_FROM_IP, _TCP_WORD = slot.FROM_IP, slot.TCP
_FORWARDED = word("forwarded")

_U = np.uint64
_14, _16, _32, _40, _48 = _U(14), _U(16), _U(32), _U(40), _U(48)
_FF, _FFFF, _FFFFFFFF = _U(0xFF), _U(0xFFFF), _U(0xFFFF_FFFF)
_HIGH32, _PORT = _U(0xFFFF_FFFF_0000_0000), _U(0xFFFF_0000)
_LOW48 = _U(0xFFFF_FFFF_FFFF)
_TCP, _UDP = _U(6), _U(17)
_TTL = _U(0xFF << 32)
_VID = _U(0x0FFF)
_FIN_SYN_RST, _SEGMENT = _U(7), _U(SEGMENT)

NOT_PLAIN = -1000
"""In the verdicts: for the scalar path."""

_NO_SERVER = verdict(DropReason.NO_SERVER)
_LOOP = verdict(DropReason.LOOP)


class Vector:
    """Decides about batches and rewrites their MACs in place."""

    def __init__(self, tables: Tables, scalar: Scalar) -> None:
        self.tables = tables
        self.flows = VectorFlows(tables, scalar)

    def decide(
        self, columns: U64, now_s: int, plain: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Decide about a batch.

        `columns` is [slot.WORDS, n]: the words of each slot that slot.py names. Returns verdicts [n] (a target
        number, a `verdict`, or `NOT_PLAIN`) and the servers' rows [n] (meaningful where a target was found).
        """
        # Each call costs more than its work on some hundred frames: what counts here is the number of calls.
        lookup = self.tables.lookup
        count = columns.shape[1]
        from_ip, ip, addresses, ports, tcp = columns[_FROM_IP : _TCP_WORD + 1]
        protocol = ip >> _40 & _FF
        is_tcp = protocol == _TCP
        if plain is None:
            plain = self.plain(columns)
        rows, known = self._rows(addresses & _HIGH32 | ports & _PORT | protocol)
        use = plain & known
        suspect = lookup.blocked_filter.take((from_ip & _FFFF).view(np.intp))
        if np.count_nonzero(suspect):
            source = columns[_TO_FROM] >> _32 | (from_ip & _FFFF) << _32
            suspect &= np.isin(source, lookup.blocked_words)
            use &= ~suspect
        flags = tcp >> _40 & _FIN_SYN_RST | _SEGMENT
        if np.count_nonzero(is_tcp) != count:
            flags *= is_tcp
        usable = np.count_nonzero(use)
        if usable == count:
            return self.flows.targets(rows, addresses, ports, flags, now_s), rows
        verdicts = np.where(plain, _NO_SERVER, NOT_PLAIN)
        verdicts[plain & suspect] = _LOOP
        rows[~known] = len(lookup.number)  # the row of no server
        # What is not to one of our addresses any more (it waited while a table went) passes; the other path counts it.
        strange = plain & ~known
        if np.count_nonzero(strange):
            verdicts[strange & ~np.isin(addresses >> _32, lookup.v_virtual)] = NOT_PLAIN
        if usable:
            at = np.flatnonzero(use)
            verdicts[at] = self.flows.targets(rows[at], addresses[at], ports[at], flags[at], now_s)
        return verdicts, rows

    def plain(self, columns: U64) -> NDArray[np.bool_]:
        """Tell which frames of a batch a vector can decide about."""
        lookup = self.tables.lookup
        odd = columns[: slot.HEAD_WORDS] ^ self.tables.plain_words
        odd &= slot.PLAIN_MASK
        size = columns[_STATUS] >> _32
        differs = np.bitwise_or.reduce(odd, axis=0)
        differs |= (size ^ columns[_CAPTURED]) & _FFFFFFFF  # not all of it was captured
        plain: NDArray[np.bool_] = differs == 0
        ip = columns[slot.IP]
        protocol = ip >> _40 & _FF
        plain &= (protocol == _TCP) | (protocol == _UDP)
        ip_length = slot.ip_lengths(columns)
        # 40 bytes hold either transport header; a shorter UDP packet is rare enough for the other path.
        plain &= ip_length >= _40
        plain &= ip_length + _14 <= np.minimum(size, lookup.mtu_least + 14)
        addresses = columns[slot.ADDRESSES]
        # What the other path drops as impossible: see there.
        strange = lookup.martian_first.take((addresses & _FF).view(np.intp))
        strange |= (ip & _TTL) == 0
        total = columns[_FROM_IP] >> _32
        for part in (ip, addresses):
            total += part >> _32
            total += part & _FFFFFFFF
        strange |= total % _FFFF != 0
        virtual = lookup.virtual_last.take((addresses >> _16 & _FFFF).view(np.intp))
        if np.count_nonzero(virtual):
            strange |= virtual & np.isin(addresses & _FFFFFFFF, lookup.v_virtual)
        plain &= ~strange
        tags = slot.tags(columns)
        if tags is not None or lookup.any_vlan:
            plain &= self._on_its_vlan(addresses >> _32, tags)
        return plain

    def _on_its_vlan(self, to: U64, tags: U64 | None) -> NDArray[np.bool_]:
        """Tell which frames came on the VLAN of their virtual address; the other path passes the rest."""
        lookup = self.tables.lookup
        if not len(lookup.v_virtual):
            return np.zeros(len(to), np.bool_)
        place = np.minimum(lookup.v_virtual.searchsorted(to), len(lookup.v_virtual) - 1)
        vlan = _U(0) if tags is None else tags & _VID
        right: NDArray[np.bool_] = lookup.v_vlan.take(place) == vlan
        return right

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

    def rewrite(self, columns: U64, targets: NDArray[np.int64]) -> None:
        """Set destination and source MAC in the columns, and ask for a whole copy on sending.

        The kernel links a ring's pages into the frame it sends, and a receiver on the same host may still read them
        when the slot is used again. A virtio header that says "all of it is header" makes it copy instead.
        """
        lookup = self.tables.lookup
        mac = lookup.mac[targets]
        source: Any = lookup.v_source[0] if lookup.one_egress else lookup.v_source[lookup.v_egress[targets]]
        columns[_VIRTIO] = (columns[_VIRTIO] & _LOW48) | columns[_STATUS] >> _32 << _48  # hdr_len
        columns[_TO] = (columns[_TO] & _LOW48) | mac << _48
        columns[_TO_FROM] = mac >> _16 | source << _32
        columns[_FROM_IP] = (columns[_FROM_IP] & ~_FFFF) | source >> _32

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
