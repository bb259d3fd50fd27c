"""More frames a second than anybody reads: a process that sends what it is given, over and over, from memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.afpacket.ring import TransmitRing
from engine.io.if_packet import TX_FRAME, TX_VNET, VNET_BYTES
from engine.lab.namespaces import enter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK = 256
SLOTS = 4096
CLONE_NEWNET = 0x4000_0000


@dataclass
class Flood:
    """What was sent, once it has ended."""

    sent: int = 0
    seconds: float = 0.0

    @property
    def pps(self) -> float:
        return self.sent / self.seconds


def _slot(frames: Sequence[bytes]) -> int:
    """An odd multiple of 128 bytes, as the ring wants its slots."""
    return (-(-(TX_FRAME + max(map(len, frames))) // 128) | 1) * 128


def _send(place, frames, rate, ends, report) -> None:
    path, interface = place
    enter(path, CLONE_NEWNET)
    os.nice(5)  # what is flooded has its turn, as on a machine of its own
    slot = _slot(frames)
    ring = TransmitRing(interface, SLOTS if slot <= 512 else 512, slot)
    for at in range(ring.slots):
        frame = frames[at % len(frames)]
        ring.u8[at, TX_FRAME : TX_FRAME + len(frame)] = np.frombuffer(frame, np.uint8)
        ring.u32[at, 1] = len(frame) + VNET_BYTES
        ring.view[at * slot + TX_VNET + 2 : at * slot + TX_VNET + 4] = len(frame).to_bytes(2, "little")
    sent, begin = 0, time.monotonic()
    report.send(None)
    while not ends.poll():
        if rate is not None and sent > (time.monotonic() - begin) * rate:
            time.sleep(0.0005)
            continue
        if ring.room(CHUNK) < CHUNK:
            with contextlib.suppress(OSError):
                ring.flush()
            continue
        ring.status[ring.head : ring.head + CHUNK] = 1
        ring.advance(CHUNK)
        sent += CHUNK
        with contextlib.suppress(OSError):
            ring.flush()
    report.send((sent, time.monotonic() - begin))
    os._exit(0)


@contextlib.contextmanager
def flood(
    lab, frames: Sequence[bytes], *, node="switch", interface="lb", rate: float | None = None
) -> Iterator[Flood]:
    """Send frames for the length of the block, at `rate` a second or as fast as they go; by default at the balancer alone."""
    ours, theirs = multiprocessing.Pipe()
    stop, ends = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_send, args=((lab.netns_path(node), interface), frames, rate, ends, theirs)
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
