"""`show sessions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed.table import Col, listing
from bngtui.render.text import Span
from bngtui.render.units import age

if TYPE_CHECKING:
    from bngtui.render.printed.table import Style
    from engine.api.messages import Session, Sessions

_COLS: tuple[Col[Session], ...] = (
    Col("CLIENT", lambda entry: entry.client),
    Col("PORT", lambda entry: "any" if entry.port is None else str(entry.port), right=True),
    Col("SERVER", lambda entry: str(entry.server), right=True),
    Col("TARGET", lambda entry: str(entry.target), right=True),
    Col("STATE", lambda entry: Span(entry.state, "text" if entry.state == "open" else "muted")),
    Col("IDLE", lambda entry: age(entry.idle_s), right=True),
)


def sessions(answer: Sessions, style: Style) -> list[str]:
    """Return the table of flow table entries, and how many more there are."""
    lines = listing(_COLS, answer.sessions, style, "sessions")
    if answer.total > len(answer.sessions):
        lines.append(f"{len(answer.sessions)} of {answer.total} sessions; --limit N shows more")
    return lines
