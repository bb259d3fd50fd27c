"""What a change of the configuration does, that it was done, and that it waits to be confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed.table import facts, plain, wrapped
from bngtui.render.text import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.printed.table import Style
    from bngtui.render.text import Role
    from engine.api.messages import AdminResult, Applied, Pending
    from engine.config.difference.change import Change

_SIGNS: dict[str, tuple[str, Role]] = {
    "added": ("+", "up"),
    "removed": ("-", "down"),
    "changed": ("~", "strong"),
}
_DIFF_ROLES: dict[str, Role] = {"+": "up", "-": "down", "@": "muted"}


def changes(found: Sequence[Change], style: Style) -> list[str]:
    """Return one difference a line, with what it does to traffic below it."""
    pairs: list[tuple[str, str | Span]] = []
    for change in found:
        sign, role = _SIGNS[change.kind]
        pairs.append((f"{sign} {change.subject}", Span(change.message, role)))
        if change.effect:
            pairs.append(("", Span(change.effect, "warning" if change.cuts or change.flows else "muted")))
    return facts(pairs, style)


def unified(text: str, style: Style) -> list[str]:
    """Return a unified diff, coloured; its lines are never wrapped, so that `patch` can read them."""
    return [
        style.paint(_printable(line), _DIFF_ROLES.get(line[:1], "text"))
        for line in text.removesuffix("\n").split("\n")
    ]


NOT_IN_FORCE = "accepted, not yet in force: a worker does not forward by it yet; an event tells when it does"


def not_in_force(answer: AdminResult | Applied, style: Style) -> list[str]:
    """Return a line where a change is accepted, and not in force; none where it is."""
    if answer.in_force:
        return []
    return [style.paint(line, "warning") for line in wrapped(NOT_IN_FORCE, style.width, "")]


def applied(answer: Applied, did: str, style: Style, until: str) -> list[str]:
    """Return what was done, what it changed, and until when it waits to be confirmed (`until`: a time of day)."""
    lines = wrapped(did, style.width, "") + changes(answer.changes, style) + not_in_force(answer, style)
    if answer.pending is not None:
        lines += trial(answer.pending, style, until)
    return lines


def trial(pending: Pending, style: Style, until: str) -> list[str]:
    """Return how to keep a change under trial."""
    text = (
        f"to keep it: confirm within {pending.seconds_left:.0f} s, until {until}; "
        f"otherwise revision {pending.reverts_to} runs again by itself"
    )
    return [style.paint(line, "warning") for line in wrapped(text, style.width, "")]


def waiting(pending: Pending) -> str:
    """Return one line for somebody who looks at something else while a change is under trial."""
    return (
        f"revision {pending.revision} by {pending.actor} waits to be confirmed: {pending.seconds_left:.0f} s left, "
        f"then revision {pending.reverts_to} runs again"
    )


def differing(differs: Sequence[str]) -> str:
    """Return one line where operational state is not what the file says."""
    more = f" and {len(differs) - 2} more" if len(differs) > 2 else ""
    return f"{', '.join(differs[:2])}{more}; save writes it into the file"


def runs(answer: Applied) -> str:
    """Return which revision runs, and where that changes nothing."""
    return f"revision {answer.revision} runs" + ("" if answer.changes else "; nothing that matters changed")


def _printable(line: str) -> str:
    return "\t".join(plain(part) for part in line.split("\t"))
