"""What the control process has to do again and again: each duty with its own last success, its own failure and alarm.

A duty that raises is told and tried again; one that waits is told when it waits for too long. Neither keeps another from
its turn: engine/turns.py gives each its own.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

from engine.api.messages import DutyState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.report.alarms import Alarms

RETRY_S = 1.0
"""Time until a duty that failed is tried again: what is broken for good must not take the turns of the others."""

LATE_S = 5.0
"""How late a duty may be, or how long it may be at it, until that is an alarm; a busy host is slow, too."""


class Duty:
    """One duty. `what` says for people what is done; `due` returns when it has to be done again, in monotonic seconds."""

    def __init__(
        self,
        name: str,
        what: str,
        alarms: Alarms,
        *,
        due: Callable[[float], float] = lambda _: math.inf,
        late_s: float = LATE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.what = what
        self.due = due
        self.not_before = -math.inf
        self._alarms = alarms
        self._late_s = late_s
        self._clock = clock
        self._since = clock()
        self._begun: float | None = None
        self._last_ok: float | None = None
        self._failures = 0
        self._fault: str | None = None
        self._longest_s = 0.0

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Note how what is done in the block comes out. What it raises is an alarm, and goes no further."""
        self._begun = begun = self._clock()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the others have their turns
            self._failures += 1
            self._fault = f"{type(error).__name__}: {error}"
            self.not_before = self._clock() + RETRY_S
            self._alarms.report_fault(f"duty {self.name}", error, self.name)
        else:
            self._last_ok, self._fault = self._clock(), None
            self._alarms.clear(f"duty {self.name}")
        finally:
            self._begun = None
            self._longest_s = max(self._longest_s, self._clock() - begun)

    @property
    def under_way(self) -> bool:
        """Whether it is being done."""
        return self._begun is not None

    def next_due(self, now: float) -> float:
        """Return when it has to be begun: infinity while it is under way."""
        return math.inf if self.under_way else max(self.due(now), self.not_before)

    def watch(self, now: float) -> None:
        """Raise an alarm where it waits for too long, or is not begun at all; take it back when that is over."""
        due = max(self.due(now), self._since)  # at the start everything is due since ever
        waits_s = now - (due if self._begun is None else self._begun)
        key = f"duty {self.name} waits"
        if waits_s <= self._late_s:
            self._alarms.clear(key)
        elif self._begun is not None:
            self._alarms.set(key, self.name, f"{self.what}: waits for too long; forwarding goes on")
        else:
            self._alarms.set(key, self.name, f"{self.what}: not done in time; forwarding goes on")

    def state(self, now: float) -> DutyState:
        """Return what the state of every console shows."""
        return DutyState(
            name=self.name,
            what=self.what,
            last_ok_s=None if self._last_ok is None else round(now - self._last_ok, 1),
            under_way_s=None if self._begun is None else round(now - self._begun, 1),
            failures=self._failures,
            fault=self._fault,
            longest_ms=round(self._longest_s * 1000, 1),
        )


class Duties:
    """Every duty of an engine, by name, in the order in which they were added."""

    def __init__(self, alarms: Alarms, clock: Callable[[], float] = time.monotonic) -> None:
        self._alarms = alarms
        self._clock = clock
        self._by_name: dict[str, Duty] = {}

    def add(
        self,
        name: str,
        what: str,
        *,
        due: Callable[[float], float] = lambda _: math.inf,
        late_s: float = LATE_S,
    ) -> Duty:
        """Return a new duty; `due` as in Duty: infinity, where something else than time calls for it."""
        duty = Duty(name, what, self._alarms, due=due, late_s=late_s, clock=self._clock)
        self._by_name[name] = duty
        return duty

    def __iter__(self) -> Iterator[Duty]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> Duty:
        return self._by_name[name]

    def watch(self, now: float) -> None:
        """Look whether each is done in time."""
        for duty in self:
            duty.watch(now)

    def states(self, now: float) -> list[DutyState]:
        """Return what the state of every console shows."""
        return [duty.state(now) for duty in self]
