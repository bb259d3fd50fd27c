"""The ARP panel: what this node answers for and has resolved, who else claims it, and what happened lately."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.columns import Column
from bngtui.render.states import SEVERITY, Mark, arp_mark
from bngtui.render.text import Span, clean
from bngtui.render.units import age, clock
from bngtui.render.view import Spec
from engine.api.messages import ArpState, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ArpRow = ArpState | Event
"""Entries stand first, conflicts before all; the newest events of kind "arp" follow."""

EVENTS_SHOWN = 50


def rows(entries: Iterable[ArpState], events: Iterable[Event]) -> list[ArpRow]:
    """Return the panel's rows; `events` newest first."""
    ordered: list[ArpRow] = [*sorted(entries, key=lambda entry: arp_mark(entry).rank)]
    recent = [event for event in events if event.kind == "arp"][:EVENTS_SHOWN]
    return [*ordered, *recent]


def _mark(row: ArpRow) -> Mark:
    return SEVERITY[row.severity] if isinstance(row, Event) else arp_mark(row)


def _state(row: ArpRow, _width: int, _shown: frozenset[str]) -> Span:
    if isinstance(row, Event):
        return Span(f"{SEVERITY[row.severity].glyph} {clock(row.time)}", SEVERITY[row.severity].role)
    return arp_mark(row).span


def _address(row: ArpRow, _width: int, _shown: frozenset[str]) -> Span:
    return Span(clean(row.subject if isinstance(row, Event) else row.address))


def _mac(row: ArpRow, _width: int, _shown: frozenset[str]) -> Span:
    if isinstance(row, Event):
        return Span("")
    return Span(row.mac or "-", "down" if row.state == "conflict" else "text")


def _owner(row: ArpRow, _width: int, _shown: frozenset[str]) -> Span:
    if isinstance(row, Event):
        return Span(clean(row.message), "text" if row.severity == "info" else SEVERITY[row.severity].role)
    return Span(clean(row.owner), "muted")


def _age(row: ArpRow, _width: int, _shown: frozenset[str]) -> Span:
    if isinstance(row, Event) or row.age_s is None:
        return Span("")
    # MACs are confirmed again and again: below half a minute the exact age says nothing.
    return Span("<30 s" if row.age_s < 30 else age(row.age_s), "muted")


COLUMNS: tuple[Column[ArpRow], ...] = (
    Column("state", "State", _state, width=11, sort=lambda row: _mark(row).rank),
    Column(
        "address",
        "Address",
        _address,
        width=11,
        widest=20,
        hug=True,
        sort=lambda row: _address(row, 0, frozenset()).text,
    ),
    Column("mac", "MAC", _mac, width=17, priority=1),
    Column("age", "Seen", _age, width=6, right=True, priority=3),
    Column("owner", "Whose", _owner, width=8, grow=1),
)


def _identity(row: ArpRow) -> tuple[str, str]:
    return (
        ("event", str(row.id))
        if isinstance(row, Event)
        else (row.kind, f"{row.address} {row.mac} {row.owner}")
    )


SPEC: Spec[ArpRow] = Spec(
    id="arp",
    title="ARP",
    columns=COLUMNS,
    identity=_identity,
    mark=_mark,
    search=lambda row: " ".join(column.cell(row, 99, frozenset()).text for column in COLUMNS),
    empty="No address is answered for or resolved yet.",
)


def summary(shown: Sequence[ArpRow]) -> list[Span]:
    """Return how many entries there are, and conflicts and silent targets if any."""
    entries = [row for row in shown if isinstance(row, ArpState)]
    spans = [Span(str(len(entries)), "muted")]
    conflicts = sum(entry.state == "conflict" for entry in entries)
    silent = sum(entry.state == "unresolved" for entry in entries)
    if conflicts:
        spans.append(Span(f"  ✖ {conflicts} conflict{'s' if conflicts > 1 else ''}", "down"))
    if silent:
        spans.append(Span(f"  ? {silent} silent", "unknown"))
    return spans
