"""`show trend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bngtui.render.printed.table import Col, listing
from bngtui.render.text import Span
from bngtui.render.units import rtt, short
from bngtui.render.zone import of_seconds, stamp

if TYPE_CHECKING:
    from bngtui.render.printed.table import Style
    from bngtui.render.text import Role
    from engine.api.messages import Trend

_ROLE: tuple[tuple[str, Role], ...] = (
    ("down", "down"),
    ("partly", "warning"),
    ("draining", "draining"),
    ("disabled", "disabled"),
    ("unknown", "unknown"),
    ("up", "up"),
)
"""By the worst of what it was."""


class Step(NamedTuple):
    """One row: a moment's values by name."""

    time_s: int
    states: list[str]
    values: dict[str, float | None]

    def cell(self, name: str) -> str:
        """Return a value for people; empty where nothing was measured."""
        value = self.values.get(name)
        if value is None:
            return ""
        return rtt(value) if name == "rtt_ms" else short(value)


_HEADS = {
    "pps": "PPS",
    "bps": "BPS",
    "sessions": "SESS",
    "half_open": "HALF",
    "rtt_ms": "RTT",
    "received": "RECEIVED",
    "dropped": "DROPPED",
}


def _state(step: Step) -> Span:
    role: Role = next((role for name, role in _ROLE if name in step.states), "muted")
    return Span("+".join(step.states), role)


def _time(step: Step) -> str:
    return stamp(of_seconds(step.time_s))


def trend(answer: Trend, style: Style, *, states: bool) -> list[str]:
    """Return the course as a table, the newest last; `states` False leaves out the column that says nothing."""
    names = [name for name in _HEADS if name in answer.values]
    columns = [
        Col[Step]("TIME (UTC)", _time),
        *([Col[Step]("STATE", _state)] if states else []),
        *(_number(name) for name in names),
    ]
    steps = [
        Step(time_s, states_then, {name: answer.values[name][at] for name in names})
        for at, (time_s, states_then) in enumerate(zip(answer.times, answer.states, strict=True))
    ]
    lines = listing(columns, steps, style, "measurements")
    if steps:
        lines.append(f"each of {answer.step_s} s")
    return lines


def _number(name: str) -> Col[Step]:
    return Col(_HEADS[name], lambda step: step.cell(name), right=True)
