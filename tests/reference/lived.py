"""A history as a running worker can live it: what only a pretended ring can dictate is left out or put in order.

A worker sweeps of its own accord when it has begun and whenever its clock has moved on; frames that wait while the table changes are decided
by the table under which they came; no frame is kept in part; and the kernel takes every outer VLAN tag out.
"""

from __future__ import annotations

from dataclasses import replace

from tests.reference.scenario import Batch, Change, Install, Scenario, Step, Sweep, Wait
from tests.reference.wire import TPID_8021AD, TPID_8021Q, Frame

_OUTER = (100, TPID_8021Q)


def lived(scenario: Scenario) -> Scenario:
    """Return the history for real sockets."""
    steps: list[Step] = []
    for step in scenario.steps:
        if isinstance(step, Batch):
            frames = tuple(_on_the_wire(frame) for frame in step.frames if frame.kept is None)
            if step.late and isinstance(steps[-1], Install):
                steps[-1] = Change(frames, steps[-1])
            else:
                steps.append(Batch(frames))
        elif isinstance(step, Wait):
            steps += [step, Sweep()] if step.seconds else []
        else:
            steps.append(step)
            if len(steps) == 1:
                steps.append(Sweep())
    return replace(scenario, steps=tuple(steps))


def without_limits(scenario: Scenario) -> Scenario:
    """Return the history with targets that take any number of sessions.

    Workers count the sessions of all of them against a limit, and which of two decides first nobody can dictate.
    """

    def unlimited(step: Step) -> Step:
        if isinstance(step, Change):
            return replace(step, install=unlimited(step.install))
        if not isinstance(step, Install):
            return step
        targets = tuple(replace(target, limit=0) for target in step.world.targets)
        return replace(step, world=replace(step.world, targets=targets))

    return replace(scenario, steps=tuple(map(unlimited, scenario.steps)))


def _on_the_wire(frame: Frame) -> Frame:
    if frame.vlan is None and int.from_bytes(frame.data[12:14], "big") in {TPID_8021Q, TPID_8021AD}:
        return replace(frame, vlan=_OUTER)
    return frame
