"""The states that targets, servers and this node are in: one list for code, messages and screens."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

Admin = Literal["enabled", "disabled", "draining"]
"""What an operator, or else the file, says of a target; a server is enabled or disabled."""

Health = Literal["up", "down", "unknown"]
"""What the checks say; unknown until the first of them has an answer."""


class NodeRole(StrEnum):
    """What this node is in its redundant pair; init until it is known, fault where it cannot serve at all.

    The first three are the states of RFC 9568 section 6.4.
    """

    INIT = "init"
    BACKUP = "backup"
    MASTER = "master"
    FAULT = "fault"
