"""`show events` and `watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed.table import Col, listing, plain
from bngtui.render.states import SEVERITY
from bngtui.render.text import Span, beside
from bngtui.render.zone import in_zone, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.printed.table import Style
    from engine.api.messages import Event


def _by(event: Event) -> str:
    return f" ({event.actor})" if event.actor else ""


_COLS: tuple[Col[Event], ...] = (
    Col("ID", lambda event: str(event.id), right=True, drop=2),
    Col("TIME (UTC)", lambda event: stamp(event.time)),
    Col("KIND", lambda event: event.kind, drop=1),
    Col("SEVERITY", lambda event: Span(event.severity, SEVERITY[event.severity].role)),
    Col("SUBJECT", lambda event: event.subject, flex=True),
    Col("MESSAGE", lambda event: beside(event.subject, event.message) + _by(event), wrap=36),
)


def events(kept: Sequence[Event], style: Style) -> list[str]:
    """Return the table of events, the newest last."""
    return listing(_COLS, kept, style, "events")


def event_line(event: Event, style: Style) -> str:
    """Return one event of `bngctl watch`, on one line however long."""
    severity = style.paint(f"{event.severity:<7}", SEVERITY[event.severity].role)
    text = plain(f"{event.subject}: {beside(event.subject, event.message)}{_by(event)}")
    return f"{in_zone(event.time)} {severity} {event.kind:<8} {text}"
