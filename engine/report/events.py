"""What happened, numbered and kept: the newest events in memory, and every one on its way to log and consoles."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.api.messages import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.domain.notices import Notice

KEPT = 1000
"""A day's worth for a healthy balancer, and under 1 MiB."""

log = logging.getLogger("engine.event")

_LEVEL = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EventLog:
    """Numbers events and hands them on; `publish` is called with each."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._publish = publish
        self.last_id = 0

    def add(self, notice: Notice, actor: str | None = None) -> Event:
        """Turn a module's notice into an event."""
        self.last_id += 1
        event = Event(
            id=self.last_id,
            time=timestamp(),
            kind=notice.kind,
            severity=notice.severity,
            subject=notice.subject,
            message=notice.message,
            actor=actor,
        )
        self._kept.append(event)
        by = f" (by {actor})" if actor else ""
        log.log(_LEVEL[event.severity], "%s: %s: %s%s", event.kind, event.subject, event.message, by)
        self._publish(event)
        return event

    def since(self, last_id: int, limit: int) -> list[Event]:
        """Kept events with an id over `last_id`, the newest `limit` of them, oldest first."""
        found = [e for e in self._kept if e.id > last_id]
        return found[-limit:] if limit > 0 else []
