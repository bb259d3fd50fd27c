"""How far drains have come: when a target's last packet passed, and that nothing is left at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.notices import Notice

if TYPE_CHECKING:
    from engine.datapath.contract import Counters
    from engine.modules.state.world import World


class Drained:
    """Looks at the targets that drain, once a second; `now` is monotonic seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._packets: dict[int, tuple[int, float]] = {}  # by target: how many, and when one came last
        self._told: set[int] = set()  # of these it was told that nothing is left

    def look(self, counters: Counters, now: float) -> list[Notice]:
        """Take the counters of now; returns what there is to tell."""
        drains = self._world.drains
        self._packets = {number: seen for number, seen in self._packets.items() if number in drains}
        self._told &= drains.keys()
        notices = []
        for number in drains:
            packets = int(counters.target_packets[number])
            if number not in self._packets or packets != self._packets[number][0]:
                self._packets[number] = packets, now
            if left(counters, number):
                self._told.discard(number)
            elif number not in self._told:
                self._told.add(number)
                notices.append(
                    Notice("admin", "info", f"target {number}", f"target {number} drained: nothing left")
                )
        return notices

    def quiet_s(self, number: int, now: float) -> float | None:
        """Return for how long no packet has gone to a target that drains, as far as that was watched; None: not yet."""
        seen = self._packets.get(number)
        return None if seen is None else max(0.0, now - seen[1])


def left(counters: Counters, number: int) -> int:
    """Return how many flows are at a target, those that are half open included."""
    return int(counters.target_sessions[number] + counters.target_half_open[number])
