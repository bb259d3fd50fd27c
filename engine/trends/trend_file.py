"""The file: three rings of slots, of a second, of ten and of a minute, read and written at their places.

Nothing of it is mapped: a slot is written with one call and read with one, so the memory is the kernel's page cache and
not the engine's. The coarser rings are made of the finer ones in the file itself, so that a restart in the middle of a
minute costs nothing but the seconds in which nobody measured.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.trends.measures import COLUMNS, HEADER, RECORDS, SLOT, Subject
from engine.trends.scale import decode, encode

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ring:
    """Slots of one length: the slot of Unix time t is t // step_s, modulo their count."""

    step_s: int
    slots: int
    first: int  # the slots of the rings before it

    @property
    def span_s(self) -> int:
        """How far back it reaches."""
        return self.step_s * self.slots


RINGS = (Ring(1, 600, 0), Ring(10, 1080, 600), Ring(60, 2880, 1680))
"""Ten minutes by the second, three hours by ten seconds, two days by the minute."""

_MAGIC = b"bngtrend"
_VERSION = 1
_PREAMBLE = struct.Struct("<8sIII")  # magic, version, bytes of a slot, slots
_PREAMBLE_BYTES = 4096
_SLOTS = RINGS[-1].first + RINGS[-1].slots

FILE_BYTES = _PREAMBLE_BYTES + _SLOTS * SLOT.itemsize
"""What it has at most; what was never written takes no room on the disk."""


class TrendFile:
    """An open file of trends. Its calls wait for the disk: they are for a thread."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it. Raises OSError.

        What has another layout, or is none, is begun anew: it is no more than a picture of two days.
        """
        self.began_anew = False
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            wanted = _PREAMBLE.pack(_MAGIC, _VERSION, SLOT.itemsize, _SLOTS)
            found = os.pread(self._fd, len(wanted), 0)
            if found != wanted or os.fstat(self._fd).st_size != FILE_BYTES:
                self.began_anew = bool(found)
                os.ftruncate(self._fd, 0)
                os.ftruncate(self._fd, FILE_BYTES)
                os.pwrite(self._fd, wanted, 0)
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    # -- writing ----------------------------------------------------------------------------------------------------

    def write(self, second: int, slot: NDArray[Any]) -> None:
        """Put down the slot of a second, and those of the coarser rings that end with it. Raises OSError."""
        self._put(RINGS[0], second, slot)
        for finer, ring in pairwise(RINGS):
            if (second + 1) % ring.step_s == 0:
                self._summarise(finer, ring, second // ring.step_s * ring.step_s)

    def catch_up(self, second: int) -> None:
        """Make the coarser slots up to a second that nobody was there to make. Raises OSError."""
        for finer, ring in pairwise(RINGS):
            last = second // ring.step_s
            for number in range(last - finer.span_s // ring.step_s + 1, last):
                if self._slot(ring, number * ring.step_s) is None:
                    self._summarise(finer, ring, number * ring.step_s)

    def _summarise(self, finer: Ring, ring: Ring, begin_s: int) -> None:
        """Make a slot of the finer slots in it: means of what was measured, and every state that there was."""
        parts = [
            part
            for at in range(begin_s, begin_s + ring.step_s, finer.step_s)
            if (part := self._slot(finer, at)) is not None
        ]
        if not parts:
            return
        made = np.zeros((), SLOT)
        made["header"] = parts[-1]["header"]
        for subject, columns in COLUMNS.items():
            rows = int(made["header"][subject])
            records = np.stack([part[subject][:rows] for part in parts])
            of_another = records["identity"] != records["identity"][-1]
            for name in columns:
                values = decode(records[name])
                values[of_another] = np.nan
                measured = ~np.isnan(values)
                count = measured.sum(axis=0)
                total = np.where(measured, values, 0).sum(axis=0)
                made[subject][name][:rows] = encode(np.where(count, total / np.maximum(count, 1), np.nan))
            states = np.where(of_another, 0, records["state"])
            made[subject]["state"][:rows] = np.bitwise_or.reduce(states, axis=0)
            made[subject]["identity"][:rows] = records["identity"][-1]
        self._put(ring, begin_s, made)

    def _put(self, ring: Ring, second: int, slot: NDArray[Any]) -> None:
        slot["header"]["begin_s"] = second // ring.step_s * ring.step_s
        slot["header"]["pid"] = os.getpid()
        data = slot.tobytes()
        if os.pwrite(self._fd, data, self._place(ring, second)) != len(data):
            raise OSError(28, os.strerror(28))  # ENOSPC: what there was room for was written

    # -- reading ----------------------------------------------------------------------------------------------------

    def read(
        self, ring: Ring, subject: Subject, number: int, end_s: int, seconds: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the records of one target, server or the datapath (number 0) that there are, oldest first.

        The times at which they begin, Unix seconds, over `end_s` - `seconds` up to `end_s`; and as many records.
        """
        record, rows_at = RECORDS[subject], int(HEADER.fields[subject][1])  # type: ignore[index] # it has fields
        offset = int(SLOT.fields[subject][1]) + number * record.itemsize  # type: ignore[index] # it has fields
        times: list[int] = []
        found: list[bytes] = []
        last = end_s // ring.step_s
        for slot in range(last - min(seconds // ring.step_s, ring.slots) + 1, last + 1):
            begin_s = slot * ring.step_s
            place = self._place(ring, begin_s)
            header = os.pread(self._fd, HEADER.itemsize, place)
            is_there = int.from_bytes(header[:8], "little") == begin_s
            if is_there and number < int.from_bytes(header[rows_at : rows_at + 2], "little"):
                times.append(begin_s)
                found.append(os.pread(self._fd, record.itemsize, place + offset))
        return np.array(times, np.int64), np.frombuffer(b"".join(found), record)

    def read_all(
        self, ring: Ring, subject: Subject, end_s: int, seconds: int
    ) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
        """Return the records of all targets or servers, by their numbers, for each slot that there is, oldest first."""
        times, found = [], []
        last = end_s // ring.step_s
        for slot in range(last - min(seconds // ring.step_s, ring.slots) + 1, last + 1):
            part = self._slot(ring, slot * ring.step_s)
            if part is not None:
                times.append(slot * ring.step_s)
                found.append(part[subject][: int(part["header"][subject])].copy())
        return np.array(times, np.int64), found

    def _slot(self, ring: Ring, begin_s: int) -> Any:
        """Return the slot that begins then; None where the ring holds another, or it was written in part."""
        data = os.pread(self._fd, SLOT.itemsize, self._place(ring, begin_s))
        if len(data) < SLOT.itemsize or int.from_bytes(data[:8], "little") != begin_s:
            return None
        return np.frombuffer(data, SLOT)[0]

    @staticmethod
    def _place(ring: Ring, second: int) -> int:
        return _PREAMBLE_BYTES + (ring.first + second // ring.step_s % ring.slots) * SLOT.itemsize
