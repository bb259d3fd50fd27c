"""Text with roles: what every region of the screen is drawn from, before any colour is chosen.

A `Span` is text and the role it plays ("up", "muted", ...); a `Line` is spans and the tone of the ground below them.
Roles and tones become colours in `bngtui.theme`. Nothing here knows Textual, so a screen can be tested as plain text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from rich.cells import cell_len as cell_len  # noqa: PLC0414 - the one place that the width of a text comes from
from rich.cells import chop_cells, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Role = Literal[
    "text",
    "strong",
    "muted",
    "faint",  # rules, dots, what only guides the eye
    "accent",  # keys, marks, the title of the panel that has the keys
    "up",
    "down",
    "warning",
    "unknown",
    "draining",
    "disabled",
    "graph",
]
Tone = Literal["plain", "bar", "cursor"]
ROLES: tuple[Role, ...] = get_args(Role)
TONES: tuple[Tone, ...] = get_args(Tone)


def told_of(subject: str, message: str) -> str:
    """Put in front of a message what it is about, unless it says so itself; room is dear on a screen."""
    named = re.search(rf"(?<!\w){re.escape(subject)}(?!\w)", message)
    return clean(message if named else f"{subject}: {message}")


def beside(subject: str, message: str) -> str:
    """Return a message that stands beside its subject: without the subject, where the message begins with it."""
    rest = message.removeprefix(subject)
    goes_on = rest[:1].isalnum() or (rest[:1] in {".", ":", "/"} and rest[1:2].isalnum())
    if not subject or rest == message or goes_on:
        return message
    return rest.lstrip(" :,") or message


class Span(NamedTuple):
    """Text that plays one role."""

    text: str
    role: Role = "text"


class Line(NamedTuple):
    """One line of the screen."""

    spans: tuple[Span, ...] = ()
    tone: Tone = "plain"

    @property
    def text(self) -> str:
        """The characters alone."""
        return "".join(span.text for span in self.spans)


def line(*parts: str | Span, tone: Tone = "plain") -> Line:
    """Make a line; a bare string has role "text"."""
    return Line(tuple(Span(part) if isinstance(part, str) else part for part in parts), tone)


@lru_cache(maxsize=4096)
def clean(text: str, instead: str = "\ufffd") -> str:
    """Put `instead` for what would move a terminal's cursor: names and reasons come from files and from the network."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else instead for char in text)


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` cells: as it is, or cut with an ellipsis; nothing where there is no room."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def cut_left(text: str, width: int) -> str:
    """Return `text` in at most `width` cells: as it is, or its end after an ellipsis."""
    while cell_len(text) > width:
        text = "…" + text[2:]
    return text


@lru_cache(maxsize=8192)
def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` in exactly `width` cells: padded, or cut with an ellipsis."""
    shown = cut(text, width)
    pad = " " * (width - cell_len(shown))
    return pad + shown if right else shown + pad


def width_of(spans: Iterable[Span]) -> int:
    """Cells that these spans take."""
    return sum(cell_len(span.text) for span in spans)


def fit_spans(spans: Sequence[Span], width: int) -> tuple[Span, ...]:
    """Return spans of exactly `width` cells in all: padded with blanks, or cut with an ellipsis."""
    out: list[Span] = []
    left = width
    for span in spans:
        have = cell_len(span.text)
        if have > left:
            if left > 0:
                out.append(Span(fit(span.text, left), span.role))
            left = 0
            break
        out.append(span)
        left -= have
    if left > 0:
        out.append(Span(" " * left))
    return tuple(out)


def spread(
    left: Sequence[Span], right: Sequence[Span], width: int, fill: Span | None = None
) -> tuple[Span, ...]:
    """Put `left` and `right` at the two ends of `width` cells; where both do not fit, `left` is cut.

    `fill` is one cell repeated between them.
    """
    fill = fill or Span(" ")
    right_width = width_of(right)
    if right_width > width:
        return fit_spans(right, width)
    room = width - right_width
    left_width = width_of(left)
    if left_width > room:
        return (*fit_spans(left, room), *right)
    middle = () if room == left_width else (Span(fill.text * (room - left_width), fill.role),)
    return (*left, *middle, *right)


def wrap(text: str, width: int) -> list[str]:
    """Break at blanks into lines of at most `width` cells; a longer word is cut in pieces.

    `textwrap` would count characters, of which some take two cells.
    """
    lines = [""]
    for word in clean(text).split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        pieces = chop_cells(word, max(1, width))
        lines = [*lines, *pieces] if lines[-1] else [*lines[:-1], *pieces]
    return lines


def _cells(row: Line) -> list[tuple[str, Role]]:
    cells: list[tuple[str, Role]] = []
    for text, role in row.spans:
        if text.isascii():
            cells += [(char, role) for char in text]
            continue
        for char in text:
            cells.append((char, role))
            cells += [("", role)] * (cell_len(char) - 1)
    return cells


def changed_runs(old: Line, new: Line, *, join: int = 16) -> list[tuple[int, int]]:
    """Return where `new` differs from `old`, as (first cell, cells) runs from left to right.

    Runs closer than `join` cells are one: a cursor movement and a colour cost a terminal about as many bytes.
    """
    if old == new:
        return []
    after = _cells(new)
    if old.tone != new.tone:
        return [(0, len(after))]
    before = _cells(old)
    if len(before) != len(after):
        return [(0, max(len(before), len(after)))]
    runs: list[tuple[int, int]] = []
    for index, (was, now) in enumerate(zip(before, after, strict=True)):
        if was == now:
            continue
        if runs and index - (runs[-1][0] + runs[-1][1]) < join:
            runs[-1] = (runs[-1][0], index + 1 - runs[-1][0])
        else:
            runs.append((index, 1))
    # No run starts in the middle of a wide character: its second cell differs only where the first one does.
    return runs
