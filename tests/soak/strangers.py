"""Floods of sources that are never the same: so many packets of each, of one kind, as fast as asked."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.ring import TransmitRing
from engine.io.if_packet import TX_FRAME, VNET_BYTES
from engine.lab.namespaces import CLONE_NEWNET, enter
from tests.helpers.flood import Flood
from tests.soak.established import ACK, PORT_OF, STRANGERS, SYN, UDP_PORT, segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.lab.topology import Lab

KINDS = {"SYN": (SYN,), "SYN+ACK": (SYN | ACK,), "ACK": (ACK,), "SYN, then ACK": (SYN, ACK), "UDP": (0,)}
"""Flags of a source's packets; the last of them again, where there are more packets."""

SOURCES = 1 << 24
_SLOTS, _CHUNK, _SLOT = 3072, 192, 384  # both are made of sources of one, two and three packets
_VARYING = slice(24, 30)  # checksum and source address of the IP header


def _frames(kind: str, packets: int) -> list[bytes]:
    """Return what stands in the slots of the ring, from the source 0.0.0.0."""
    flags = [*KINDS[kind], *KINDS[kind][-1:] * packets][:packets]
    ports, protocol = ([UDP_PORT], 17) if kind == "UDP" else (list(PORT_OF.values()), 6)
    return [
        segment(0, ports[at // packets % len(ports)], flags[at % packets], protocol) for at in range(_SLOTS)
    ]


def _send(place: str, kind: str, packets: int, rate: float, sources: np.ndarray, ends, report) -> None:
    enter(place, CLONE_NEWNET)
    os.nice(5)
    ring = TransmitRing("lb", _SLOTS, _SLOT)
    rest = np.zeros(_SLOTS, np.int64)
    for at, frame in enumerate(_frames(kind, packets)):
        ring.u8[at, TX_FRAME : TX_FRAME + len(frame)] = np.frombuffer(frame, np.uint8)
        ring.u8[at, TX_FRAME - VNET_BYTES + 2] = len(frame)  # all header: copied, not linked
        ring.u32[at, 1] = len(frame) + VNET_BYTES
        rest[at] = 0xFFFF - int.from_bytes(frame[24:26], "big")
    varying = slice(TX_FRAME + _VARYING.start, TX_FRAME + _VARYING.stop)
    sent, begin = 0, time.monotonic()
    report.send(None)
    while not ends.poll():
        if sent > (time.monotonic() - begin) * rate:
            time.sleep(0.0002)
            continue
        if ring.room(_CHUNK) < _CHUNK:
            with contextlib.suppress(OSError):
                ring.flush()
            continue
        head = ring.head
        source = sources[(sent + np.arange(_CHUNK)) // packets % len(sources)].astype(np.int64)
        total = rest[head : head + _CHUNK] + (source >> 16) + (source & 0xFFFF)
        total = (total & 0xFFFF) + (total >> 16)
        total = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
        columns = [total >> 8, total, source >> 24, source >> 16, source >> 8, source]
        ring.u8[head : head + _CHUNK, varying] = (np.column_stack(columns) & 255).astype(np.uint8)
        ring.status[head : head + _CHUNK] = 1
        ring.advance(_CHUNK)
        sent += _CHUNK
        with contextlib.suppress(OSError):
            ring.flush()
    report.send((sent, time.monotonic() - begin))
    os._exit(0)


@contextlib.contextmanager
def strangers(
    lab: Lab, kind: str, packets: int, rate: float, sources: np.ndarray | None = None, first: int = 0
) -> Iterator[Flood]:
    """Send for the length of the block, `packets` of each source; by default of every source there is, from `first` on."""
    if sources is None:
        sources = STRANGERS + (first + np.arange(SOURCES, dtype=np.uint32)) % SOURCES
    ours, theirs = multiprocessing.Pipe()
    stop, ends = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_send, args=(lab.netns_path("switch"), kind, packets, rate, sources, ends, theirs)
    )
    process.start()
    found = Flood()
    try:
        ours.recv()
        yield found
    finally:
        stop.send(None)
        if ours.poll(10):
            found.sent, found.seconds = ours.recv()
        process.join(10)
        process.kill()
