"""Mutants that behave as the original does: equivalent.toml, each with its reason."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = Path(__file__).parent / "equivalent.toml"


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Why a change of a line, wherever this line stands in the file, cannot be noticed."""

    file: str
    line: str
    becomes: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: `{self.line}` → `{self.becomes}`"


def read(path: Path = FILE) -> list[Explanation]:
    """Return the explanations of a file; ValueError if one lacks a field, has an unknown or an empty one."""
    found = []
    for entry in tomllib.loads(path.read_text()).get("mutant", []):
        wanted = {field.name for field in dataclasses.fields(Explanation)}
        if set(entry) != wanted or not all(isinstance(v, str) and v.strip() for v in entry.values()):
            message = f"{path.name}: an entry has {', '.join(sorted(wanted))}: {entry}"
            raise ValueError(message)
        found.append(Explanation(**entry))
    return found


def without_line(root: Path, explanations: Iterable[Explanation]) -> list[Explanation]:
    """Return the explanations whose file or line is not in the tree (any more)."""
    return [e for e in explanations if e.line not in _lines(root / e.file)]


def _lines(path: Path) -> set[str]:
    return {line.strip() for line in path.read_text().splitlines()} if path.is_file() else set()
