"""The last line: what the keys do here, or what just happened, or the filter being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.actions import key_text
from bngtui.render.text import Line, Role, Span, clean, fit_spans, spread, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.actions import Action


def paint_hints(actions: Sequence[Action], width: int) -> Line:
    """Draw the keys of those actions that have a hint; the least worth goes first where the line is short."""
    hinted = [action for action in actions if action.hint]
    while True:
        spans: list[Span] = [Span(" ")]
        for action in hinted:
            spans += [Span(key_text(action.keys[0]), "accent"), Span(f" {action.hint}  ", "muted")]
        spans[-1] = Span(spans[-1].text.rstrip() or " ", spans[-1].role)
        if width_of(spans) <= width or not hinted:
            return Line(fit_spans(spans, width), "bar")
        least = max(action.worth for action in hinted)
        last = max(index for index, action in enumerate(hinted) if action.worth == least)
        hinted.pop(last)


def paint_message(text: str, role: Role, width: int) -> Line:
    """Draw what just happened."""
    return Line(fit_spans([Span(" "), Span(clean(text), role)], width), "bar")


def paint_filter(panel: str, needle: str, width: int) -> Line:
    """Draw the filter while it is typed."""
    left = [Span(" /", "accent"), Span(clean(needle)), Span("█", "accent")]
    help_ = [Span(f"filter {panel}: ", "muted"), Span("Enter", "accent"), Span(" keep  ", "muted")]
    return Line(spread(left, [*help_, Span("Esc", "accent"), Span(" drop ", "muted")], width), "bar")
