"""Floods of frames for the control process: an event at the beginning and at the end of each, and an alarm between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.frame import FrameClass
from engine.domain.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.io.control_sockets import QueueCount
    from engine.modules.state.world import World
    from engine.report.alarms import Alarms
    from engine.report.events import EventLog

OVER_S = 10.0
"""A flood is over when nothing was left unread for so long; so each brings two events, and they follow no faster."""

_WHAT = {
    FrameClass.CHECKS: "answers to checks of virtual addresses",
    FrameClass.DATAGRAMS: "answers to checks of UDP services",
    FrameClass.NEIGHBOURS: "ARP of hosts that are known",
    FrameClass.STRANGERS: "ARP of hosts that are not known",
    FrameClass.ECHO: "echo requests to virtual addresses",
}


@dataclass(slots=True)
class _Seen:
    unread: int
    began_with: int | None = None  # unread before the flood that is under way
    last: float = 0.0


class Floods:
    """Reads the counts of the control sockets' queues once a second; seconds are monotonic."""

    def __init__(self, world: World, alarms: Alarms, event_log: EventLog) -> None:
        self._world = world
        self._alarms = alarms
        self._event_log = event_log
        self._seen: dict[tuple[int, FrameClass], _Seen] = {}

    def look(self, counts: Iterable[QueueCount], now: float) -> None:
        """Compare the counts with those of the last call."""
        by_queue = {(count.interface, count.frame_class): count.unread for count in counts}
        for gone in self._seen.keys() - by_queue.keys():
            self._alarms.clear(_alarm(*gone))
            del self._seen[gone]
        for key, unread in by_queue.items():
            seen = self._seen.setdefault(key, _Seen(0))
            more = unread - seen.unread
            if more < 0:  # the socket was opened anew
                more, seen.began_with = unread, 0 if seen.began_with is not None else None
            if more and seen.began_with is None:
                seen.began_with = seen.unread = unread - more
                self._began(*key, more)
            elif not more and seen.began_with is not None and now - seen.last >= OVER_S:
                self._over(*key, unread - seen.began_with)
                seen.began_with = None
            seen.unread = unread
            if more:
                seen.last = now

    def _began(self, interface: int, frame_class: FrameClass, more: int) -> None:
        subject = f"interface {interface}"
        text = (
            f"{self._name(interface)}: more {_WHAT[frame_class]} than are read, {more} of them dropped in a second; "
            "all other frames have queues of their own; see show interfaces"
        )
        self._alarms.set(_alarm(interface, frame_class), subject, text, "warning")
        self._event_log.add(Notice("arp" if _is_arp(frame_class) else "datapath", "warning", subject, text))

    def _over(self, interface: int, frame_class: FrameClass, unread: int) -> None:
        subject = f"interface {interface}"
        text = f"{self._name(interface)}: the flood of {_WHAT[frame_class]} is over, {unread} were not read"
        self._alarms.clear(_alarm(interface, frame_class))
        self._event_log.add(Notice("arp" if _is_arp(frame_class) else "datapath", "info", subject, text))

    def _name(self, number: int) -> str:
        interface = self._world.config.interface(number)
        return interface.name if interface is not None else f"interface {number}"


def _is_arp(frame_class: FrameClass) -> bool:
    return frame_class in {FrameClass.NEIGHBOURS, FrameClass.STRANGERS}


def _alarm(interface: int, frame_class: FrameClass) -> str:
    return f"flood {interface} {frame_class.value}"
