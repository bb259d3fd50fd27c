"""A change that waits to be confirmed, as every console shows it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bngtui.actions import first_key, key_text
from bngtui.render.text import Span
from bngtui.render.units import clock
from bngtui.render.zone import label

if TYPE_CHECKING:
    from engine.api.messages import FileDiffers, Pending


@dataclass(frozen=True)
class Trial:
    """A change on trial. `seconds_left` counts down by itself between two readings; `may_answer`: from this console."""

    revision: int
    reverts_to: int
    seconds_left: int
    actor: str
    may_answer: bool

    @classmethod
    def of(cls, pending: Pending, age_s: float, *, may_answer: bool) -> Trial:
        """Return a trial as it stands `age_s` seconds after it was read."""
        left = max(0, math.ceil(pending.seconds_left - age_s))
        return cls(pending.revision, pending.reverts_to, left, pending.actor, may_answer)


def key_of(name: str) -> str:
    """Return the key of an action as people write it."""
    return key_text(first_key(name))


def trial_spans(trial: Trial) -> list[Span]:
    """Draw the countdown, and the keys that end it: never wider than 70 cells for numbers of four digits."""
    spans = [
        Span(f" ▲ revision {trial.revision} on trial: back to {trial.reverts_to} in ", "warning"),
        Span(f"{trial.seconds_left} s", "down" if trial.seconds_left <= 10 else "warning"),
    ]
    if trial.may_answer:
        spans += [
            Span(f"   {key_of('keep')}", "accent"),
            Span(" keep  ", "text"),
            Span(key_of("take_back"), "accent"),
            Span(" take back", "text"),
        ]
    return spans


def file_differs(found: FileDiffers) -> str:
    """Say that the file on the disk is not what the engine read or wrote last, since when, and what is wrong with it."""
    since = f"{clock(found.since)[:5]} {label()}"
    if not found.readable:
        return f"the file cannot be read since {since}: {found.trouble}"
    if found.trouble:
        return f"the file differs since {since} and is not valid: {found.trouble}"
    return f"the file differs since {since}"


def differs_span(differs: list[str], *, may_save: bool) -> Span:
    """Say that operational state is not what the file says."""
    one = differs[0] if len(differs) == 1 else f"{len(differs)} states differ from the file"
    tail = f"; {key_of('save')} saves" if may_save else ""
    return Span(f"▲ {one}{tail}", "warning")
