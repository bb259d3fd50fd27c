"""What a table shows of its rows: filter, faults, order, selection and scroll. Values only, no terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from bngtui.render.columns import Column
    from bngtui.render.layout import PanelId
    from bngtui.render.states import Mark

Row = TypeVar("Row")


@dataclass(frozen=True)
class Spec(Generic[Row]):
    """What makes a table of rows: its columns, and how a row is known, judged and searched."""

    id: PanelId
    title: str
    columns: tuple[Column[Row], ...]
    identity: Callable[[Row], Hashable]
    mark: Callable[[Row], Mark]
    search: Callable[[Row], str]
    empty: str
    heading: bool = True  # whether the columns' titles take a line
    worst_first: bool = False  # unless another order is chosen: what is most urgent is seen without scrolling
    newest_first: bool = False  # the first row is wherever the newest is, until another one is chosen

    @property
    def sortable(self) -> tuple[Column[Row], ...]:
        """Columns that rows can be ordered by."""
        return tuple(column for column in self.columns if column.sort is not None)


@dataclass
class View(Generic[Row]):
    """One operator's look at a table. The selection is a row's identity and stays on it wherever the row goes."""

    spec: Spec[Row]
    needle: str = ""
    faults_only: bool = False
    order: str | None = None  # a column's id; None: the worst first, or as the engine gives them
    reverse: bool = False
    selected: Hashable | None = None
    top: int = 0  # index of the first row on the screen
    total: int = 0
    rows: list[Row] = field(default_factory=list)
    at: int = 0  # where the selection was last, for when its row goes away

    def take(self, rows: Sequence[Row]) -> None:
        """Show these rows: filter, order, and find the selection again."""
        self.total = len(rows)
        words = self.needle.lower().split()
        spec = self.spec
        kept = [
            row
            for row in rows
            if (not self.faults_only or spec.mark(row).fault)
            and (not words or all(word in spec.search(row).lower() for word in words))
        ]
        column = next((c for c in spec.columns if c.id == self.order), None)
        if column is not None and column.sort is not None:
            kept.sort(key=column.sort, reverse=self.reverse)
        elif column is None and spec.worst_first:
            kept.sort(key=lambda row: spec.mark(row).rank)
        self.rows = kept
        index = self.index
        if index is not None:
            self.at = index
        elif kept:
            # Its row is gone: stay at the same place, but for a list that follows the newest.
            self.at = 0 if self.selected is None else min(self.at, len(kept) - 1)
            self.selected = None if spec.newest_first and self.at == 0 else spec.identity(kept[self.at])

    @property
    def index(self) -> int | None:
        """Where the selected row is now; None where no row is selected or it is not shown."""
        if self.selected is None:
            return 0 if self.spec.newest_first and self.rows else None
        identity = self.spec.identity
        return next((i for i, row in enumerate(self.rows) if identity(row) == self.selected), None)

    @property
    def row(self) -> Row | None:
        """The selected row."""
        index = self.index
        return None if index is None else self.rows[index]

    def select(self, index: int) -> None:
        """Select the row at `index`, or the nearest there is."""
        if not self.rows:
            return
        self.at = max(0, min(index, len(self.rows) - 1))
        follow = self.spec.newest_first and self.at == 0
        self.selected = None if follow else self.spec.identity(self.rows[self.at])

    def move(self, by: int) -> None:
        """Move the selection by rows."""
        self.select((self.index or 0) + by)

    def scroll_to_selection(self, height: int) -> None:
        """Move the window of `height` rows so that the selected row is in it, and no row is missed at the end."""
        index = self.index
        if index is not None:
            self.top = min(self.top, index)
            self.top = max(self.top, index - height + 1)
        self.top = max(0, min(self.top, len(self.rows) - height))

    def cycle_order(self, step: int) -> str:
        """Order by the next (or with -1 the previous) column and return the title of it."""
        columns = self.spec.sortable
        ids: list[str | None] = [None, *(column.id for column in columns)]
        place = ids.index(self.order) if self.order in ids else 0
        self.order = ids[(place + step) % len(ids)]
        column = next((c for c in columns if c.id == self.order), None)
        self.reverse = column.descending if column else False
        if column is not None:
            return column.heading
        return "what is worst" if self.spec.worst_first else "the engine's order"

    def narrowed(self) -> bool:
        """Whether rows are hidden on purpose."""
        return bool(self.needle) or self.faults_only
