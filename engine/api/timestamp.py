"""How moments are written on the wire and in what is kept: events, revisions, states."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(moment: datetime | None = None) -> str:
    """Return a moment (None: now) as RFC 3339 in UTC with milliseconds."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
