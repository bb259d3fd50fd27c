"""Tables for bngctl: rows of cells in, lines of text out. Pure; the width is a parameter and may be unlimited.

Columns give way by priority when the terminal is narrow, then the widest flexible one is cut with an ellipsis; a
column marked `wrap` goes on below itself instead. Nothing is ever wider than what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.text import Role

GAP = "  "
NOTE_INDENT = "      "
_READABLE = 10  # a cut column keeps this much as long as another can give way

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
class Col:
    """A column.

    `drop`: 0 stays, the largest goes first; `flex`: may be cut; `wrap`: goes on below itself (the
    last one only), and other columns give way until it has this many cells; 0: it does not.
    """

    title: str
    right: bool = False
    drop: int = 0
    flex: bool = False
    wrap: int = 0


@dataclass(frozen=True)
class Cell:
    """A text and its role."""

    text: str
    role: Role = "text"


@dataclass(frozen=True)
class Row:
    """Cells, one a column, and notes: sentences that stand below the row, wrapped."""

    cells: tuple[Cell, ...]
    notes: tuple[Cell, ...] = field(default=())


def table(cols: Sequence[Col], rows: Sequence[Row], style: Style) -> list[str]:
    """Return the lines of a table, heading first."""
    widths = [
        max([cell_len(col.title), *(cell_len(row.cells[at].text) for row in rows)])
        for at, col in enumerate(cols)
    ]
    shown = _fit(cols, widths, style.width)
    lines = _row(cols, [Cell(col.title, "muted") for col in cols], widths, shown, style)
    for row in rows:
        lines += _row(cols, row.cells, widths, shown, style)
        for note in row.notes:
            lines += [style.paint(text, note.role) for text in wrapped(note.text, style.width, NOTE_INDENT)]
    return lines


def facts(pairs: Sequence[tuple[str, str | Cell]], style: Style) -> list[str]:
    """Return ``name  value`` lines, the values aligned and wrapped."""
    pairs = [(clean(name), value) for name, value in pairs]
    indent = max((cell_len(name) for name, _ in pairs), default=0) + len(GAP)
    lines: list[str] = []
    for name, value in pairs:
        cell = value if isinstance(value, Cell) else Cell(value)
        first, *rest = wrapped(cell.text, style.width, " " * indent)
        body = first[indent:]
        lines.append((_pad(style.paint(name, "muted"), name, indent) + style.paint(body, cell.role)).rstrip())
        lines += rest
    return lines


def wrapped(text: str, width: int | None, indent: str) -> list[str]:
    """Return the text in lines of at most `width` cells, each begun by `indent`."""
    if width is None:
        return [indent + clean(text)]
    return [indent + part for part in _wrap(clean(text), max(4, width - len(indent)))]


def _wrap(text: str, width: int) -> list[str]:
    """Break at blanks, and inside a word only where it is wider than a line. `textwrap` counts no cells."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        lines += chop_cells(word, width)
        if not lines[0]:
            lines.pop(0)
    return lines


def clean(text: str) -> str:
    """Return the text without control characters, so that a name in a file cannot steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _fit(cols: Sequence[Col], widths: list[int], width: int | None) -> list[int]:
    shown = list(range(len(cols)))
    if width is None:
        return shown

    def excess() -> int:
        return sum(widths[at] for at in shown) + len(GAP) * (len(shown) - 1) - width

    for at in shown:
        # What wraps asks only for as much as makes it readable; the rest is shared out at the end.
        if cols[at].wrap:
            natural, widths[at] = widths[at], min(widths[at], cols[at].wrap)
    while excess() > 0:
        # A name cut to something still readable is worth more than no column of names.
        slack = sum(max(0, widths[at] - _READABLE) for at in shown if cols[at].flex)
        if slack >= excess() or not any(cols[at].drop for at in shown):
            break
        shown.remove(max(shown, key=lambda at: cols[at].drop))
    while (over := excess()) > 0 and (flexible := [at for at in shown if cols[at].flex and widths[at] > 4]):
        widest = max(flexible, key=lambda at: widths[at])
        widths[widest] -= min(over, max(1, widths[widest] // 8), widths[widest] - 4)
    for at in shown:
        if cols[at].wrap:
            widths[at] = min(natural, widths[at] + max(0, -excess()))
    return shown


def _row(
    cols: Sequence[Col], cells: Sequence[Cell], widths: Sequence[int], shown: Sequence[int], style: Style
) -> list[str]:
    parts: list[str] = []
    below: list[str] = []
    left = 0
    for at in shown:
        cell, text = cells[at], clean(cells[at].text)
        if cols[at].wrap and cell_len(text) > widths[at]:
            first, *rest = _wrap(text, widths[at])
            below = [" " * left + line for line in rest]
            text = first
        text = _cut(text, widths[at])
        blank = " " * (widths[at] - cell_len(text))
        painted = style.paint(text, cell.role)
        parts.append(blank + painted if cols[at].right else painted + blank)
        left += widths[at] + len(GAP)
    return [GAP.join(parts).rstrip(), *below]


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"


def _pad(painted: str, text: str, width: int) -> str:
    return painted + " " * (width - cell_len(text))
