"""Interfaces that had traffic for their virtual addresses all the time, and then none: an alarm that clears itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GAP_S = 10.0
BUSY_S = 600.0
"""An interface is busy once it has gone so long without so long a gap. Traffic that dwindles at night has its gaps before
it ends, and so does that of a handful of clients: neither is busy, and neither raises anything."""

QUIET_S = 60.0
"""A busy interface that hears nothing for so long has lost its traffic: six times the longest gap it had."""


@dataclass(slots=True)
class _Heard:
    count: int
    since: float  # without a gap
    last: float
    quiet: bool = False


class QuietWatch:
    """Reads how many frames came for virtual addresses, once a second; seconds are monotonic."""

    def __init__(self) -> None:
        self._heard: dict[int, _Heard] = {}

    def look(self, received: Mapping[int, int], now: float) -> dict[int, bool]:
        """Take the counts of interfaces that can hear and should, by number; return which began or ceased to be quiet.

        One that is not among them (its link is off, it serves nothing now) is forgotten.
        """
        news = {n: False for n in self._heard.keys() - received.keys() if self._heard[n].quiet}
        for number in self._heard.keys() - received.keys():
            del self._heard[number]
        for number, count in received.items():
            heard = self._heard.get(number)
            if heard is None or count < heard.count:
                if heard is not None and heard.quiet:
                    news[number] = False
                self._heard[number] = _Heard(count, now, -math.inf)
            elif count > heard.count:
                if now - heard.last > GAP_S:
                    heard.since = now
                heard.count, heard.last = count, now
                if heard.quiet:
                    heard.quiet = news[number] = False
            elif not heard.quiet and heard.last - heard.since >= BUSY_S and now - heard.last >= QUIET_S:
                heard.quiet = news[number] = True
        return news
