"""`history`: the revisions that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed.table import Col, listing
from bngtui.render.revision_list import ended
from bngtui.render.text import Span
from bngtui.render.zone import stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.printed.table import Style
    from engine.api.messages import Revision


def _state(one: Revision) -> Span:
    if not one.confirmed:
        return Span("unconfirmed", "warning") if one.running else Span("reverted", "muted")
    return Span("running", "up") if one.running else Span("")


def _note(one: Revision) -> str:
    end = ended(one)
    return f"{one.note} ({end})" if end else one.note


_COLS: tuple[Col[Revision], ...] = (
    Col("#", lambda one: str(one.number), right=True),
    Col("TIME (UTC)", lambda one: stamp(one.time)),
    Col("WHO", lambda one: one.user or f"uid {one.uid}", flex=True),
    Col("LINES", lambda one: str(one.lines), right=True, drop=1),
    Col("STATE", _state),
    Col("NOTE", _note, wrap=24),
)


def history(revisions: Sequence[Revision], style: Style) -> list[str]:
    """Return the table of revisions, the newest first as they come."""
    return listing(_COLS, revisions, style, "revisions")
