"""What happened, numbered and kept: the newest events in memory, and every one on its way to whoever listens."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from engine.api.messages import Event
from engine.api.timestamp import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.domain.actor import Actor
    from engine.domain.notices import Notice

KEPT = 1000
"""A day's worth for a healthy balancer, and under 1 MiB."""

log = logging.getLogger("engine.event")

_LEVEL = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class EventLog:
    """Numbers events, keeps the newest and hands each to every listener, in the order in which they subscribed."""

    def __init__(self, *listeners: Callable[[Event], None]) -> None:
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._listeners = list(listeners)
        self.last_id = 0

    def restore(self, events: list[Event]) -> None:
        """Take up the events of former runs, oldest first; numbers go on from theirs."""
        self._kept.extend(events)
        self.last_id = max((event.id for event in events), default=0)

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with each event from now on. What it raises is logged and reaches nobody else."""
        self._listeners.append(listener)

    def add(self, notice: Notice, actor: Actor | None = None) -> Event:
        """Make an event of what happened, and tell everybody; `actor` is who caused it, if somebody did."""
        self.last_id += 1
        event = Event(
            id=self.last_id,
            time=timestamp(),
            kind=notice.kind,
            severity=notice.severity,
            subject=notice.subject,
            message=notice.message,
            actor=None if actor is None else actor.text,
        )
        self._kept.append(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:
                log.exception("event %d: a listener failed", event.id)
        return event

    def since(self, last_id: int, limit: int) -> list[Event]:
        """Return kept events with an id over `last_id`, the newest `limit` of them, oldest first."""
        found = [e for e in self._kept if e.id > last_id]
        return found[-limit:] if limit > 0 else []


def log_event(event: Event) -> None:
    """Write an event to the engine's log: the listener that every engine has."""
    by = f" (by {event.actor})" if event.actor else ""
    log.log(_LEVEL[event.severity], "%s: %s: %s%s", event.kind, event.subject, event.message, by)
