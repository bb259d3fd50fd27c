"""The XDP program under test, run on one frame after the other by BPF_PROG_TEST_RUN."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.helpers.xdp_run import LEAST_BYTES, MOST_BYTES, PASS, REDIRECT, TX, Run
from tests.reference.agreement import Course
from tests.reference.draws import Draws, table_seed
from tests.reference.paths import counted, entries
from tests.reference.scenario import Batch, Scenario
from tests.reference.wire import GSO_NONE, Frame, Offload, Sent, tagged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.reference.flows import Shown
    from tests.reference.model import Fate, Name


def bare(scenario: Scenario) -> Scenario:
    """Return the history for XDP, which sees frames as they are on the wire.

    None is there in part, none is to be cut up, nothing is said beside it, and each is decided by the table that is in
    force when it comes.
    """
    steps = [Batch(_bare(s.frames)) if isinstance(s, Batch) else s for s in scenario.steps]
    return replace(scenario, steps=tuple(steps))


def _bare(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    return tuple(
        replace(frame, offload=Offload())
        for frame in frames
        if frame.kept is None and frame.offload.gso_type == GSO_NONE and len(frame.data) <= MOST_BYTES
    )


class Program:
    """The program as a path beside the model."""

    def __init__(self, lines: int, seed: int) -> None:
        self._run = Run(lines, table_seed(seed))
        self._draws = Draws(seed)
        self._next = self._draw()
        self._by: dict[bytes, int] = {}  # index of the interface by the source MAC of what leaves there

    def _draw(self) -> int:
        return self._draws.randrange(1 << 32)

    def install(self, table) -> None:
        self._run.program.install(table)
        self._by = dict(
            zip(map(bytes, table.egress_mac.tolist()), table.egress_ifindex.tolist(), strict=True)
        )

    def decide(self, frames: Sequence[Frame], _fates: Sequence[Fate], now_s: int) -> list[Sent]:
        sent = []
        for frame in frames:
            data = tagged(frame.data, Offload(), frame.vlan).data
            if len(data) < LEAST_BYTES:
                continue
            action, out = self._run.decide(data, now_s, lambda: self._next)
            if self._run.drew:
                self._next = self._draw()
            if action in {TX, REDIRECT}:
                sent.append(Sent(out, Offload(), self._by[out[6:12]] if action == REDIRECT else 0))
            elif action == PASS and out != data:
                raise ValueError(f"changed, and passed on: {out.hex()}")
        return sent

    def change(self, frames: Sequence[Frame], fates: Sequence[Fate], now_s: int, table) -> list[Sent]:
        sent = self.decide(frames, fates, now_s)
        self.install(table)
        return sent

    def sweep(self, now_s: int) -> None:
        self._run.sweep(now_s)

    def counts(self) -> dict[Name, int]:
        return counted(self._run.program.counters())

    def flows(self) -> dict[int, list[Shown]]:
        return entries(self._run.program.flows)

    def told(self) -> list[str]:
        return []

    def close(self) -> None:
        self._run.close()


COURSE = Course({"XDP": Program}, adapted=bare)
