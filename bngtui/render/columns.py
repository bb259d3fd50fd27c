"""Which columns fit, and how wide: a pure function of the terminal's width and the rows' text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bngtui.render.text import Span

Row = TypeVar("Row")
SEPARATOR = "  "


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


@dataclass(frozen=True)
class Fitted(Generic[Row]):
    """A column with the width it got."""

    column: Column[Row]
    width: int


def fit_columns(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> tuple[Fitted[Row], ...]:
    """Choose columns for `width` cells by priority, then share out what is left."""
    wanted = [_natural(column, rows) for column in columns]
    chosen = set(range(len(columns)))
    # Priority by priority, so that no column of less worth squeezes in after a wider one of more worth has gone.
    for level in sorted({column.priority for column in columns if column.priority}, reverse=True):
        easy = [max(w, c.comfort) if c.priority < level else w for w, c in zip(wanted, columns, strict=True)]
        if _total(easy, chosen) <= width:
            wanted = easy
            break
        chosen -= {index for index in chosen if columns[index].priority == level}
    widths = {index: wanted[index] for index in sorted(chosen)}
    spare = width - _total(wanted, chosen)
    if spare < 0:
        _shrink(columns, widths, -spare)
    while spare > 0:
        growing = [
            i for i in widths if columns[i].grow and (not columns[i].widest or widths[i] < columns[i].widest)
        ]
        if not growing:
            break
        shares = sum(columns[index].grow for index in growing)
        before = spare
        for index in growing:
            limit = columns[index].widest or width
            extra = min(limit - widths[index], max(1, before * columns[index].grow // shares), spare)
            widths[index] += extra
            spare -= extra
    return tuple(Fitted(columns[index], widths[index]) for index in widths)


def _natural(column: Column[Row], rows: Sequence[Row]) -> int:
    if not column.hug:
        return column.width
    everything: frozenset[str] = frozenset()
    need = max((cell_len(column.cell(row, 0, everything).text) for row in rows), default=0)
    return max(column.width, min(need, column.widest or need))


def _total(widths: Sequence[int], chosen: set[int]) -> int:
    return sum(widths[index] for index in chosen) + len(SEPARATOR) * max(0, len(chosen) - 1)


def _shrink(columns: Sequence[Column[Row]], widths: dict[int, int], missing: int) -> None:
    """Take from hugging columns first, then from the right, until what must be shown fits."""
    for index in sorted(widths, key=lambda i: (not columns[i].hug, -i)):
        floor = columns[index].width if columns[index].hug else 1
        take = min(missing, max(0, widths[index] - floor))
        widths[index] -= take
        missing -= take
        if missing <= 0:
            return
