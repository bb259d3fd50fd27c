"""What is wrong right now with the engine and its host; what the modules find is in `World.alarms`."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from engine.domain.notices import Alarm, Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.domain.notices import EventSeverity
    from engine.report.events import EventLog

FAULT_AGAIN_S = 10.0
"""Time between two times that a fault of one key is told: what is broken may be so many times a second."""

log = logging.getLogger("engine")


class Alarms:
    """The alarms that are raised, one for each key, and the events that tell of them."""

    def __init__(self, event_log: EventLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._event_log = event_log
        self._clock = clock
        self._faults: dict[str, tuple[float, int]] = {}  # by key: when told last, and how many came since
        self._raised: dict[str, Alarm] = {}

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self._raised.values())

    def set(self, key: str, subject: str, message: str, severity: EventSeverity = "error") -> bool:
        """Raise an alarm or change its message; return whether it says something new."""
        before = self._raised.get(key)
        self._raised[key] = Alarm(severity=severity, subject=subject, message=message)
        return before is None or before.message != message

    def clear(self, key: str) -> bool:
        """Take an alarm back, its cause being gone; return whether it was raised."""
        return self._raised.pop(key, None) is not None

    def report_fault(self, key: str, error: Exception, subject: str = "engine") -> None:
        """Tell of a fault of the engine's own. It goes on: the workers forward by the last table meanwhile.

        A fault whose words change all the time is told every `FAULT_AGAIN_S`, with a count of what came meanwhile.
        """
        text = f"fault in the engine, forwarding goes on: {type(error).__name__}: {error}"
        if not self.set(key, subject, text):
            return
        now, (told_at, untold) = self._clock(), self._faults.get(key, (-math.inf, 0))
        if now - told_at < FAULT_AGAIN_S:
            self._faults[key] = (told_at, untold + 1)
            return
        self._faults[key] = (now, 0)
        more = f" ({untold} times more meanwhile)" if untold else ""
        log.error("%s: %s%s", subject, text, more, exc_info=error)
        self._event_log.add(Notice("config", "error", subject, text + more))
