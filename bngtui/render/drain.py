"""A drain in one sentence: who began it and when, what is left, and when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.revision_list import when
from bngtui.render.text import clean
from bngtui.render.units import age, plural
from bngtui.render.zone import label

if TYPE_CHECKING:
    from engine.api.messages import DrainState


def drain_text(drain: DrainState) -> str:
    """Return the sentence: ``by root(0) since 11-25 10:42:11 UTC, 3 flows left, last packet 2 s ago; they end in 25 s``."""
    text = f"by {clean(drain.by)} since {when(drain.since)} {label()}, {left_text(drain)}"
    if drain.left_s is None:
        return f"{text}; no end"
    if not drain.left_s:
        return f"{text}; its time of {drain.within_s} s is over"
    return f"{text}; {'it ends' if drain.flows == 1 else 'they end'} in {age(drain.left_s)}"


def left_text(drain: DrainState) -> str:
    """Return what is left at the target: ``3 flows left, last packet 2 s ago``, ``nothing left``."""
    if not drain.flows:
        return "nothing left"
    last = "" if drain.quiet_s is None else f", last packet {age(drain.quiet_s)} ago"
    return f"{plural(drain.flows, 'flow')} left{last}"
