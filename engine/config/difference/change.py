"""One difference between two configurations, in words."""

from __future__ import annotations

from typing import Literal

import msgspec


class Change(msgspec.Struct, kw_only=True, frozen=True):
    """What a change of the configuration does to one thing."""

    kind: Literal["added", "removed", "changed"]
    subject: str  # "server 1", "target 3", "network 1", "modules"
    message: str  # "tcpopen interval 3 → 5 s"
    effect: str = ""  # "its check restarts, 0 flows move"; empty: traffic does not notice
    flows: int = 0  # flows that end or move
    cuts: bool = False  # may cut clients or operators off: a server, network or interface goes or moves
