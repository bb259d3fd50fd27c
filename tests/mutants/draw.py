"""Which mutants of a tree are tried."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING

from tests.mutants import mutants, operators
from tests.mutants.errors import CannotTellError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mutants.explained import Explanation
    from tests.mutants.mutants import Mutant
    from tests.mutants.parts import Part


@dataclasses.dataclass(frozen=True)
class Draw:
    """A mutant to be tried; an explained one is tried too, but not counted."""

    part: Part
    mutant: Mutant
    explanation: Explanation | None


class InTree:
    """The mutants of some parts of a tree, and which of them are explained; CannotTellError if a table is wrong."""

    def __init__(
        self, root: Path, parts: list[Part], kinds: tuple[str, ...], known: list[Explanation]
    ) -> None:
        self._root = root
        self._explanations = explanations_of(root, known)
        self._found: list[Draw] = []
        for part in parts:
            if not part.source_files(root) or not part.test_files(root):
                message = (
                    f"{part.name}: no file matches {part.sources} or {part.tests} (tests/mutants/parts.py)"
                )
                raise CannotTellError(message)
            self._found += [
                Draw(part, mutant, self._explanations.get(mutant))
                for file in part.source_files(root)
                for mutant in mutants.mutants_of(root, file, kinds)
            ]

    def sizes(self) -> dict[str, int]:
        """Return how many places each part has."""
        places: dict[str, set[tuple[str, int, int, str]]] = {}
        for one in self._found:
            places.setdefault(one.part.name, set()).add(one.mutant.place)
        return {name: len(of_part) for name, of_part in places.items()}

    def draw(self, seed: str, count: int) -> list[Draw]:
        """Draw from each part its share of `count`; explained mutants come on top of it."""
        drawn = []
        for name, share in shares(self.sizes(), count).items():
            left = share
            for one in shuffled([one for one in self._found if one.part.name == name], f"{seed} {name}"):
                if not left:
                    break
                drawn.append(one)
                left -= one.explanation is None
        return drawn

    def at(self, place: str) -> list[Draw]:
        """Return every mutant of a file, or of one line of it (`FILE:LINE`)."""
        file, _, line = place.partition(":")
        found = [one for one in self._found if one.mutant.file == file and line in {"", str(one.mutant.line)}]
        if not found:
            message = f"nothing to change at {place}"
            raise CannotTellError(message)
        return found

    def mutated(self, one: Draw) -> str:
        return mutants.mutated(self._root, one.mutant)

    def diff(self, one: Draw) -> str:
        return mutants.diff(self._root, one.mutant)

    def named(self, one: Draw) -> str:
        before, after = mutants.lines(self._root, one.mutant)
        return f"{one.mutant.file}:{one.mutant.line}: `{before}` → `{after}`"


def explanations_of(root: Path, known: list[Explanation]) -> dict[Mutant, Explanation]:
    """Return which mutants, of any part and kind, are explained; an explanation of none is an error."""
    result: dict[Mutant, Explanation] = {}
    useless = []
    for explanation in known:
        matching = _matching(root, explanation)
        result |= dict.fromkeys(matching, explanation)
        useless += [] if matching else [str(explanation)]
    if useless:
        message = "these entries of equivalent.toml match nothing in the tree:\n" + "\n".join(useless)
        raise CannotTellError(message)
    return result


def _matching(root: Path, explanation: Explanation) -> list[Mutant]:
    if not (root / explanation.file).is_file():
        return []
    text = (root / explanation.file).read_text().splitlines()
    return [
        mutant
        for mutant in mutants.mutants_of(root, explanation.file, tuple(operators.KINDS))
        if text[mutant.line - 1].strip() == explanation.line
        and mutants.lines(root, mutant)[1] == explanation.becomes
    ]


def shares(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Divide `count` among parts in proportion to their sizes, by largest remainder; none gets more than it has."""
    total = sum(sizes.values())
    count = min(count, total)
    exact = {name: count * size / total for name, size in sizes.items()}
    given = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(sizes, key=lambda name: (given[name] - exact[name], name))
    for name in by_remainder[: count - sum(given.values())]:
        given[name] += 1
    return given


def shuffled(found: list[Draw], seed: str) -> list[Draw]:
    """Return one mutant of each place, in an order that `seed` decides.

    A comparison can be changed in more ways than an `and`; it is not drawn more often for that.
    """
    chance = random.Random(seed)
    by_place: dict[tuple[str, int, int, str], list[Draw]] = {}
    for one in sorted(found, key=lambda one: one.mutant):
        by_place.setdefault(one.mutant.place, []).append(one)
    drawn = [chance.choice(ways) for ways in by_place.values()]
    chance.shuffle(drawn)
    return drawn
