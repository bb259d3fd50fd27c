"""Play a history to the model and to a datapath, name the first difference, and find the shortest history that shows it."""

from __future__ import annotations

import time
import traceback
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.datapath.table import Compiler
from tests.reference.draws import Draws, table_seed
from tests.reference.model import UNSEEN, Fate, Model
from tests.reference.rules import TODAY, Rules
from tests.reference.scenario import Batch, Install, Scenario, Sweep, Wait
from tests.reference.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.reference.flows import Shown
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


def compare(scenario: Scenario, paths: Mapping[str, Make], rules: Rules = TODAY) -> dict[str, Difference]:
    """Play a scenario to the model and to datapaths; the first difference of each that differs, by its name."""
    model = Model(scenario.lines, Draws(scenario.seed).randrange, rules, seed=table_seed(scenario.seed))
    running = {name: make(scenario.lines, scenario.seed) for name, make in paths.items()}
    everyone = list(running.values())
    try:
        return _play(scenario, model, running)
    finally:
        for path in everyone:
            path.close()


def _play(scenario: Scenario, model: Model, running: dict[str, Path]) -> dict[str, Difference]:
    compiler, now_s, former = Compiler(), START_S, frozenset()
    differ: dict[str, Difference] = {}
    for number, step in enumerate(scenario.steps):
        if isinstance(step, Wait):
            now_s += step.seconds
        elif isinstance(step, Install):
            former = frozenset(model.table.virtual) if model.table else frozenset()
            table = step.world.compile(compiler)
            model.install(Table(table))
            for path in running.values():
                path.install(table)
        else:
            fates: list[Fate] = []
            if isinstance(step, Sweep):
                model.sweep(now_s)
            else:
                fates = model.decide(step.frames, now_s, former if step.late else frozenset())
            expected = _Expected(model, fates)
            for name, path in list(running.items()):
                if (found := _step(number, step, expected, path, now_s)) is not None:
                    differ[name] = found
                    del running[name]  # what comes after a difference says nothing
        if not running:
            break
    return differ


class _Expected:
    """What the model says after a step, once for all paths."""

    def __init__(self, model: Model, fates: list[Fate]) -> None:
        self.fates = fates
        self.sent = [one for fate in fates for one in fate.sent]
        self.counters = {name: value for name, value in (model.counts + model.sessions()).items() if value}
        self.flows = model.flows.shown()


def _step(number: int, step: Batch | Sweep, expected: _Expected, path: Path, now_s: int) -> Difference | None:
    """Let a path do a step; the difference, if there is one."""
    verdicts = [f.verdict if not f.target else f"target {f.target}" for f in expected.fates]
    by_the_model = ["by the model: " + ", ".join(verdicts)] if verdicts else []
    sent: list[Sent] = []
    try:
        if isinstance(step, Sweep):
            path.sweep(now_s)
        else:
            taken = zip(step.frames, expected.fates, strict=True)
            sent = path.decide([frame for frame, fate in taken if fate.verdict != UNSEEN], now_s)
    except Exception:  # noqa: BLE001 - whatever it is, it is the difference
        return Difference(number, "fault", (*traceback.format_exc().splitlines()[-6:], *by_the_model))
    for what, lines in (
        ("frames out", _sent(expected, sent)),
        ("counters", _counters(expected.counters, path.counts())),
        ("flow entries", _entries(expected.flows, path.flows())),
    ):
        if found := tuple(lines):
            return Difference(number, what, (*found, *by_the_model))
    return None


def _sent(model: _Expected, sent: list[Sent]) -> Iterator[str]:
    """Compare what was sent: every frame once, byte for byte, and those of a flow in their order."""
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
            order[flow_of[one]].append(one)
    for flow, frames in orders[0].items():
        if flow is not None and orders[1][flow] != frames:
            places = [frames.index(one) for one in orders[1][flow]]
            yield f"order of {flow}: {places}"


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


def shortest(scenario: Scenario, make: Make, rules: Rules = TODAY, seconds: float = 20.0) -> Scenario:
    """Take away steps and frames while a difference of the same sort stays."""

    def difference(one: Scenario) -> Difference | None:
        return compare(one, {"": make}, rules).get("")

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
        if not isinstance(step, Batch):
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
