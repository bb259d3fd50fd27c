"""What a change does, and how the texts differ: one below the other, or side by side. Pure."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from bngtui.render.text import Line, Role, Span, cell_len, clean, fit_spans, line, wrap
from bngtui.render.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.config.difference.change import Change

SIDE_BY_SIDE = 120
"""Columns from which two texts stand side by side: each half holds a line of a configuration."""

_SIGNS: dict[str, tuple[str, Role]] = {
    "added": ("+", "up"),
    "removed": ("-", "down"),
    "changed": ("~", "accent"),
}
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_TAB = 8


class Row(NamedTuple):
    """One line of a diff: its number and text in the old and in the new; None where a side has none.

    A row without both is a gap between two places, or with `note` something the engine says of the diff.
    """

    old: tuple[int, str] | None
    new: tuple[int, str] | None
    same: bool = False
    note: str = ""


def rows(unified: str) -> list[Row]:
    """Read a unified diff; lines taken out and put in at one place share a row, as far as they go."""
    found: list[Row] = []
    gone: list[tuple[int, str]] = []
    come: list[tuple[int, str]] = []

    def settle() -> None:
        found.extend(Row(was, now) for was, now in zip_longest(gone, come))
        gone.clear()
        come.clear()

    old = new = 0
    begun = False
    for text in unified.removesuffix("\n").split("\n") if unified else []:
        hunk = _HUNK.match(text)
        if hunk:
            settle()
            if begun:
                found.append(Row(None, None))
            old, new, begun = int(hunk[1]), int(hunk[2]), True
        elif not begun:
            continue
        elif text.startswith("-"):
            if come:
                settle()
            gone.append((old, text[1:]))
            old += 1
        elif text.startswith("+"):
            come.append((new, text[1:]))
            new += 1
        elif text.startswith("\\"):
            # What diff itself says of the line above it, which may still wait for its partner.
            settle()
            found.append(Row(None, None, note=text[1:].strip()))
        else:
            settle()
            found.append(Row((old, text[1:]), (new, text[1:]), same=True))
            old, new = old + 1, new + 1
    settle()
    return found


def below(found: Sequence[Row], width: int) -> list[Line]:
    """Draw a diff with the old lines above the new ones."""
    digits = _digits(found)
    lines: list[Line] = []
    waiting: list[Line] = []
    for row in found:
        if row.same or (row.old is None and row.new is None) or (row.new and not row.old):
            lines += waiting
            waiting = []
        if row.note or (row.old is None and row.new is None):
            lines.append(_gap(row, width))
        elif row.same and row.new:
            lines.append(_text(row.new, " ", "muted", digits, width))
        else:
            if row.old:
                lines.append(_text(row.old, "-", "down", digits, width))
            if row.new:
                waiting.append(_text(row.new, "+", "up", digits, width))
    return lines + waiting


def beside(found: Sequence[Row], width: int) -> list[Line]:
    """Draw a diff with the old text at the left and the new one at the right."""
    digits = _digits(found)
    half = (width - 3) // 2
    lines: list[Line] = []
    for row in found:
        if row.note or (row.old is None and row.new is None):
            lines.append(_gap(row, width))
            continue
        left = _half(row.old, "-", "down", digits, half, same=row.same)
        right = _half(row.new, "+", "up", digits, width - 3 - half, same=row.same)
        lines.append(Line((*left, Span(" │ ", "faint"), *right)))
    return lines


def _gap(row: Row, width: int) -> Line:
    text = f" ⋯ {row.note}" if row.note else " ⋯"
    return Line(fit_spans([Span(text, "muted")], width))


def _text(item: tuple[int, str], sign: str, role: Role, digits: int, width: int) -> Line:
    return Line(_half(item, sign, role, digits, width, same=sign == " "))


def _half(
    item: tuple[int, str] | None, sign: str, role: Role, digits: int, width: int, *, same: bool
) -> tuple[Span, ...]:
    if item is None:
        return fit_spans([Span("")], width)
    number, text = item
    shown = clean(text.expandtabs(_TAB))
    mark: str = " " if same else sign
    ink: Role = "muted" if same else role
    return fit_spans(
        [Span(f"{number:>{digits}} ", "faint" if same else "muted"), Span(f"{mark} {shown}", ink)], width
    )


def _digits(found: Sequence[Row]) -> int:
    most = max((max(r.old[0] if r.old else 0, r.new[0] if r.new else 0) for r in found), default=0)
    return max(3, len(str(most)))


def counts(found: Sequence[Row]) -> str:
    """Say how many lines differ: ``2 lines added, 1 removed``."""
    added = sum(1 for row in found if row.new and not row.same)
    removed = sum(1 for row in found if row.old and not row.same)
    if not added and not removed:
        return "the texts are the same"
    return f"{plural(added, 'line')} added, {removed or 'none'} removed"


def summary(changes: Sequence[Change], width: int) -> list[Line]:
    """Draw what a change does, one thing a line with its effect below; what may cut somebody off is marked."""
    if not changes:
        return [line(Span("    nothing that the engine acts on changes", "muted"))]
    column = min(max(cell_len(change.subject) for change in changes), 24)
    return [drawn for change in changes for drawn in _change(change, column, width)]


def _change(change: Change, column: int, width: int) -> Iterator[Line]:
    sign, role = _SIGNS[change.kind]
    mark = Span("▲ ", "warning") if change.cuts else Span("  ")
    subject = clean(change.subject)
    subject += " " * max(0, column - cell_len(subject))
    indent = column + 7
    room = max(16, width - indent - 1)
    message, *more = wrap(change.message, room)
    yield line(
        Span(" "),
        mark,
        Span(f"{sign} ", role),
        Span(subject, "strong"),
        Span("  "),
        Span(message, role if change.kind != "changed" else "text"),
    )
    for text in more:
        yield line(Span(" " * indent), Span(text))
    effect = f"CUTS OFF: {change.effect or change.message}" if change.cuts else change.effect
    if effect:
        grave = change.cuts or change.flows
        for text in wrap(effect, room):
            yield line(Span(" " * indent), Span(text, "warning" if grave else "muted"))


def headline(changes: Sequence[Change]) -> list[Span]:
    """Say in a few words what a change comes to: ``3 changes  2 flows end or move  ▲ may cut off``."""
    spans = [Span(plural(len(changes), "change"), "strong")]
    flows = sum(change.flows for change in changes)
    if changes:
        ends = f"{flows:,} flow{'' if flows == 1 else 's'} affected" if flows else "no flow affected"
        spans.append(Span(f"  {ends}", "warning" if flows else "muted"))
    if any(change.cuts for change in changes):
        spans.append(Span("  ▲ may cut somebody off", "warning"))
    return spans
