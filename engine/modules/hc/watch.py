"""Judges one probe: when it is up, when it is down, when to try again. No clock: time comes in.

The rule is BalanceNG's: the timeout is the age of the last good answer; one lost probe never takes a target down, one good answer
brings it back; down until the first success. A refusal that is certain needs no such patience: two in a row suffice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.modules.state.world import CheckResult

RETRY_S = 0.5
"""After a certain refusal of a target that is up: long enough for a service that is being restarted to be back."""

CERTAIN_LIMIT = 2
"""Certain refusals in a row that take a target down at once."""

SILENT_LIMIT = 2
"""Silent attempts in a row after a refusal until the silence counts as good: one refusal may have been lost."""

LOST_LIMIT = 2
"""Lost attempts that make the age alone decide. With fewer (a timeout under twice the interval), one more interval is
granted, so that the attempt after a lost one can still answer."""


@dataclass(slots=True)
class Watch:
    """The state of one probe besides its `CheckResult`, which it writes. Seconds, monotonic."""

    result: CheckResult
    interval_s: float
    timeout_s: float
    started: float = 0.0
    flying: bool = False
    lost: int = 0  # attempts without a good answer since the last one
    certain: int = 0  # certain refusals in a row
    quiet: int = 0  # silent attempts in a row since the last of them
    excused_s: float = 0.0  # of the silence since the last good answer: nobody could have been heard
    unheard_since: float | None = None  # our own link is down since then, so that no answer can arrive

    def begin(self, now: float) -> None:
        """Start an attempt."""
        self.started = now
        self.flying = True

    def good(self, now: float, rtt_ms: float | None) -> bool:
        """Take a good answer: up, whatever was before. True if that is news."""
        news = self.result.state != "up"
        self._end()
        self.lost = self.certain = self.quiet = 0
        self.excused_s = 0.0
        if self.unheard_since is not None:
            self.unheard_since = now
        self.result.state, self.result.last_ok = "up", now
        self.result.rtt_ms, self.result.error = rtt_ms, None
        return news

    def silent(self, now: float) -> bool:
        """Take that nothing was said to a question that need not be answered: good, unless it was refused just now."""
        if self.certain and self.quiet + 1 < SILENT_LIMIT:
            self._end()
            self.quiet += 1
            return False
        return self.good(now, None)

    def bad(self, now: float, error: str, *, certain: bool) -> bool:
        """Take no answer, or no for an answer. True if the state or its cause is news."""
        self._end()
        self.lost += 1
        self.certain = self.certain + 1 if certain else 0
        self.quiet = 0
        news = self.result.error != error
        self.result.error = error
        if self.result.state == "up":
            return self.judge(now) or news
        news = news or self.result.state != "down"
        self.result.state = "down"  # it has never answered, or has been down before
        return news

    def excuse(self, gap_s: float, now: float) -> None:
        """Do not count the last `gap_s` seconds as silence, or as much of them as there was silence."""
        if self.result.last_ok is not None:
            self.excused_s += min(gap_s, max(0.0, now - self.result.last_ok))

    def hear(self, now: float, *, possible: bool) -> None:
        """Take up whether answers can arrive from now on; the time in which they could not is excused."""
        if possible and self.unheard_since is not None:
            self.excuse(now - self.unheard_since, now)
            self.unheard_since = None
        elif not possible and self.unheard_since is None:
            self.unheard_since = now

    def unheard(self, why: str) -> bool:
        """End an attempt whose answer could not have been heard: no verdict, only the cause. True if that is news."""
        self._end()
        self.certain = 0
        news = self.result.state == "up" and self.result.error != why
        if self.result.state == "up":
            self.result.error = why
        return news

    def down_at(self) -> float:
        """Return when it is to be taken down if no good answer comes before; infinity while nothing points to it."""
        if self.result.state != "up" or self.result.last_ok is None or not self.lost:
            return math.inf
        if self.certain >= CERTAIN_LIMIT:
            return -math.inf
        if self.unheard_since is not None:
            return math.inf
        grace = 0.0 if self.lost >= LOST_LIMIT else self.interval_s
        return self.result.last_ok + self.excused_s + self.timeout_s + grace

    def judge(self, now: float) -> bool:
        """Take it down if it is time. True if that happened."""
        if now < self.down_at():
            return False
        self.result.state = "down"
        return True

    def next_start(self, now: float) -> float:
        """When the next attempt starts: an interval after the last start, or soon to make sure of a refusal."""
        if self.result.state == "up" and self.certain:
            return now + RETRY_S
        return max(now, self.started + self.interval_s)

    def _end(self) -> None:
        self.flying = False
        self.result.tried = True
