"""The columns of the dashboard's tables, and those of them that fit a panel's width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bngtui.render.fitting import Size, fit_sizes
from bngtui.render.text import cell_len
from bngtui.render.zone import labelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bngtui.render.text import Span

Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a table.

    `cell` draws a row; it is told the width and the ids of all columns shown, so that it may say more where
    another column had no room. `priority` 0 is always shown, larger goes first when the terminal is narrow.
    Width runs from `width` to `widest`: `hug` columns take what their rows need, `grow` columns share what is left.
    """

    id: str
    title: str
    cell: Callable[[Row, int, frozenset[str]], Span]
    width: int
    priority: int = 0
    widest: int = 0
    comfort: int = 0  # wanted before a column of less worth is shown
    right: bool = False
    hug: bool = False
    grow: int = 0  # share of the room that is left
    sort: Callable[[Row], Any] | None = None
    descending: bool = False  # the first order one gets: large numbers first

    @property
    def heading(self) -> str:
        """The title, with the zone that times are told in."""
        return labelled(self.title)


@dataclass(frozen=True)
class Fitted(Generic[Row]):
    """A column with the width it got."""

    column: Column[Row]
    width: int


def fit_columns(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> tuple[Fitted[Row], ...]:
    """Choose columns for `width` cells, and share out what is left."""
    sizes = [
        Size(
            wanted=_natural(column, rows),
            floor=column.width if column.hug else 1,
            priority=column.priority,
            comfort=column.comfort,
            yields="first" if column.hug else "last",
            grow=column.grow,
            widest=column.widest,
        )
        for column in columns
    ]
    return tuple(Fitted(columns[at], cells) for at, cells in fit_sizes(sizes, width).items())


def _natural(column: Column[Row], rows: Sequence[Row]) -> int:
    if not column.hug:
        return column.width
    everything: frozenset[str] = frozenset()
    need = max((cell_len(column.cell(row, 0, everything).text) for row in rows), default=0)
    return max(column.width, min(need, column.widest or need))
