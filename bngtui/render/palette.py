"""The command palette: every action that is possible here, by what it does. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.actions import key_text
from bngtui.render.dialog import framed
from bngtui.render.text import Line, Span, clean, line, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.actions import Action


def matching(actions: Sequence[Action], typed: str) -> list[Action]:
    """Return the actions whose words have all that was typed, those that move rows left out."""
    words = typed.lower().split()
    return [
        action
        for action in actions
        if action.group != "Move"
        and action.name != "palette"
        and all(word in f"{action.help} {action.hint} {action.name} {action.group}".lower() for word in words)
    ]


def paint_palette(found: Sequence[Action], typed: str, chosen: int, width: int, height: int) -> list[Line]:
    """Draw what was typed and what fits it, in a frame."""
    inner = width - 2
    body = max(1, height - 4)
    top = max(0, min(chosen - body // 2, len(found) - body))
    lines = [line(Span("> ", "accent"), Span(clean(typed), "strong"), Span("█", "accent")), line("")]
    for index, action in enumerate(found[top : top + body], start=top):
        here = index == chosen
        left = [Span("▸ " if here else "  ", "accent"), Span(action.help, "accent" if here else "text")]
        lines.append(Line(spread(left, [Span(f" {key_text(action.keys[0])}", "muted")], inner - 2)))
    if not found:
        lines.append(line(Span("  nothing here does that", "muted")))
    blanks = [Line()] * height
    return framed([*lines, *blanks][: height - 2], inner)
