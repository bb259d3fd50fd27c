"""Trials side by side, each in a tree of its own."""

from __future__ import annotations

import concurrent.futures
import queue
from typing import TYPE_CHECKING, Self

from tests.mutants.errors import CannotTellError
from tests.mutants.parts import Part, nearest_first
from tests.mutants.trial import Outcome, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mutants.draw import Draw

UNCHANGED_LIMIT_S = 900.0
"""For the unchanged tests of a part, which tell what is usual."""


def time_limit_s(usual_s: float) -> float:
    """Return what changed code may take, on a machine that others use too; a loop without end takes all of it."""
    return 20 + 5 * usual_s


class Pool:
    """As many trees as there are trials at a time. Leaving its context ends what still runs."""

    def __init__(self, original: Path, folder: Path, jobs: int) -> None:
        self._trees = [Tree(original, folder / str(number)) for number in range(jobs)]
        self._free: queue.SimpleQueue[Tree] = queue.SimpleQueue()
        for tree in self._trees:
            self._free.put(tree)
        self._threads = concurrent.futures.ThreadPoolExecutor(jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for tree in self._trees:
            tree.stop()
        self._threads.shutdown()

    def usual_times(self, parts: list[Part]) -> dict[str, float]:
        """Return how long the unchanged tests of each part take with all trees at work; CannotTellError if they fail."""
        measured = list(self._threads.map(lambda tree: _unchanged(tree, parts), self._trees))
        return {part.name: max(times[part.name] for times in measured) for part in parts}

    def try_all(
        self, draws: list[Draw], mutated: Callable[[Draw], str], usual_s: dict[str, float]
    ) -> Iterator[tuple[Draw, Outcome]]:
        """Try the mutants and yield each as it ends."""
        texts = {one: mutated(one) for one in draws}

        def run(one: Draw) -> Outcome:
            tree = self._free.get()
            try:
                tests = nearest_first(one.mutant.file, one.part.test_files(tree.root))
                return tree.try_out(one.mutant.file, texts[one], tests, time_limit_s(usual_s[one.part.name]))
            finally:
                self._free.put(tree)

        futures = {self._threads.submit(run, one): one for one in draws}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()


def _unchanged(tree: Tree, parts: list[Part]) -> dict[str, float]:
    times = {}
    for part in parts:
        outcome = tree.run(part.test_files(tree.root), UNCHANGED_LIMIT_S, compiled=True)
        if not outcome.passed:
            message = f"{part.name}: {outcome.noticed_by} without any change\n{outcome.output[-3000:]}"
            raise CannotTellError(message)
        times[part.name] = outcome.seconds
    return times
