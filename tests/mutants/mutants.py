"""The mutants of a file."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
from typing import TYPE_CHECKING

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants import operators
from tests.mutants.places import places

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass(frozen=True, order=True)
class Mutant:
    """One change of one file: the `occurrence`-th place, from 0, where `operator` finds something to change."""

    file: str
    line: int
    column: int
    kind: str
    operator: str
    occurrence: int
    function: str

    @property
    def place(self) -> tuple[str, int, int, str]:
        """What is changed; several mutants may change the same place in different ways."""
        return (self.file, self.line, self.column, self.kind)


class _Counting(Visitor):
    """Notes every place of every operator, counted as cosmic-ray counts when it makes the mutant."""

    def __init__(self, names: list[str]) -> None:
        self._operators = [(name, operators.operator(name)) for name in names]
        self.found: list[tuple[str, int, tuple[int, int]]] = []
        self._counts = dict.fromkeys(names, 0)

    def visit(self, node):
        for name, operator in self._operators:
            for start, _end in operator.mutation_positions(node):
                self.found.append((name, self._counts[name], start))
                self._counts[name] += 1
        return node


def mutants_of(root: Path, file: str, kinds: tuple[str, ...] = operators.USUAL) -> list[Mutant]:
    """Return every mutant of a file of these kinds, in the order of the text."""
    source = (root / file).read_text()
    allowed = places(source)
    kind_of = {name: kind for kind in kinds for name in operators.KINDS[kind]}
    counting = _Counting(list(kind_of))
    counting.walk(get_ast(source))
    return sorted(
        Mutant(file, *start, kind_of[name], name, occurrence, allowed.function(start))
        for name, occurrence, start in counting.found
        if allowed.allows(kind_of[name], start)
    )


@functools.lru_cache(maxsize=4096)
def mutated(root: Path, mutant: Mutant) -> str:
    """Return the whole text of the file with the change made; it is valid Python and means something else."""
    source = (root / mutant.file).read_text()
    text = mutate_code(source, operators.operator(mutant.operator), mutant.occurrence)
    if text is None or ast.dump(ast.parse(text)) == ast.dump(ast.parse(source)):
        message = f"{mutant} changes nothing"
        raise ValueError(message)
    return text


def lines(root: Path, mutant: Mutant) -> tuple[str, str]:
    """Return the changed line before and after, without its indentation."""
    before = (root / mutant.file).read_text().splitlines()[mutant.line - 1]
    after = mutated(root, mutant).splitlines()[mutant.line - 1]
    return before.strip(), after.strip()


def diff(root: Path, mutant: Mutant) -> str:
    """Return the change as a unified diff with one line of context."""
    before = (root / mutant.file).read_text().splitlines()
    after = mutated(root, mutant).splitlines()
    changes = difflib.unified_diff(before, after, n=1, lineterm="")
    return "\n".join(line for line in changes if not line.startswith(("---", "+++")))
