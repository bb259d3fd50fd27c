"""The event log, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.columns import Column
from bngtui.render.states import SEVERITY
from bngtui.render.text import Span, beside, clean
from bngtui.render.units import clock, plural
from bngtui.render.view import Spec
from bngtui.render.zone import labelled

if TYPE_CHECKING:
    from engine.api.messages import Event


def _time(event: Event, _width: int, _shown: frozenset[str]) -> Span:
    mark = SEVERITY[event.severity]
    return Span(f"{mark.glyph} {clock(event.time)}", mark.role)


def _message(event: Event, _width: int, shown: frozenset[str]) -> Span:
    text = clean(beside(event.subject, event.message))
    if event.actor and "actor" not in shown:
        text = f"{text} ({clean(event.actor)})"
    return Span(text, "text" if event.severity == "info" else SEVERITY[event.severity].role)


COLUMNS: tuple[Column[Event], ...] = (
    Column(
        "time",
        "UTC",
        _time,
        width=10,
        sort=lambda e: e.id,
        descending=True,
    ),
    Column(
        "severity",
        "Severity",
        lambda e, _w, _s: SEVERITY[e.severity].span,
        width=9,
        priority=8,
        sort=lambda e: (SEVERITY[e.severity].rank, -e.id),
    ),
    Column(
        "kind", "Kind", lambda e, _w, _s: Span(e.kind, "muted"), width=8, priority=6, sort=lambda e: e.kind
    ),
    Column(
        "subject",
        "Subject",
        lambda e, _w, _s: Span(clean(e.subject), "strong"),
        width=8,
        widest=16,
        hug=True,
        sort=lambda e: e.subject,
    ),
    Column("message", "Message", _message, width=30, comfort=72, grow=1),
    Column("actor", "By", lambda e, _w, _s: Span(clean(e.actor or ""), "muted"), width=18, priority=9),
)

SPEC: Spec[Event] = Spec(
    id="events",
    title="Events",
    columns=COLUMNS,
    identity=lambda event: event.id,
    mark=lambda event: SEVERITY[event.severity],
    search=lambda event: f"{event.kind} {event.severity} {event.subject} {event.message} {event.actor or ''}",
    empty="Nothing has happened yet.",
    newest_first=True,
)


def summary(events: list[Event], missed: int) -> list[Span]:
    """Return how many events are kept, and how many this console missed."""
    spans = [Span(labelled(f"{len(events)}, UTC"), "muted")]
    if missed:
        spans.append(Span(f"  ▲ {plural(missed, 'event')} missed", "warning"))
    return spans
