"""What is wrong right now with the engine and its host; what the modules find is in `World.alarms`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from engine.domain.notices import Alarm, Notice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.domain.notices import EventSeverity
    from engine.report.events import EventLog

log = logging.getLogger("engine")


class Alarms:
    """The alarms that are raised, one for each key, and the events that tell of them."""

    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log
        self._raised: dict[str, Alarm] = {}

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self._raised.values())

    def set(self, key: str, subject: str, message: str, severity: EventSeverity = "error") -> bool:
        """Raise an alarm or change its message; return whether it says something new."""
        before = self._raised.get(key)
        self._raised[key] = Alarm(severity=severity, subject=subject, message=message)
        return before is None or before.message != message

    def clear(self, key: str) -> None:
        """Take an alarm back, its cause being gone."""
        self._raised.pop(key, None)

    def report_fault(self, key: str, error: Exception) -> None:
        """Tell of a fault of the engine's own. It goes on: the workers forward by the last table meanwhile."""
        text = f"fault in the engine, forwarding goes on: {type(error).__name__}: {error}"
        if self.set(key, "engine", text):
            log.error("%s", text, exc_info=error)
            self._event_log.add(Notice("config", "error", "engine", text))
