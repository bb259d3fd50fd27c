"""Questions with named answers, and a line to type into: boxes in the middle of the screen. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bngtui.render.text import Line, Role, Span, clean, cut_left, fit_spans, line, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

INNER = 66
"""Cells between the frame's sides; it fits 80 columns with the screen below still to be seen."""


@dataclass(frozen=True)
class Answer:
    """One way to answer: the key, what it does, and the word that the asker gets back."""

    key: str
    label: str
    value: str


@dataclass(frozen=True)
class Question:
    """What is asked. The first answer is the safe one: Enter and Esc give it until another one is chosen."""

    title: str
    lines: tuple[str, ...]
    answers: tuple[Answer, ...]
    grave: tuple[str, ...] = ()  # of the lines, those that somebody should not overlook


def paint_question(question: Question, chosen: int, *, width: int = INNER, room: int = 18) -> list[Line]:
    """Draw a question of at most `room` lines in all."""
    head = [line(Span(piece, "strong")) for piece in wrap(question.title, width - 2)]
    body: list[Line] = []
    for text in question.lines:
        role: Role = "warning" if text in question.grave else "text"
        for number, piece in enumerate(wrap(text, width - 4)):
            body.append(line(Span("  " if number else "· ", "muted"), Span(piece, role)))
    answers = []
    for index, answer in enumerate(question.answers):
        here = index == chosen
        keys = f"{answer.key}, Enter" if here else answer.key
        mark = Span("▸ " if here else "  ", "accent")
        answers.append(
            line(
                mark,
                Span(answer.label, "accent" if here else "text"),
                Span(f"  {keys}", "muted" if here else "accent"),
            )
        )
    fit = max(1, room - 4 - len(head) - len(answers))
    if len(body) > fit:
        body = [*body[: fit - 1], line(Span(f"  … and {len(body) - fit + 1} more lines", "muted"))]
    return framed([*head, line(""), *body, *([line("")] if body else []), *answers], width)


def paint_prompt(title: str, typed: str, hint: str, *, width: int = INNER) -> list[Line]:
    """Draw a line to type into; where it is too long its end is seen."""
    room = width - 6
    shown = cut_left(clean(typed), room)
    field = Line(
        fit_spans(
            [
                Span(" > ", "accent"),
                Span(shown, "strong"),
                Span("█", "accent"),
            ],
            width - 2,
        )
    )
    keys = line(
        Span("Enter", "accent"), Span(" do it  ", "muted"), Span("Esc", "accent"), Span(" leave it", "muted")
    )
    hints = [line(Span(piece, "warning")) for piece in wrap(hint, width - 2)] if hint else [line("")]
    return framed([line(Span(title, "strong")), line(""), field, *hints, keys], width)


def framed(body: Sequence[Line], width: int) -> list[Line]:
    """Draw a frame around lines; `width` is that between its sides."""
    side = Span("│", "accent")
    inside = [
        Line((side, Span(" "), *fit_spans(row.spans, width - 2), Span(" "), side), "bar") for row in body
    ]
    edge = "─" * width
    return [
        line(Span(f"╭{edge}╮", "accent"), tone="bar"),
        *inside,
        line(Span(f"╰{edge}╯", "accent"), tone="bar"),
    ]
