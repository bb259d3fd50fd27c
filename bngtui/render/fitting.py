"""Which columns of a table fit, and how wide each one is: the one engine for the dashboard's tables and bngctl's.

Pure arithmetic on cells. Columns of less worth go first while the others have not what they need; then what is shown
gives way where there is too little room, and grows where there is some left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SEPARATOR = "  "
"""What stands between two columns."""

Yields = Literal["evenly", "first", "last"]


@dataclass(frozen=True)
class Size:
    """What one column asks for, in cells.

    `wanted` is what it gets where nothing is short. `priority` 0 is always shown, larger goes first. Before a column of
    less worth is shown this one needs `comfort`, or with `readable` only that much of what it wants. Where room is
    short it is cut to `floor`: columns that yield "evenly" give from the widest, then those that yield "first" and
    "last" from the right. `grow` is its share of the room that is left, up to `widest` (0: without bound).
    """

    wanted: int
    floor: int = 1
    priority: int = 0
    comfort: int = 0
    readable: int = 0
    yields: Yields = "last"
    grow: int = 0
    widest: int = 0

    def needed(self, level: int) -> int:
        """Return the cells it must have while columns of priority `level` are shown."""
        if self.readable:
            return min(self.wanted, self.readable)
        return max(self.wanted, self.comfort) if self.priority < level else self.wanted


def fit_sizes(sizes: Sequence[Size], room: int) -> dict[int, int]:
    """Return the places of the columns that are shown, in order, and the cells each of them gets.

    What must be shown is shown, so their sum may exceed `room` where their floors do.
    """
    shown = set(range(len(sizes)))
    widths = [size.wanted for size in sizes]
    # Priority by priority, so that no column of less worth squeezes in after a wider one of more worth has gone.
    for level in sorted({size.priority for size in sizes if size.priority}, reverse=True):
        needed = [size.needed(level) for size in sizes]
        if total(needed[at] for at in shown) <= room:
            widths = [max(have, need) for have, need in zip(widths, needed, strict=True)]
            break
        shown -= {at for at in shown if sizes[at].priority == level}
    fitted = {at: widths[at] for at in sorted(shown)}
    spare = room - total(fitted.values())
    # At most one of the two has anything to do.
    _cut(sizes, fitted, -spare)
    _grow(sizes, fitted, spare, room)
    return fitted


def total(widths: Iterable[int]) -> int:
    """Return the cells of columns with what stands between them."""
    found = list(widths)
    return sum(found) + len(SEPARATOR) * max(0, len(found) - 1)


def _cut(sizes: Sequence[Size], widths: dict[int, int], missing: int) -> None:
    even = [at for at in widths if sizes[at].yields == "evenly"]
    while missing > 0 and (able := [at for at in even if widths[at] > sizes[at].floor]):
        widest = max(able, key=widths.__getitem__)
        # An eighth at a time, so that long columns come to be about as wide as each other.
        take = min(missing, max(1, widths[widest] // 8), widths[widest] - sizes[widest].floor)
        widths[widest] -= take
        missing -= take
    for at in sorted(widths, key=lambda at: (sizes[at].yields != "first", -at)):
        take = max(0, min(missing, widths[at] - sizes[at].floor))
        widths[at] -= take
        missing -= take


def _grow(sizes: Sequence[Size], widths: dict[int, int], spare: int, room: int) -> None:
    while spare > 0 and (able := _growing(sizes, widths)):
        shares = sum(sizes[at].grow for at in able)
        before = spare
        for at in able:
            limit = sizes[at].widest or room
            extra = min(limit - widths[at], max(1, before * sizes[at].grow // shares), spare)
            widths[at] += extra
            spare -= extra


def _growing(sizes: Sequence[Size], widths: Mapping[int, int]) -> list[int]:
    return [at for at in widths if sizes[at].grow and (not sizes[at].widest or widths[at] < sizes[at].widest)]
