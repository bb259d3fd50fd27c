"""A table as lines: title, column titles, rows, and a mark for what is above and below."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bngtui.render.columns import Fitted, fit_columns
from bngtui.render.fitting import SEPARATOR
from bngtui.render.layout import PANELS
from bngtui.render.text import Line, Role, Span, cell_len, fit, fit_spans, line, spread, width_of, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.view import View

Row = TypeVar("Row")
RULE = Span("─", "faint")
GUTTER = 2  # the selection's mark and a blank
EDGE = 1  # the scroll bar


def paint_table(
    view: View[Row],
    width: int,
    height: int,
    *,
    active: bool,
    summary: Sequence[Span] = (),
    tabs: Sequence[Span] = (),
    stale: bool = False,
    empty: str | None = None,
) -> list[Line]:
    """Draw `view` into exactly `height` lines of `width` cells.

    `active`: this panel has the keys. `summary` follows the title, `tabs` ends its line. `stale`: the rows are of the past, so they lose
    their colours. `empty` overrides what is said where there is no row.
    """
    if height < 1:
        return []
    body = body_height(view, height)
    view.scroll_to_selection(body)
    lines = [
        _title(view, width, body, active=active, summary=_faded(summary) if stale else summary, tabs=tabs)
    ]
    inner = max(1, width - GUTTER - EDGE)
    fitted = fit_columns(view.spec.columns, view.rows, inner)
    if view.spec.heading and height > 2 and view.total:
        lines.append(_heading(view, fitted, width))
    if not view.rows:
        text = _nothing(view) if empty is None else empty
        paragraphs = [piece for part in text.split("\n") for piece in wrap(part, inner)]
        lines += [line(Span(fit("  " + piece, width), "muted")) for piece in paragraphs]
    shown = frozenset(item.column.id for item in fitted)
    selected = view.index
    bar = _scroll_bar(view, body)
    for place in range(view.top, min(view.top + body, len(view.rows))):
        cells = _row(view.rows[place], fitted, shown, stale=stale)
        here = place == selected and active
        mark = Span("▸ " if here else "  ", "accent")
        spans = (*fit_spans((mark, *cells), width - EDGE), bar[place - view.top])
        lines.append(Line(spans, "cursor" if here else "plain"))
    blank = line(" " * width)
    lines += [blank] * height
    return lines[:height]


def body_height(view: View[Row], height: int) -> int:
    """Rows that fit a table of `height` lines."""
    return max(1, height - (2 if view.spec.heading else 1))


def _title(
    view: View[Row], width: int, body: int, *, active: bool, summary: Sequence[Span], tabs: Sequence[Span]
) -> Line:
    name = Span(view.spec.title, "accent" if active else "strong")
    key = str(PANELS.index(view.spec.id) + 1) if view.spec.id in PANELS else ""
    left = [Span("▌" if active else " ", "accent"), Span(f"{key} ", "muted"), name, Span(" "), *summary]
    if summary:
        left.append(Span(" "))
    right: list[Span] = []
    if view.needle:
        right.append(Span(f" /{view.needle}", "accent"))
    if view.faults_only:
        right.append(Span(" faults only", "warning"))
    if view.narrowed():
        right.append(Span(f" {len(view.rows)} of {view.total}", "muted"))
    column = next((c for c in view.spec.columns if c.id == view.order), None)
    if column is not None and not view.spec.heading:
        right.append(Span(f" by {column.heading} {'↓' if view.reverse else '↑'}", "muted"))
    if len(view.rows) > body:
        last = min(view.top + body, len(view.rows))
        right.append(Span(f" {view.top + 1}-{last}/{len(view.rows)}", "muted"))
    # The other panels' names are a comfort; this one's name and state are not.
    if width_of([*left[:4], *right, *tabs]) + 8 <= width:
        right += tabs
    return Line(spread(left, [*right, Span(" ")] if right else [], width, RULE))


def _heading(view: View[Row], fitted: Sequence[Fitted[Row]], width: int) -> Line:
    spans: list[Span] = [Span("  ")]
    for number, item in enumerate(fitted):
        if number:
            spans.append(Span(SEPARATOR))
        column = item.column
        ordered = column.id == view.order
        title = column.heading + (("↓" if view.reverse else "↑") if ordered else "")
        spans.append(Span(fit(title, item.width, right=column.right), "accent" if ordered else "muted"))
    return Line(fit_spans(spans, width))


def _row(row: Row, fitted: Sequence[Fitted[Row]], shown: frozenset[str], *, stale: bool) -> list[Span]:
    """Return the cells of a row; a text that is too long for its column takes empty ones on its left as well."""
    spans: list[Span] = []
    empty = 0  # cells of empty columns, not yet drawn
    for number, item in enumerate(fitted):
        gap = len(SEPARATOR) if number else 0
        cell = item.column.cell(row, item.width, shown)
        if not cell.text:
            empty += gap + item.width
            continue
        width = item.width
        if empty and cell_len(cell.text) > width:
            # The gap before the first empty column stays; those between it and this one are text now.
            first = len(SEPARATOR) if spans else 0
            gap, width, empty = first, width + empty + gap - first, 0
        spans.append(Span(" " * (empty + gap)))
        empty = 0
        role: Role = "muted" if stale else cell.role
        spans.append(Span(fit(cell.text, width, right=item.column.right), role))
    return [*spans, Span(" " * empty)]


def _scroll_bar(view: View[Row], body: int) -> list[Span]:
    """Return one cell a row: a thumb where the window is, blanks where everything is shown."""
    total = len(view.rows)
    if total <= body:
        return [Span(" ")] * body
    size = max(1, body * body // total)
    start = round(view.top * (body - size) / (total - body))
    return [
        Span("┃" if start <= y < start + size else "│", "muted" if start <= y < start + size else "faint")
        for y in range(body)
    ]


def _faded(spans: Sequence[Span]) -> list[Span]:
    return [Span(span.text, "muted") for span in spans]


def _nothing(view: View[Row]) -> str:
    if view.narrowed() and view.total:
        what = f"/{view.needle}" if view.needle else "faults only"
        return f"Nothing matches {what}; Esc shows all {view.total}."
    return view.spec.empty
