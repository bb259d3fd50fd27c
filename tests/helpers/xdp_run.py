"""The XDP program on frames that only memory holds (BPF_PROG_TEST_RUN), with the test's clock, draws and tables."""

from __future__ import annotations

import os
import struct
import time
from typing import TYPE_CHECKING

from engine.datapath.xdp import declarations as words
from engine.datapath.xdp import libbpf
from engine.datapath.xdp.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable

ABORTED, DROP, PASS, TX, REDIRECT = range(5)

LEAST_BYTES = 14
"""Of a frame; the kernel runs no program on less."""

MOST_BYTES = 3000
"""Of a frame: what fits a page beside the room that a program may ask for."""

_COARSE_NS = 50_000_000
"""The program's clock moves by the kernel's tick and is behind by up to one; so it does not seem to run backwards."""

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def refusal() -> str:
    """Say why no program can be run here; empty where it can."""
    try:
        Program(2).close()
    except libbpf.BpfError as error:
        return f"the kernel does not take the XDP program: {error}"
    except OSError as error:
        return f"{libbpf.NAME}: {error}"
    return ""


class Run:
    """A program of its own, on the processor that this process then stays on."""

    def __init__(self, buckets: int, seed: int | None = None, *, rings_decide: bool = False) -> None:
        self._before = os.sched_getaffinity(0)
        cpu = min(self._before)
        os.sched_setaffinity(0, {cpu})
        self.program = Program(buckets, rings_decide=rings_decide)
        if seed is not None:
            self.program.flows.seed = seed
            self.program.flows._seed[0] = seed
        self.drew = False
        self._block = self.program.blocks[cpu].flat
        self._runner = libbpf.Runner(self.program.fd)

    def stand_at(self, now_s: int) -> None:
        """Have it be a second, for the next one."""
        self._block[words.CLOCK_NS] = time.monotonic_ns() - _COARSE_NS
        self._block[words.NOW_S] = now_s

    def decide(self, frame: bytes, now_s: int, draw: Callable[[], int] = lambda: 0) -> tuple[int, bytes]:
        """Return what the program does with a frame: action, and the frame as it leaves it.

        `draw` gives the next random number of 32 bits; `drew` says whether it was used.
        """
        state = self._before_draw(draw())
        self.stand_at(now_s)
        done = self._runner.run(frame)
        if self._block[words.NOW_S] != now_s:
            raise TimeoutError("a frame took longer than a second")
        self.drew = (self._block[words.RANDOM] & _MASK) != state
        return done

    def _before_draw(self, number: int) -> int:
        """Set the state of the generator such that the next number is this one; returns the state."""
        state = (_unmixed(number << 32) - _STEP) & _MASK
        self._block[words.RANDOM] = struct.unpack("<q", struct.pack("<Q", state))[0]
        return state

    def sweep(self, now_s: int) -> None:
        self.stand_at(now_s)
        self.program.sweep(0, self.program.buckets)

    def close(self) -> None:
        self.program.close()
        os.sched_setaffinity(0, self._before)


def _unmixed(word: int) -> int:
    """Undo engine.datapath.keys.mix."""
    for factor in (0xC4CEB9FE1A85EC53, 0xFF51AFD7ED558CCD):
        word ^= word >> 33
        word = word * pow(factor, -1, 1 << 64) & _MASK
    return word ^ word >> 33
