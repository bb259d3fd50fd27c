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
    """Something wrong right now; it goes when the cause goes."""

    severity: EventSeverity
    subject: str
    message: str
