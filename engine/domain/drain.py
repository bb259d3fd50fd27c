"""A target that is being drained: who began it and when, and whether it has an end."""

from __future__ import annotations

import msgspec

MAX_WITHIN_S = 604_800
"""A week: who would wait longer for sessions to end does not wait for an end."""


class Drain(msgspec.Struct, kw_only=True, frozen=True):
    """What an operator said. Kept over restarts, so its time is the clock's and not the process's."""

    since: float  # seconds since the epoch
    by: str  # the operator, as events name one
    within_s: int | None = None  # after it the flows that are left end; None: never

    def end(self, now: float, wall_s: float) -> float | None:
        """Return when it ends in monotonic seconds, where `now` is the moment at `wall_s` since the epoch.

        Never later than its whole time from now: a clock that was set back keeps no target for years.
        """
        if self.within_s is None:
            return None
        return now + min(self.since + self.within_s - wall_s, float(self.within_s))
