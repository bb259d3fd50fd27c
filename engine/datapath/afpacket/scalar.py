"""One frame at a time: what the vectors leave out, and everything while few frames wait.

A vector costs a tenth of a millisecond and more whatever its length, a single frame some microseconds. Fragments, IP
options, VLAN tags, ICMP and super-frames always come here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from engine.datapath.afpacket.fragments import Fragments, Known, Piece
from engine.datapath.contract import DropReason, Pick
from engine.datapath.counters import word
from engine.datapath.flow_states import FIN, FIRST_STATE, NEXT_STATE, RST, SEGMENT, SYN
from engine.datapath.flowtable import (
    PAIR_MASK,
    SEEN_FIELD,
    SEEN_MASK,
    SEEN_SHIFT,
    SERVER_SHIFT,
    STATE_FIELD,
    STATE_SHIFT,
    TARGET_MASK,
    is_live,
    is_session,
    pack,
)
from engine.datapath.keys import flow_hash_v4, swap16
from engine.datapath.lookup import MARTIAN_OCTETS
from engine.io.if_packet import VNET_BYTES, VNET_GSO_NONE

if TYPE_CHECKING:
    from engine.datapath.afpacket.tables import Tables
    from engine.datapath.lookup import Lookup

_HEADER = struct.Struct("<IHIHHBBHHHBBHII")  # Ethernet and fixed IPv4 header, words as they lie in memory
_PORTS = struct.Struct("<HH")
_VNET = struct.Struct("<BBHHHH")
_IPV4 = 0x0008  # ETH_P_IP read as a little-endian word

TCP, UDP, ICMP = 6, 17, 1
_FLAGS = FIN | SYN | RST
_SYN_OF_TCP = SEGMENT | SYN

ICMP_ERRORS = frozenset({3, 11, 12})
"""Destination unreachable, time exceeded, parameter problem: they carry the header they are about (RFC 792)."""

_ECHO_REQUEST = 8

PASS = 0
"""Verdict: not for a virtual server; the control process or the host deals with it."""


def verdict(reason: DropReason) -> int:
    """Encode a drop as a number below `PASS`; targets stand above it."""
    return -1 - reason


_UNRECORDED = word("unrecorded")

_NO_SERVER = verdict(DropReason.NO_SERVER)
_CHECKSUM, _TTL, _MARTIAN = map(verdict, (DropReason.CHECKSUM, DropReason.TTL, DropReason.MARTIAN))
_NO_TARGET = verdict(DropReason.NO_TARGET)
_LOOP = verdict(DropReason.LOOP)
_MALFORMED = verdict(DropReason.MALFORMED)
_FRAGMENT = verdict(DropReason.FRAGMENT)
_ICMP_NO_FLOW = verdict(DropReason.ICMP_NO_FLOW)
_PROTOCOL = verdict(DropReason.PROTOCOL)
_TOO_BIG = verdict(DropReason.TOO_BIG)


def segments_fit(data: memoryview, mtu: int) -> bool:
    """Whether a packet over `mtu` (virtio header and frame, its IPv4 header checked) is a super-frame whose segments fit it."""
    _, gso, _, segment, _, _ = _VNET.unpack_from(data)
    if gso == VNET_GSO_NONE:
        return False
    at = VNET_BYTES + 14
    protocol, header = data[at + 9], (data[at] & 15) * 4
    at += header
    transport = (data[at + 12] >> 4) * 4 if protocol == TCP and len(data) > at + 12 else 8
    return bool(header + transport + segment <= mtu)


def too_big(data: memoryview, size: int, mtu: int) -> bool:
    """Whether a frame of `size` bytes that `Scalar.decide` has found good does not fit the MTU of its way out."""
    length = int.from_bytes(data[VNET_BYTES + 16 : VNET_BYTES + 18], "big") or size - 14
    return length > mtu and not segments_fit(data, mtu)


def server_of(data: memoryview, lookup: Lookup) -> int:
    """Return the server that a frame was for, by its destination alone; 0 where that does not tell.

    `data` is virtio header and as much of an IPv4 frame as there is. For frames that are dropped: others have their row.
    """
    if len(data) < VNET_BYTES + 34:
        return 0
    at = VNET_BYTES + 14
    to, protocol, fragment = (
        int.from_bytes(data[at + 16 : at + 20], "little"),
        data[at + 9],
        data[at + 6 : at + 8],
    )
    first_piece = not int.from_bytes(fragment, "big") & 0x1FFF
    ports = at + (data[at] & 15) * 4
    if protocol in {TCP, UDP} and first_piece and len(data) >= ports + _PORTS.size:
        row = lookup.find_row(to, _PORTS.unpack_from(data, ports)[1], protocol)
        return int(lookup.number[row]) if row >= 0 else 0
    return int(lookup.only_server.get(to, 0))


class Scalar:
    """Decides about single frames; `last_row` is the server's row of the last decision."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.last_row = 0
        self._fragments = Fragments()

    def decide(self, data: memoryview, size: int, now_s: int, vid: int = 0) -> int:
        """Decide about virtio header and frame in `data`; `size` is the frame's length on the wire, in bytes.

        `vid` is the VLAN of the tag that the kernel took out, 0 where there was none or it held a priority only.

        Returns a target number, `PASS`, or a `verdict`. `data` may hold less than `size` (a ring slot's worth).
        """
        captured = len(data) - VNET_BYTES
        if captured < 34:
            return (
                PASS
                if captured < 14 or bytes(data[VNET_BYTES + 12 : VNET_BYTES + 14]) != b"\x08\0"
                else _MALFORMED
            )
        (
            dst32,
            dst16,
            src32,
            src16,
            ethertype,
            version_ihl,
            _,
            total,
            ident,
            fragment,
            ttl,
            protocol,
            _,
            source,
            to,
        ) = _HEADER.unpack_from(data, VNET_BYTES)
        lookup = self.tables.lookup
        if ethertype != _IPV4 or dst32 | dst16 << 32 not in lookup.own or lookup.virtual_vlan.get(to) != vid:
            return PASS
        source_mac = src32 | src16 << 32
        if source_mac in lookup.blocked or source_mac in lookup.own:
            return _LOOP
        header = (version_ihl & 15) * 4
        length = swap16(total)
        gso = data[1] != VNET_GSO_NONE
        if not length and gso:
            length = size - 14  # BIG TCP: a super-frame over 64 KiB says 0 (include/linux/ip.h, iph_totlen)
        if (
            version_ihl >> 4 != 4
            or header < 20
            or length < header
            or length > size - 14
            or captured < 14 + header
        ):
            return _MALFORMED
        at = VNET_BYTES + 14 + header
        # A number is its ones' complement sum modulo 65,535; where the length stands elsewhere the sum is not of it.
        if total and int.from_bytes(data[VNET_BYTES + 14 : at], "little") % 0xFFFF:
            return _CHECKSUM
        if not ttl:
            return _TTL
        if source & 0xFF in MARTIAN_OCTETS or source in lookup.virtual_vlan:
            return _MARTIAN
        end = min(length, captured - 14) - header  # bytes of IP payload at hand
        if length > lookup.mtu_most and not segments_fit(data, lookup.mtu_most):
            return _TOO_BIG
        pieces = swap16(fragment) & 0x3FFF
        if pieces & 0x1FFF:
            return self._later_fragment(Piece(source, to, ident, protocol), now_s)
        if protocol == TCP:
            if end < 20:
                return _MALFORMED
            flags = data[at + 13] & (FIN | SYN | RST) | SEGMENT
        elif protocol == UDP:
            if end < 8:
                return _MALFORMED
            flags = 0
        elif protocol == ICMP:
            target = self._icmp(data[at : at + end], to, now_s)
            return self._first(target, Piece(source, to, ident, protocol), now_s) if pieces else target
        else:
            row = lookup.find_row(to, 0, protocol)
            return self.flow(row, source, 0, 0, now_s) if row >= 0 else _PROTOCOL
        source_port, port = _PORTS.unpack_from(data, at)
        row = lookup.find_row(to, port, protocol)
        if row < 0:
            return _NO_SERVER
        target = self.flow(row, source, source_port, flags, now_s)
        return self._first(target, Piece(source, to, ident, protocol), now_s) if pieces else target

    def _first(self, target: int, piece: Piece, now_s: int) -> int:
        """Remember where a first fragment goes, and return that."""
        if target > 0:
            server = self.tables.lookup.number[self.last_row]
            self._fragments.remember(
                piece, Known(target, server, self.tables.generation(server, target), now_s)
            )
        return target

    def flow(self, row: int, client: int, client_port: int, flags: int, now_s: int) -> int:
        """Target of a flow, from the table or newly chosen and written down."""
        tables = self.tables
        lookup, flows = tables.lookup, tables.flows
        server = lookup.number[row]
        self.last_row = row
        port = client_port if lookup.by_port[row] else 0
        flow_hash = flow_hash_v4(client, port, server, flows.seed)
        index = flows.find(flow_hash, server)
        if index >= 0:
            entry = flows.flat[index]
            if is_live(entry, now_s, lookup.rules):
                target = self._elsewhere(row, entry, client, port, flags) if lookup.leaving else 0
                if not target:
                    return self._refresh(index, entry, port, flags, now_s)
                self._write(index, server, target, flags, now_s, flow_hash)
                return target
        if flags & RST:
            return tables.pick_by_hash(row, flow_hash_v4(client, port, server)) or _NO_TARGET
        if index < 0:
            index = flows.victim(flow_hash, now_s, lookup.rules)
        if index < 0:
            tables.counters.flat[_UNRECORDED] += 1
            return tables.pick_by_hash(row, flow_hash_v4(client, port, server)) or _NO_TARGET
        # A connection that found no room when it began stays where the hash sent it, also when there is room again.
        late = flags & _SYN_OF_TCP == SEGMENT
        pick = tables.pick_by_hash if late else tables.pick
        target = pick(row, flow_hash_v4(client, port, server))
        if not target:
            return _NO_TARGET
        self._write(index, server, target, flags, now_s, flow_hash)
        flows.remember_client(index, 0, client << 32 | 0xFFFF_0000, port)
        return target

    def _elsewhere(self, row: int, entry: int, client: int, port: int, flags: int) -> int:
        """Choose anew for a flow that begins again at a target it is to leave; 0 where it stays."""
        lookup = self.tables.lookup
        if flags & (SYN | RST) != SYN or entry & PAIR_MASK not in lookup.leaving:
            return 0
        # Where nobody else has room it is better served where it is than not at all.
        return self.tables.pick(row, flow_hash_v4(client, port, lookup.number[row]))

    def _refresh(self, index: int, entry: int, port: int, flags: int, now_s: int) -> int:
        """Note a packet of a known flow, and return its target."""
        state = NEXT_STATE[bool(port)][(flags & _FLAGS) << 2 | entry >> STATE_SHIFT & 3]
        moved = entry & ~(SEEN_FIELD | STATE_FIELD) | (now_s & SEEN_MASK) << SEEN_SHIFT | state << STATE_SHIFT
        if moved != entry:
            self.tables.flows.flat[index] = moved
            if is_session(moved) != is_session(entry):
                self.tables.count_session(entry, -1)
                self.tables.count_session(moved, 1)
        return entry & TARGET_MASK

    def _write(self, index: int, server: int, target: int, flags: int, now_s: int, flow_hash: int) -> None:
        """Write the entry of a flow that begins."""
        tables = self.tables
        former = tables.flows.flat[index]
        if former:
            tables.count_end(former, now_s)
        generation = tables.generation(server, target)
        entry = pack(target, server, FIRST_STATE[flags], generation, now_s, flow_hash)
        tables.flows.flat[index] = entry
        tables.count_session(entry, 1)

    def _later_fragment(self, piece: Piece, now_s: int) -> int:
        lookup = self.tables.lookup
        known = self._fragments.find(piece, now_s)
        if known is not None:
            row = lookup.row_of_number.get(known.server)
            member = lookup.rules.member[known.server << SERVER_SHIFT | known.target]
            if row is not None and member == known.generation:
                self.last_row = row
                return known.target
        if piece.protocol == ICMP:
            return PASS  # of an echo request, which is not for a target
        row = self._only_row(piece.to, piece.protocol)
        if row < 0:
            return _FRAGMENT
        return self.flow(row, piece.source, 0, SEGMENT if piece.protocol == TCP else 0, now_s)

    def _only_row(self, to: int, protocol: int) -> int:
        """Row of the one server that a packet without ports may be for, told by its client; -1 where there is none."""
        lookup = self.tables.lookup
        rows = [row for row in lookup.rows_at(to) if lookup.table.server_protocol[row] in {0, protocol}]
        return rows[0] if len(rows) == 1 and not lookup.by_port[rows[0]] else -1

    def _icmp(self, message: memoryview, to: int, now_s: int) -> int:
        """Send an ICMP error to the target whose packet it is about (RFC 792; RFC 1191 for path MTU discovery)."""
        lookup = self.tables.lookup
        if len(message) < 8:
            return _MALFORMED
        if message[0] not in ICMP_ERRORS:
            return PASS if message[0] == _ECHO_REQUEST else _PROTOCOL
        inner = message[8:]
        if len(inner) < 28 or inner[0] >> 4 != 4:
            return _MALFORMED
        header = (inner[0] & 15) * 4
        if header < 20 or len(inner) < header + 8:
            return _MALFORMED
        if int.from_bytes(inner[12:16], "little") != to:
            return _ICMP_NO_FLOW
        client = int.from_bytes(inner[16:20], "little")
        protocol = inner[9]
        if int.from_bytes(inner[6:8], "big") & 0x1FFF:
            client_port, row = 0, self._only_row(to, protocol)  # a later fragment's quote has no ports
        else:
            has_ports = protocol in {TCP, UDP}
            server_port, client_port = _PORTS.unpack_from(inner, header) if has_ports else (0, 0)
            row = lookup.find_row(to, server_port, protocol)
        if row < 0:
            return _NO_SERVER
        self.last_row = row
        number = lookup.number[row]
        flows = self.tables.flows
        port = client_port if lookup.by_port[row] else 0
        flow_hash = flow_hash_v4(client, port, number, flows.seed)
        index = flows.find(flow_hash, number)
        if index >= 0 and is_live(entry := flows.flat[index], now_s, lookup.rules):
            return int(entry & TARGET_MASK)
        # Where the flow went without being written down, it went by the hash.
        if lookup.pick[row] == Pick.HASH or (index < 0 and flows.victim(flow_hash, now_s, lookup.rules) < 0):
            return self.tables.pick_by_hash(row, flow_hash_v4(client, port, number)) or _ICMP_NO_FLOW
        return _ICMP_NO_FLOW
