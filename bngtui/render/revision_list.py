"""The history screen's table: every accepted configuration, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.columns import Column
from bngtui.render.states import Mark
from bngtui.render.text import Span, clean
from bngtui.render.view import Spec
from bngtui.render.zone import in_zone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.api.messages import Revision

RUNNING = Mark("●", "running", "up", 1, False, "what the engine does now")
TRIAL = Mark("▲", "on trial", "warning", 0, True, "runs, and goes back unless somebody confirms it")
REVERTED = Mark("○", "reverted", "disabled", 2, False, "was not confirmed, and the engine went back")
KEPT = Mark("·", "", "muted", 3, False, "ran once, and can be rolled back to")


def revision_mark(revision: Revision) -> Mark:
    """Return the state of a revision."""
    if revision.running:
        return RUNNING if revision.confirmed else TRIAL
    return REVERTED if revision.reverted or not revision.confirmed else KEPT


_ENDED = {
    "confirmed": "confirmed",
    "kept-with": "on trial until it was kept with a later one",
    "superseded": "on trial until another text took its place",
    "taken-back": "taken back",
    "timed-out": "not confirmed in time",
    "not-applied": "not applied",
    "engine-ended": "on trial until the engine ended",
}


def ended(revision: Revision) -> str:
    """Say how a revision stopped being on trial; "" where it never was, or is still."""
    if revision.end is None:
        return ""
    return _ENDED[revision.end] + (f" by {clean(revision.ended_by)}" if revision.ended_by else "")


def _note(revision: Revision) -> str:
    end = ended(revision)
    return clean(revision.note) + (f" ({end})" if end else "")


def when(rfc3339: str) -> str:
    """Return ``03-01 12:00:30`` of an RFC 3339 time."""
    date, mark, rest = in_zone(rfc3339).partition("T")
    return f"{date[5:10]} {rest[:8]}" if mark else rfc3339[:14]


def who(revision: Revision) -> str:
    """Return who made a revision."""
    return clean(revision.user or str(revision.uid))


COLUMNS: tuple[Column[Revision], ...] = (
    Column("state", "State", lambda r, _w, _s: revision_mark(r).span, width=10),
    Column("number", "#", lambda r, _w, _s: Span(str(r.number), "strong"), width=4, right=True),
    Column("time", "Time, UTC", lambda r, _w, _s: Span(when(r.time), "text"), width=14),
    Column("who", "Who", lambda r, _w, _s: Span(who(r)), width=4, widest=12, hug=True),
    Column("lines", "Lines", lambda r, _w, _s: Span(str(r.lines), "muted"), width=5, right=True, priority=5),
    Column("note", "Note", lambda r, _w, _s: Span(_note(r)), width=12, comfort=40, grow=1),
    Column("language", "Language", lambda r, _w, _s: Span(r.language, "muted"), width=9, priority=9),
)

SPEC: Spec[Revision] = Spec(
    id="revisions",
    title="History",
    columns=COLUMNS,
    identity=lambda revision: revision.number,
    mark=revision_mark,
    search=lambda revision: f"{revision.number} {revision.user} {revision.note}",
    empty="No revisions yet.",
)


def summary(revisions: Sequence[Revision]) -> list[Span]:
    """Say which one runs."""
    running = next((one for one in revisions if one.running), None)
    if running is None:
        return []
    mark = revision_mark(running)
    return [
        Span(
            f"{mark.glyph} revision {running.number} {'is on trial' if mark is TRIAL else 'runs'}", mark.role
        )
    ]
