"""Play a history to the model and to a datapath, name the first difference, and find the shortest history that shows it."""

from __future__ import annotations

import time
import traceback
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.datapath.table import Compiler
from tests.reference.scenario import Batch, Change, Install, Scenario, Sweep, Wait
from tests.reference.shares import Models
from tests.reference.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.reference.flows import Shown
    from tests.reference.model import Fate
    from tests.reference.paths import Path
    from tests.reference.wire import Sent

    Make = Callable[[int, int], Path]

START_S = 1000


@dataclass(frozen=True)
class Difference:
    """Where a path leaves the model: `what` names it, the lines say it."""

    step: int
    what: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"step {self.step}: {self.what}", *(f"    {line}" for line in self.lines)])


@dataclass(frozen=True)
class Course:
    """Paths that are played one history beside one model: `workers` share the frames.

    `adapted` makes of a history what these paths can be played.
    """

    paths: Mapping[str, Make]
    workers: int = 1
    adapted: Callable[[Scenario], Scenario] = lambda scenario: scenario

    def only(self, path: str) -> Course:
        """Leave the other paths out."""
        return replace(self, paths={path: self.paths[path]})

    def history(self, scenario: Scenario) -> Scenario:
        """Return what is played of a scenario."""
        return self.adapted(scenario)

    def compare(self, scenario: Scenario) -> dict[str, Difference]:
        """Play a history to the model and to the paths; the first difference of each that differs, by its name."""
        model = Models(scenario.lines, scenario.seed, self.workers)
        running: dict[str, Path] = {}
        everyone: list[Path] = []
        try:
            for name, make in self.paths.items():
                running[name] = make(scenario.lines, scenario.seed)
                everyone.append(running[name])
            return _play(scenario, model, running)
        finally:
            for path in everyone:
                path.close()


def _play(scenario: Scenario, model: Models, running: dict[str, Path]) -> dict[str, Difference]:
    compiler, now_s = Compiler(), START_S
    former: dict[bytes, int] = {}
    differ: dict[str, Difference] = {}
    for number, step in enumerate(scenario.steps):
        if isinstance(step, Wait):
            now_s += step.seconds
            continue
        fates: list[Fate] = []
        table = None
        if isinstance(step, Install | Change):
            former = model.table.virtual if model.table else {}
            if isinstance(step, Change):
                fates = model.decide(step.frames, now_s, {})
            table = (step.install if isinstance(step, Change) else step).world.compile(compiler)
            model.install(Table(table))
        elif isinstance(step, Batch):
            fates = model.decide(step.frames, now_s, former if step.late else {})
        else:
            model.sweep(now_s)
        expected = _Expected(model, fates)
        for name, path in list(running.items()):
            if (found := _step(number, step, expected, path, now_s, table)) is not None:
                differ[name] = found
                del running[name]  # what comes after a difference says nothing
        if not running:
            break
    return differ


class _Expected:
    """What the model says after a step, once for all paths."""

    def __init__(self, model: Models, fates: list[Fate]) -> None:
        self.fates = fates
        self.sent = [one for fate in fates for one in fate.sent]
        self.counters = model.counts()
        self.flows = model.flows()


def _step(number: int, step, expected: _Expected, path: Path, now_s: int, table) -> Difference | None:
    """Let a path do a step; the difference, if there is one."""
    verdicts = [f.verdict if not f.target else f"target {f.target}" for f in expected.fates]
    by_the_model = ["by the model: " + ", ".join(verdicts)] if verdicts else []
    sent: list[Sent] = []
    try:
        if isinstance(step, Install):
            path.install(table)
        elif isinstance(step, Sweep):
            path.sweep(now_s)
        elif isinstance(step, Change):
            sent = path.change(step.frames, expected.fates, now_s, table)
        else:
            sent = path.decide(step.frames, expected.fates, now_s)
    except Exception:  # noqa: BLE001 - whatever it is, it is the difference
        return Difference(number, "fault", (*traceback.format_exc().splitlines()[-6:], *by_the_model))
    for what, lines in (
        ("frames out", _sent(expected, sent)),
        ("counters", _counters(expected.counters, path.counts())),
        ("flow entries", _entries(expected.flows, path.flows())),
    ):
        if found := tuple(lines):
            return Difference(number, what, (*found, *path.told(), *by_the_model))
    return None


