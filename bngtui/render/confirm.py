"""The question before a change: the object, what will happen, and two answers of which Cancel is the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.dialog import framed
from bngtui.render.text import Line, Span, line, wrap

if TYPE_CHECKING:
    from bngtui.render.effects import Effect

INNER = 58
"""Cells between the frame's sides; the frame fits a terminal of 80 columns with the table still to be seen."""


def paint_confirm(effect: Effect, *, chosen: bool, typed: str, hint: str, width: int = INNER) -> list[Line]:
    """Draw the dialog. `chosen`: the highlight is on doing it; `typed`: the number so far; `hint`: what was wrong."""
    body: list[Line] = []
    title = f"{effect.verb.capitalize()} {effect.object}?"
    body += [line(Span(piece, "strong")) for piece in wrap(title, width - 2)]
    body.append(line(""))
    for text in effect.lines:
        grave = text in effect.grave
        for number, piece in enumerate(wrap(text, width - 4)):
            body.append(
                line(Span("  " if number else "· ", "muted"), Span(piece, "down" if grave else "text"))
            )
    body.append(line(""))
    body += _typed_answer(effect, typed) if effect.last else _answers(effect, chosen=chosen)
    body.append(line(Span(hint, "warning")))
    return framed(body, width)


def _answers(effect: Effect, *, chosen: bool) -> list[Line]:
    verb = effect.verb.capitalize()
    cancel = Span(" ▸ Cancel " if not chosen else "   Cancel ", "accent" if not chosen else "text")
    do = Span(f" ▸ {verb} " if chosen else f"   {verb} ", "accent" if chosen else "text")
    return [
        line(
            cancel,
            Span("Enter, Esc, n  " if not chosen else "Esc, n         ", "muted"),
            do,
            Span("y", "accent"),
        )
    ]


def _typed_answer(effect: Effect, typed: str) -> list[Line]:
    return [
        line(
            Span("type "),
            Span(str(effect.number), "accent"),
            Span(f" and Enter to {effect.verb} it: "),
            Span(typed, "strong"),
            Span("█", "accent"),
        ),
        line(Span(" ▸ Cancel ", "accent"), Span("Esc, or Enter with nothing typed", "muted")),
    ]
