"""What happened (`Notice`, an event before it has a number and a time) and what is wrong right now (`Alarm`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

EventKind = Literal["arp", "health", "admin", "config", "vrrp", "datapath"]
EventSeverity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Notice:
    """An event before it has a number and a time."""

    kind: EventKind
    severity: EventSeverity
    subject: str
    message: str


class Alarm(msgspec.Struct, kw_only=True):
    """Something wrong right now; it goes when the cause goes.

    What several have for the same cause is one alarm: `count` and `subjects` are theirs, `subject` says "460 targets".
    """

    severity: EventSeverity
    subject: str
    message: str
    count: int = 1
    subjects: list[str] = []  # where there are several