def _sent(model: _Expected, sent: list[Sent]) -> Iterator[str]:
    """Compare what was sent: every frame once, byte for byte, and those of a flow by one interface in their order."""
    expected = model.sent
    if sent == expected:
        return
    wanted, got = Counter(expected), Counter(sent)
    for one in wanted - got:
        yield f"not sent: {_show(one)}"
    for one in got - wanted:
        yield f"sent, not expected: {_show(one)}"
    if wanted != got:
        return
    flow_of = {one: fate.flow for fate in model.fates for one in fate.sent}
    orders = [defaultdict(list), defaultdict(list)]
    for order, frames in zip(orders, (expected, sent), strict=True):
        for one in frames:
            order[flow_of[one], one.by].append(one)
    for (flow, by), frames in orders[0].items():
        if flow is not None and orders[1][flow, by] != frames:
            places = [frames.index(one) for one in orders[1][flow, by]]
            yield f"order of {flow} by interface {by}: {places}"


def _show(one: Sent) -> str:
    return f"to {one.data[:6].hex(':')} {one.data[12:56].hex()} {one.offload if any(vars(one.offload).values()) else ''}"


def _counters(expected: dict, got: dict) -> Iterator[str]:
    if expected == got:
        return
    for name in sorted(expected.keys() | got.keys(), key=str):
        if expected.get(name, 0) != got.get(name, 0):
            yield f"{name}: {got.get(name, 0)}, not {expected.get(name, 0)}"


def _entries(expected: dict[int, list[Shown]], got: dict[int, list[Shown]]) -> Iterator[str]:
    if expected == got:
        return
    for line in sorted(expected.keys() | got.keys()):
        missing = Counter(expected.get(line, ())) - Counter(got.get(line, ()))
        more = Counter(got.get(line, ())) - Counter(expected.get(line, ()))
        yield from (f"line {line}, missing: {entry}" for entry in missing)
        yield from (f"line {line}, not expected: {entry}" for entry in more)


def shortest(scenario: Scenario, course: Course, seconds: float = 20.0) -> Scenario:
    """Take away steps and frames while a difference of the same sort stays; the course has one path."""

    def difference(one: Scenario) -> Difference | None:
        return next(iter(course.compare(one).values()), None)

    found = difference(scenario)
    if found is None:
        return scenario
    end = time.monotonic() + seconds
    scenario = replace(scenario, steps=scenario.steps[: found.step + 1])

    def still(steps) -> Scenario | None:
        shorter = replace(scenario, steps=tuple(steps))
        other = difference(shorter)
        return shorter if other is not None and other.what == found.what else None

    before = None
    while before != scenario and time.monotonic() < end:
        before = scenario
        for shorter in (_fewer_steps, _fewer_frames):
            scenario = shorter(scenario, still, end)
    return scenario


def _fewer_steps(scenario: Scenario, still, end: float) -> Scenario:
    size = max(1, len(scenario.steps) // 2)
    while size and time.monotonic() < end:
        at = 1  # the first table stays
        while at < len(scenario.steps) and time.monotonic() < end:
            shorter = still(scenario.steps[:at] + scenario.steps[at + size :])
            if shorter is None:
                at += size
            else:
                scenario = shorter
        size //= 2
    return scenario


def _fewer_frames(scenario: Scenario, still, end: float) -> Scenario:
    for number, step in enumerate(scenario.steps):
        if not isinstance(step, Batch | Change):
            continue
        size = max(1, len(step.frames) // 2)
        while size and time.monotonic() < end:
            at = 0
            while at < len(scenario.steps[number].frames) and time.monotonic() < end:
                frames = scenario.steps[number].frames
                fewer = replace(step, frames=frames[:at] + frames[at + size :])
                shorter = still((*scenario.steps[:number], fewer, *scenario.steps[number + 1 :]))
                if shorter is None:
                    at += size
                else:
                    scenario = shorter
            size //= 2
    return scenario
