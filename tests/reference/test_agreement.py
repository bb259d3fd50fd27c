"""Every datapath does what the model says, over random histories; where it does not yet, it stands in `DIFFERS`.

More of it: python -m tests.reference --scenarios 5000
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.reference.agreement import Difference, compare, shortest
from tests.reference.paths import PATHS
from tests.reference.scenario import KINDS, scenario

SEEDS = range(1, 11)

DIFFERS: dict[str, tuple[tuple[str, ...], str]] = {}
"""Kinds that differ today: the paths and why. Who mends a reason takes its lines away."""


def _cases():
    for kind in KINDS:
        for path in PATHS:
            differ, reason = DIFFERS.get(kind.name, ((), ""))
            marks = (
                [pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)]
                if path in differ
                else []
            )
            yield pytest.param(kind, path, marks=marks, id=f"{kind.name}, {path}")


@cache
def _differences(kind) -> dict[str, tuple[int, Difference]]:
    """The first scenario of a kind in which each path differs."""
    found: dict[str, tuple[int, Difference]] = {}
    for seed in SEEDS:
        left = {name: make for name, make in PATHS.items() if name not in found}
        found |= {
            name: (seed, difference) for name, difference in compare(scenario(kind, seed), left).items()
        }
        if len(found) == len(PATHS):
            break
    return found


@pytest.mark.parametrize(("kind", "path"), [*_cases()])
def test_a_path_does_what_the_model_says(kind, path):
    seed, difference = _differences(kind).get(path, (0, None))
    history = ""
    if difference is not None and path not in DIFFERS.get(kind.name, ((), ""))[0]:
        history = shortest(scenario(kind, seed), PATHS[path])
    assert difference is None, f"seed {seed}\n{history}\n{difference}"


def test_the_shortest_history_keeps_what_differs():
    """Of a path that forgets a frame in forty the search leaves that frame alone."""

    class Forgetful:
        def __init__(self, lines: int, seed: int) -> None:
            self._path = PATHS["scalar"](lines, seed)

        def __getattr__(self, name: str):
            return getattr(self._path, name)

        def decide(self, frames, now_s):
            return self._path.decide([f for f in frames if not f.data.endswith(b"ends so")], now_s)

    one = scenario(next(k for k in KINDS if k.name == "independent frames"), 3)
    marked = type(one)(one.lines, one.seed, tuple(_marked(step) for step in one.steps))
    short = shortest(marked, Forgetful)
    frames = [f for step in short.steps for f in getattr(step, "frames", ())]
    assert len(frames) == 1
    assert frames[0].data.endswith(b"ends so")
    assert len(short.steps) == 2


def _marked(step):
    if not hasattr(step, "frames"):
        return step
    frames = tuple(type(f)(f.data + b"ends so") if n == 1 else f for n, f in enumerate(step.frames))
    return type(step)(frames, step.late)
