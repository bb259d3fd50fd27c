"""Super-frames of transfers that go on: decided by what the one before was decided by.

A fast upload is tens of thousands of super-frames a second of which each differs from the one before in lengths, numbers
and checksums alone. What the whole decision rests on is remembered for each connection and compared: the same headers,
the same table, the same second, and the flow's entry as it was. Nothing is decided here that `Scalar` would not decide.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from engine.datapath.afpacket.scalar import TCP, too_big
from engine.datapath.flow_states import FlowState
from engine.datapath.flowtable import SEEN_MASK, SEEN_SHIFT, STATE_SHIFT
from engine.datapath.keys import flow_hash_v4, swap16
from engine.io.if_packet import VNET_BYTES

if TYPE_CHECKING:
    from engine.datapath.afpacket.scalar import Scalar
    from engine.datapath.lookup import Lookup

_HEADERS = struct.Struct("<26sH2x4s2x12s8xBB")
"""Virtio header to TOS; total length; fragment to protocol; addresses and ports; TCP's data offset and flags."""

_IPV4_WITHOUT_OPTIONS = bytes.fromhex("080045")
_NOT_A_FRAGMENT = frozenset({b"\0\0", b"\x40\0"})
_FIN_SYN_RST = 7
_IP = slice(VNET_BYTES + 14, VNET_BYTES + 34)
_MOST = 256
"""Connections remembered; with more transfers at a time, super-frames are decided one by one."""


class _Transfer(NamedTuple):
    start: bytes
    middle: bytes
    offset: int
    vid: int
    lookup: Lookup
    now_s: int
    place: int  # of the flow's entry
    entry: int
    row: int
    target: int


class Transfers:
    """Decides about super-frames as its scalar does, and faster where it can."""

    def __init__(self, scalar: Scalar) -> None:
        self.scalar = scalar
        self.fits = False  # the last frame is known to fit the way out to its target
        self._known: dict[bytes, _Transfer] = {}

    def decide(self, data: memoryview, size: int, now_s: int, vid: int) -> int:
        """Decide about virtio header and frame in `data`, which are whole (see `Scalar.decide`)."""
        self.fits = False
        if len(data) < _HEADERS.size:
            return self.scalar.decide(data, size, now_s, vid)
        start, total, middle, ends, offset, flags = _HEADERS.unpack_from(data)
        known = self._known.get(ends)
        tables = self.scalar.tables
        if (
            known is not None
            and known.start == start
            and known.middle == middle
            and known.offset == offset
            and known.vid == vid
            and swap16(total) == size - 14
            and not flags & _FIN_SYN_RST
            and known.now_s == now_s
            and known.lookup is tables.lookup
            and known.entry == tables.flows.flat[known.place]
            and not int.from_bytes(data[_IP], "little") % 0xFFFF
        ):
            self.scalar.last_row = known.row
            self.fits = True
            return known.target
        target = self.scalar.decide(data, size, now_s, vid)
        if target > 0 and swap16(total) == size - 14 and not flags & _FIN_SYN_RST:
            self._remember(data, now_s, vid, target)
        return target

    def _remember(self, data: memoryview, now_s: int, vid: int, target: int) -> None:
        """Remember a super-frame of an open flow that was seen in this second: of that, another segment changes nothing."""
        start, total, middle, ends, offset, _ = _HEADERS.unpack_from(data)
        if start[22:25] != _IPV4_WITHOUT_OPTIONS or middle[3] != TCP or middle[:2] not in _NOT_A_FRAGMENT:
            return
        tables, row = self.scalar.tables, self.scalar.last_row
        lookup, flows = tables.lookup, tables.flows
        mtu = lookup.egress[lookup.egress_of[target]].mtu
        # What is over the MTU is a super-frame whose segments fit, and so do those of one with the same headers.
        if swap16(total) <= lookup.mtu_most or too_big(data, len(data) - VNET_BYTES, mtu):
            return
        server = lookup.number[row]
        client = int.from_bytes(ends[:4], "little")
        port = int.from_bytes(ends[8:10], "little") if lookup.by_port[row] else 0
        place = flows.find(flow_hash_v4(client, port, server, flows.seed), server)
        if place < 0:
            return
        entry = flows.flat[place]
        if entry >> STATE_SHIFT & 3 != FlowState.OPEN or entry >> SEEN_SHIFT & SEEN_MASK != now_s & SEEN_MASK:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[ends] = _Transfer(start, middle, offset, vid, lookup, now_s, place, entry, row, target)
