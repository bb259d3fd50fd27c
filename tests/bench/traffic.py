"""What the generator sends: frames of many clients, all of one kind or a few of another among them."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.icmp import checksum
from engine.datapath.afpacket.ring import TransmitRing
from engine.io.if_packet import VNET_BYTES
from engine.lab import namespaces
from tests.helpers import fixtures

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEMPLATE = fixtures.case("An acknowledgement in a frame of minimum size").frame
"""What the generator sends, each frame with another client's address."""

FULL_CHUNK, PACED_CHUNK = 256, 64
"""Frames that the generator writes at a time: at full speed its own work must not be the limit."""

CLIENTS = 0x0A00_0000
"""10.0.0.0: what flows are numbered from."""

_SLOTS, _SLOT = 4096, 256 + 128
_HEAD = slice(24, 30)
"""Of an untagged frame: checksum and source address of the IP header, the bytes that differ by client."""

_VLAN = 200


def with_checksum(frame: bytes) -> bytes:
    """Put the right checksum into the IPv4 header of an untagged frame."""
    end = 14 + (frame[14] & 15) * 4
    found = checksum(frame[14:24] + bytes(2) + frame[26:end])
    return frame[:24] + found.to_bytes(2, "big") + frame[26:]


def packet(client: int, port: int = 40000, server_port: int = 80) -> bytes:
    """Return the frame of a client, by its address as a number, and the ports."""
    ports = port.to_bytes(2, "big") + server_port.to_bytes(2, "big")
    return with_checksum(
        b"".join((TEMPLATE[:26], client.to_bytes(4, "big"), TEMPLATE[30:34], ports, TEMPLATE[38:]))
    )


def with_options(frame: bytes) -> bytes:
    """Put 4 bytes of options, all "no operation", into the IP header (RFC 791 3.1)."""
    length = (int.from_bytes(frame[16:18], "big") + 4).to_bytes(2, "big")
    return with_checksum(
        b"".join((frame[:14], b"\x46", frame[15:16], length, frame[18:34], b"\1\1\1\1", frame[34:]))
    )


@dataclass(frozen=True)
class Traffic:
    """Frames of one kind and, one in `every`, of another; all tagged or none. `usual` and `odd` are client 0's."""

    name: str
    usual: bytes
    odd: bytes | None = None
    every: int = 0
    vlan: int = 0  # 0: untagged

    @property
    def tag(self) -> bytes:
        return b"\x81\0" + self.vlan.to_bytes(2, "big") if self.vlan else b""

    def on_the_wire(self, frame: bytes) -> bytes:
        return frame[:12] + self.tag + frame[12:]


PLAIN = Traffic("plain frames", packet(0))
TAGGED = Traffic("tagged frames", packet(0), vlan=_VLAN)
OPTIONS = Traffic("frames with IP options", with_options(packet(0)))
MIXED = Traffic("1 % with IP options", packet(0), with_options(packet(0)), 100)
ELSEWHERE = Traffic("plain frames of the other server", packet(0, server_port=81))


def _heads(frame: bytes, flows: int, chunk: int) -> NDArray[np.uint8]:
    """Checksum and source address of the headers of `flows` clients, and those of the first `chunk` once more."""
    rest = (
        0xFFFF - int.from_bytes(frame[24:26], "big") + (CLIENTS >> 16)
    )  # sum of the header but for the client
    ids = np.arange(flows + chunk) % flows
    total = rest + (ids >> 16) + (ids & 0xFFFF)
    total = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
    columns = [
        total >> 8,
        total & 255,
        np.full(len(ids), CLIENTS >> 24),
        ids >> 16,
        ids >> 8 & 255,
        ids & 255,
    ]
    return np.column_stack(columns).astype(np.uint8)


def _fill(ring: TransmitRing, slots: slice | NDArray[np.intp], frame: bytes) -> None:
    data = np.frombuffer(bytes(VNET_BYTES) + frame, np.uint8)
    ring.u8[slots, 32 : 32 + len(data)] = data
    ring.u8[slots, 34] = len(frame)  # all header: copied, not linked
    ring.u32[slots, 1] = len(data)


def generate(
    netns: str,
    cpu: int,
    seconds: float,
    rate: float | None,
    flows: int,
    start: float,
    report,
    traffic: Traffic,
) -> None:
    """Send frames of `flows` clients at `rate` a second (None: as fast as possible), then report how many."""
    namespaces.enter(netns, namespaces.CLONE_NEWNET)
    os.sched_setaffinity(0, {cpu})
    ring = TransmitRing("g0", _SLOTS, _SLOT)
    odd = np.arange(_SLOTS) % traffic.every == 0 if traffic.odd else np.zeros(_SLOTS, np.bool_)
    _fill(ring, slice(None), traffic.on_the_wire(traffic.usual))
    if traffic.odd:
        _fill(ring, np.flatnonzero(odd), traffic.on_the_wire(traffic.odd))
    chunk = FULL_CHUNK if rate is None else PACED_CHUNK
    first = 42 + len(traffic.tag)
    varying = slice(first + _HEAD.start, first + _HEAD.stop)
    # Checksums are made beforehand, or making them is the limit.
    heads = _heads(traffic.usual, flows, chunk)
    odd_heads = _heads(traffic.odd, flows, chunk) if traffic.odd else heads
    sent = 0
    time.sleep(max(0.0, start - time.monotonic()))
    begin = time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        if rate is not None and sent > (now - begin) * rate:
            continue
        head = ring.head
        if ring.room(chunk) < chunk:
            ring.flush()
            continue
        at = sent % flows
        ring.u8[head : head + chunk, varying] = heads[at : at + chunk]
        if traffic.odd:
            others = np.flatnonzero(odd[head : head + chunk])
            ring.u8[head + others, varying] = odd_heads[at + others]
        ring.status[head : head + chunk] = 1
        ring.advance(chunk)
        with contextlib.suppress(BlockingIOError):
            ring.flush()
        sent += chunk
    report.send(sent)
