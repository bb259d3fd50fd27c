"""Every datapath does what the model says, over random histories, and a datapath that does not is found.

More of it: python -m tests.reference --scenarios 5000 --paths all
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.reference.agreement import Course, Difference, shortest
from tests.reference.faults import FAULTS, planted
from tests.reference.paths import PATHS
from tests.reference.scenario import KINDS, scenario

SEEDS = range(1, 11)
PRETENDED = Course(PATHS)


@cache
def _differences(kind) -> dict[str, tuple[int, Difference]]:
    """The first scenario of a kind in which each path differs."""
    found: dict[str, tuple[int, Difference]] = {}
    for seed in SEEDS:
        left = Course({name: make for name, make in PATHS.items() if name not in found})
        found |= {name: (seed, difference) for name, difference in left.compare(scenario(kind, seed)).items()}
        if len(found) == len(PATHS):
            break
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_path_does_what_the_model_says(kind, path):
    seed, difference = _differences(kind).get(path, (0, None))
    history = shortest(scenario(kind, seed), PRETENDED.only(path)) if difference else ""
    assert difference is None, f"seed {seed}\n{history}\n{difference}"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_datapath_is_found(fault, monkeypatch):
    planted(fault, monkeypatch.setattr)
    course = PRETENDED.only("worker")
    found = [course.compare(scenario(kind, seed)) for seed in SEEDS[:2] for kind in KINDS]
    assert fault.what in {difference.what for one in found for difference in one.values()}


def test_the_shortest_history_keeps_what_differs():
    """Of a path that forgets a frame in forty the search leaves that frame alone."""

    class Forgetful:
        def __init__(self, lines: int, seed: int) -> None:
            self._path = PATHS["scalar"](lines, seed)

        def __getattr__(self, name: str):
            return getattr(self._path, name)

        def decide(self, frames, fates, now_s):
            kept = [n for n, frame in enumerate(frames) if not frame.data.endswith(b"ends so")]
            return self._path.decide([frames[n] for n in kept], [fates[n] for n in kept], now_s)

    one = scenario(next(k for k in KINDS if k.name == "independent frames"), 3)
    marked = type(one)(one.lines, one.seed, tuple(_marked(step) for step in one.steps))
    short = shortest(marked, Course({"forgetful": Forgetful}))
    frames = [f for step in short.steps for f in getattr(step, "frames", ())]
    assert len(frames) == 1
    assert frames[0].data.endswith(b"ends so")
    assert len(short.steps) == 2


def _marked(step):
    if not hasattr(step, "frames"):
        return step
    frames = tuple(type(f)(f.data + b"ends so") if n == 1 else f for n, f in enumerate(step.frames))
    return type(step)(frames, step.late)
