"""How contract.py declares the fields of tables and counters, so that whatever handles them is drawn from there.

A declaration is a dataclass field's metadata: `declared` gives it back to those who allocate, lay out, add up, publish
or document the field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEY = "declared"


@dataclass(frozen=True)
class Array:
    """An array of a table: element type, and shape with a letter for each length that the table itself decides."""

    meaning: str
    dtype: str
    shape: tuple[str | int, ...]
    fill: int = 0

    def empty(self) -> NDArray[Any]:
        """Make the array of a table that has none of what the letters count."""
        return np.full([0 if isinstance(n, str) else n for n in self.shape], self.fill, self.dtype)

    def check(self, name: str, made: NDArray[Any], lengths: dict[str, int]) -> None:
        """Raise TypeError where an array is not as declared; `lengths` learns what each letter stands for."""
        as_is = made.dtype == self.dtype and made.ndim == len(self.shape)
        if not as_is or any(
            found != (lengths.setdefault(n, found) if isinstance(n, str) else n)
            for n, found in zip(self.shape, made.shape, strict=True)
        ):
            raise TypeError(
                f"{name} is declared as {np.dtype(self.dtype)} {self.shape} and made as {made.dtype} {made.shape}"
            )


@dataclass(frozen=True)
class Counter:
    """A counter: one number, or an array of them.

    `combine` says how those of several workers make one. `now`: it tells of the present and not of all time, so that
    what has ended counts no more.
    """

    meaning: str
    shape: tuple[int, ...]
    combine: Literal["sum", "max"]
    now: bool

    @property
    def words(self) -> int:
        """How many 64-bit words it takes."""
        return int(np.prod(self.shape, dtype=np.int64))

    def zero(self) -> Any:
        """Its value before anything was counted."""
        return np.zeros(self.shape, np.int64) if self.shape else 0

    def together(self, values: list[Any]) -> Any:
        """Make one value of those of several workers."""
        if not self.shape:
            return sum(values) if self.combine == "sum" else max(values, default=0)
        add = np.add if self.combine == "sum" else np.maximum
        return add.reduce([self.zero(), *values])


def array(meaning: str, dtype: str, *shape: str | int, fill: int = 0) -> Any:
    """Declare an array of a table as a dataclass field."""
    return field(metadata={_KEY: Array(meaning, dtype, shape, fill)})


def counter(meaning: str, *shape: int, combine: Literal["sum", "max"] = "sum", now: bool = False) -> Any:
    """Declare a counter as a dataclass field that starts at zero."""
    declared_as = Counter(meaning, shape, combine, now)
    return field(default_factory=declared_as.zero, metadata={_KEY: declared_as})


Kind = TypeVar("Kind", Array, Counter)


@cache
def declared(of: type, kind: type[Kind]) -> dict[str, Kind]:
    """Return the fields of a dataclass that were declared as this kind, in their order."""
    return {f.name: f.metadata[_KEY] for f in fields(of) if isinstance(f.metadata.get(_KEY), kind)}
