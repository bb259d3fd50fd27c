"""`show duties`: what the control process does all the time, and how each of it fares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed.table import NONE, Col, listing
from bngtui.render.text import Span
from bngtui.render.units import count

if TYPE_CHECKING:
    from bngtui.render.printed.table import Style
    from engine.api.messages import DutyState, State

WAITS_S = 1.0
"""From here on it is shown that something waits; what takes less is about to be over."""


def _last(duty: DutyState) -> str:
    return NONE if duty.last_ok_s is None else f"{duty.last_ok_s:.1f} s ago"


def _state(duty: DutyState) -> Span:
    if duty.fault is not None:
        return Span(f"failed: {duty.fault}", "down")
    if duty.under_way_s is not None and duty.under_way_s >= WAITS_S:
        return Span(f"waits for {duty.under_way_s:.0f} s", "warning")
    return Span("not yet", "muted") if duty.last_ok_s is None else Span("well", "up")


_DUTIES: tuple[Col[DutyState], ...] = (
    Col("DUTY", lambda duty: duty.name),
    Col("WHAT", lambda duty: duty.what, drop=3),
    Col("LAST DONE", _last, right=True),
    Col("LONGEST", lambda duty: f"{duty.longest_ms:.1f} ms", right=True, drop=1),
    Col("FAILED", lambda duty: count(duty.failures), right=True, drop=2),
    Col("STATE", _state, wrap=24),
)


def duties(state: State, style: Style) -> list[str]:
    """Return the table of duties."""
    return listing(_DUTIES, state.duties, style, "duties")
