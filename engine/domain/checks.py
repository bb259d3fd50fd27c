"""The identity of a health check, and the order to run one attempt of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """Identity of a check: one probe per (target, kind, parameters), shared by every server that needs it.

    `kind` is "ping", "tcpopen" or "vip". `address` is what is probed: the target's own address, for "vip" the
    virtual one (sent to the target's MAC). `port` is None for an echo.
    """

    target: int
    kind: Literal["ping", "tcpopen", "vip"]
    address: str
    port: int | None
    interval_s: int
    timeout_s: int

    @property
    def attempt_s(self) -> float:
        """How long one attempt may wait for its answer, so that the next never overlaps it."""
        return float(min(self.interval_s, self.timeout_s))


@dataclass(frozen=True, slots=True)
class ProbeStart:
    """Asks the engine to run one attempt of an ordinary-socket check (ping, tcpopen) from `source`."""

    key: ProbeKey
    source: str
