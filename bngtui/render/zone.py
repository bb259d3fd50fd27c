"""The zone that times are told in: UTC, as the engine gives them, or the local one; the same in the whole tool.

Whoever prints a time prints the zone's `label` beside it, or above it.
"""

from __future__ import annotations

from datetime import UTC, datetime


class _Zone:
    local = False


_zone = _Zone()


def use_local(*, on: bool) -> None:
    """Tell times in the local zone from now on, or in UTC again."""
    _zone.local = on


def is_local() -> bool:
    """Whether times are told in the local zone."""
    return _zone.local


def label() -> str:
    """Return the name of the zone: ``UTC``, ``EST``; its offset where the host has no name for it."""
    return (datetime.now().astimezone().tzname() or "local") if _zone.local else "UTC"


def labelled(text: str) -> str:
    """Return a text that names UTC with the zone in use in its place."""
    return text.replace("UTC", label()) if _zone.local else text


def in_zone(rfc3339: str) -> str:
    """Return an RFC 3339 time in the zone in use: unchanged in UTC; a text that is no time as it is."""
    if not _zone.local:
        return rfc3339
    try:
        moment = datetime.fromisoformat(rfc3339)
    except ValueError:
        return rfc3339
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone().isoformat()


def of_seconds(time_s: float) -> str:
    """Return a time in seconds since 1970 as RFC 3339 in the zone in use."""
    return in_zone(datetime.fromtimestamp(time_s, UTC).isoformat())


def stamp(rfc3339: str) -> str:
    """Return ``YYYY-MM-DD HH:MM:SS`` in the zone in use."""
    return in_zone(rfc3339).replace("T", " ")[:19]
