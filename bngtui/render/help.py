"""The help page: keys from the actions registry, and what the signs mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.actions import key_text
from bngtui.render.states import ARP, SERVER_MARKS, SEVERITY, TARGET_MARKS, Mark
from bngtui.render.text import Line, Span, fit, fit_spans, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bngtui.actions import Action

_TITLES = {
    "Change": "Change (asks before it does)",
    "Configuration": "Configuration",
    "Edit": "Editor",
    "Review": "Review",
    "History": "History",
    "Look": "Look",
    "Panels": "Panels",
    "Move": "Move",
    "Program": "Program",
}


def paint_help(actions: Sequence[Action], width: int, *, read_only: bool) -> list[Line]:
    """Return the help page for `width` cells, in two columns where there is room."""
    keys = _keys(actions)
    if read_only:
        keys[:0] = [
            line(Span("  READ-ONLY", "accent"), Span(": nothing can be changed from here", "muted")),
            line(""),
        ]
    signs = _signs()
    if width < 100:
        return [*keys, line(""), *signs]
    half = width // 2
    rows = max(len(keys), len(signs))
    blank = line("")
    left = [*keys, *[blank] * (rows - len(keys))]
    right = [*signs, *[blank] * (rows - len(signs))]
    return [
        Line((*fit_spans(a.spans, half - 2), Span("  "), *b.spans)) for a, b in zip(left, right, strict=True)
    ]


def _keys(actions: Sequence[Action]) -> list[Line]:
    lines: list[Line] = []
    column = max(12, *(len(_keys_of(action)) for action in actions), 0)
    for group, title in _TITLES.items():
        members = [action for action in actions if action.group == group]
        if not members:
            continue
        if lines:
            lines.append(line(""))
        lines.append(line(Span(f"  {title}", "strong")))
        lines += [
            line(Span(f"  {fit(_keys_of(action), column)} ", "accent"), Span(action.help))
            for action in members
        ]
    return lines


def _keys_of(action: Action) -> str:
    return " ".join(dict.fromkeys(key_text(key) for key in action.keys))


def _signs() -> list[Line]:
    lines: list[Line] = []
    for title, marks in (
        ("Targets", TARGET_MARKS),
        ("Servers", SERVER_MARKS),
        ("ARP", ARP.values()),
        ("Events and alarms", SEVERITY.values()),
    ):
        if lines:
            lines.append(line(""))
        lines.append(line(Span(f"  {title}", "strong")))
        lines += _legend(marks)
    lines += [
        line(""),
        line(Span("  Numbers", "strong")),
        line(Span("  pkt/s, bit/s ", "muted"), Span("client to target; answers do not pass here")),
        line(Span("  <5 s         ", "muted"), Span("age of a check's last good answer")),
        line(
            Span("  ▂▄▆█         ", "graph"),
            Span("pkt/s, one reading a cell; top: 1, 2, 5, 10 …"),
        ),
    ]
    return lines


def _legend(marks: Iterable[Mark]) -> list[Line]:
    return [
        line(Span(f"  {fit(mark.glyph + ' ' + mark.word, 12)} ", mark.role), Span(mark.help))
        for mark in marks
    ]
