"""Targets whose flows never open: their answers do not reach the clients, whatever the checks on the local network say.

With direct server return only the client's side is seen: a flow is open when its client answered the target, and one that
shows SYNs to its end had no answer. A client that is known by its address and keeps trying has one flow without an end,
so those that stay half open count as well.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.datapath.contract import TARGET_ROWS
from engine.domain.reason import listed
from engine.report.shares import Limits, ShareWatch, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from engine.datapath.contract import Counters

LIMITS = Limits(high=0.5, low=0.25, hold_s=60.0)
"""Without a way back every flow of a target stays without an answer; a client that goes away or a scanner leaves a few."""

SPANS = (Span(60.0, 2.0, 20), Span(600.0, 20.0, 10))
"""A minute, and where fewer flows come ten of them: a flow ends ten seconds after its last SYN."""


STAYS_S = 15.0
"""So many flows as were half open at any time of the last so many seconds stay so: a flow opens within its round trip, and
one that shows nothing more is gone after ten seconds."""


class Unopened(NamedTuple):
    """Targets of which it is told, and the clause."""

    subject: str
    message: str
    targets: tuple[int, ...]


class UnopenedWatch:
    """Reads the counters once a second; seconds are monotonic."""

    def __init__(self) -> None:
        self._shares = ShareWatch(TARGET_ROWS, 1, SPANS, LIMITS)
        self._told: dict[str, Unopened] = {}
        self._half_open: deque[tuple[float, NDArray[np.int64]]] = deque()

    def look(
        self, counters: Counters, targets_of: Mapping[int, tuple[int, ...]], now: float
    ) -> tuple[list[Unopened], list[Unopened]]:
        """Judge the targets in service, by number of the server that they take flows of; none: a backup, or a start.

        Returns what has to be told anew, and what is over.
        """
        judged = {number for numbers in targets_of.values() for number in numbers}
        unanswered = counters.target_unanswered[:, None]
        level = self._staying(counters.target_half_open, now)[:, None]
        self._shares.look(counters.target_opened, unanswered, judged, now, level)
        standing = {one.subject: one for one in self._standing(targets_of)}
        begun = [one for subject, one in standing.items() if subject not in self._told]
        over = [one for subject, one in self._told.items() if subject not in standing]
        self._told = standing
        return begun, over

    def standing(self) -> list[Unopened]:
        """Return what is wrong as of the last look."""
        return list(self._told.values())

    def _staying(self, half_open: NDArray[np.int64], now: float) -> NDArray[np.int64]:
        """Return how many flows of each target were half open all the time of late."""
        readings = self._half_open
        readings.append((now, half_open))
        while now - readings[0][0] > STAYS_S:
            readings.popleft()
        least: NDArray[np.int64] = np.minimum.reduce([reading for _, reading in readings])
        return least

    def _standing(self, targets_of: Mapping[int, tuple[int, ...]]) -> list[Unopened]:
        """Tell of a server all of whose targets are alike as one, of other targets each by itself."""
        wrong = self._shares.wrong[:, 0]
        found: list[Unopened] = []
        told: set[int] = set()
        for server, numbers in targets_of.items():
            if len(numbers) > 1 and all(wrong[n] for n in numbers):
                told.update(numbers)
                text = (
                    f"{self._figures(numbers)} of every target of server {server} never got beyond SYN: a SYN flood, or what "
                    "all of them have in common on the way back (default route, firewall)"
                )
                found.append(Unopened(f"server {server}", text, numbers))
        alone = [
            n for n in sorted({n for numbers in targets_of.values() for n in numbers} - told) if wrong[n]
        ]
        if len(alone) > _MOST:
            names = listed((f"target {n}" for n in alone), ", ")
            text = f"{self._figures(alone)} of {names} never got beyond SYN: their default routes, their firewalls?"
            return [*found, Unopened(f"{len(alone)} targets", text, tuple(alone))]
        for number in alone:
            only = any(numbers == (number,) for numbers in targets_of.values())
            flood = "; or a SYN flood, as it is the only one of its server" if only else ""
            text = (
                f"{self._figures([number])} of target {number} never got beyond SYN, so its answers do not reach the clients: "
                f"its default route, its firewall?{flood}"
            )
            found.append(Unopened(f"target {number}", text, (number,)))
        return found

    def _figures(self, numbers: tuple[int, ...] | list[int]) -> str:
        shares, rows = self._shares, list(numbers)
        part, whole = int(shares.part[rows, 0].sum()), int(shares.whole[rows].sum())
        span_s = float(shares.span_s[rows].max())
        time = "the last minute" if span_s == SPANS[0].span_s else f"the last {span_s / 60:.0f} minutes"
        return f"in {time} {part} of {whole} flows"


_MOST = 8
"""Alarms about single targets; more are one."""
