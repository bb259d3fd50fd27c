"""A table and a list of facts as bngctl prints them. The width is a parameter and may be unlimited.

Columns give way by priority when the terminal is narrow, then the widest flexible one is cut with an ellipsis; a
column marked `wrap` goes on below itself instead. Nothing is ever wider than what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from bngtui.render.fitting import SEPARATOR, Size, fit_sizes, total
from bngtui.render.text import Span, cell_len, clean, cut, wrap
from bngtui.render.zone import labelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bngtui.render.text import Role

Row = TypeVar("Row")

NONE = "-"
"""What stands where there is no value."""

NOTE_INDENT = "      "
_READABLE = 10  # a name cut to this is worth more than no column of names
_FLOOR = 4  # and to this where nothing else can give way

# SGR colours of the 16 that every terminal has; the roles not named here stay plain.
_COLOURS: dict[str, str] = {
    "up": "32",
    "down": "1;31",
    "warning": "33",
    "unknown": "35",
    "draining": "36",
    "disabled": "2",
    "muted": "2",
    "strong": "1",
}


@dataclass(frozen=True)
class Style:
    """How to draw: `width` in cells (None: as wide as the text is), colours, glyphs before state words."""

    width: int | None = None
    colour: bool = False
    glyphs: bool = False

    def paint(self, text: str, role: Role) -> str:
        """Return the text in its role's colour, or as it is."""
        code = _COLOURS.get(role)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text.strip() else text


@dataclass(frozen=True)
class Col(Generic[Row]):
    """A column: its title, and what it says of a row.

    `drop`: 0 stays, the largest goes first; `flex`: may be cut; `wrap`: goes on below itself (the
    last one only), and other columns give way until it has this many cells; 0: it does not.
    """

    title: str
    cell: Callable[[Row], Span | str]
    right: bool = False
    drop: int = 0
    flex: bool = False
    wrap: int = 0

    def span(self, row: Row) -> Span:
        """Return the cell of a row, with nothing in it that could steer the terminal."""
        cell = self.cell(row)
        return Span(plain(cell)) if isinstance(cell, str) else Span(plain(cell.text), cell.role)

    def size(self, rows: Sequence[Sequence[Span]], at: int) -> Size:
        """Return what it asks for: what its cells need, less where it is cut or goes on below itself."""
        natural = max([cell_len(labelled(self.title)), *(cell_len(cells[at].text) for cells in rows)])
        if self.wrap:
            wanted = min(natural, self.wrap)
            return Size(wanted, floor=wanted, priority=self.drop, grow=1, widest=natural)
        if self.flex:
            return Size(natural, floor=_FLOOR, priority=self.drop, readable=_READABLE, yields="evenly")
        return Size(natural, floor=natural, priority=self.drop)


def table(
    cols: Sequence[Col[Row]],
    rows: Sequence[Row],
    style: Style,
    notes: Callable[[Row], Sequence[Span]] | None = None,
) -> list[str]:
    """Return the lines of a table, heading first; `notes` are sentences shown below a row, wrapped."""
    cells = [[col.span(row) for col in cols] for row in rows]
    sizes = [col.size(cells, at) for at, col in enumerate(cols)]
    room = total(size.widest or size.wanted for size in sizes) if style.width is None else style.width
    widths = fit_sizes(sizes, room)
    lines = _row(cols, [Span(labelled(col.title), "muted") for col in cols], widths, style)
    for row, spans in zip(rows, cells, strict=True):
        lines += _row(cols, spans, widths, style)
        for note in notes(row) if notes is not None else ():
            lines += [style.paint(text, note.role) for text in wrapped(note.text, style.width, NOTE_INDENT)]
    return lines


def listing(
    cols: Sequence[Col[Row]],
    rows: Sequence[Row],
    style: Style,
    what: str,
    notes: Callable[[Row], Sequence[Span]] | None = None,
) -> list[str]:
    """Return the lines of a table, or that there are none of `what`."""
    return table(cols, rows, style, notes) if rows else [f"no {what}"]


def facts(pairs: Sequence[tuple[str, str | Span]], style: Style) -> list[str]:
    """Return ``name  value`` lines, the values aligned and wrapped."""
    pairs = [(plain(name), value) for name, value in pairs]
    indent = max((cell_len(name) for name, _ in pairs), default=0) + len(SEPARATOR)
    lines: list[str] = []
    for name, value in pairs:
        cell = value if isinstance(value, Span) else Span(value)
        first, *rest = wrapped(cell.text, style.width, " " * indent)
        blank = " " * (indent - cell_len(name))
        lines.append((style.paint(name, "muted") + blank + style.paint(first[indent:], cell.role)).rstrip())
        lines += rest
    return lines


def wrapped(text: str, width: int | None, indent: str) -> list[str]:
    """Return the text in lines of at most `width` cells, each begun by `indent`."""
    if width is None:
        return [indent + plain(text)]
    return [indent + part for part in wrap(plain(text), max(4, width - len(indent)))]


def plain(text: str) -> str:
    """Return the text with blanks for control characters, so that a name in a file cannot steer the terminal."""
    return clean(text, " ")


def _row(cols: Sequence[Col[Row]], cells: Sequence[Span], widths: dict[int, int], style: Style) -> list[str]:
    parts: list[str] = []
    below: list[str] = []
    left = 0
    for at, width in widths.items():
        text, role = cells[at]
        if cols[at].wrap and cell_len(text) > width:
            text, *rest = wrap(text, width)
            below = [" " * left + line for line in rest]
        text = _cut(text, width)
        blank = " " * (width - cell_len(text))
        painted = style.paint(text, role)
        parts.append(blank + painted if cols[at].right else painted + blank)
        left += width + len(SEPARATOR)
    return [SEPARATOR.join(parts).rstrip(), *below]


def _cut(text: str, width: int) -> str:
    shown = cut(text, width)
    # No blank before the ellipsis: on paper it would look like a word left out.
    return shown if shown == text else shown[:-1].rstrip() + shown[-1:]
