"""What one attempt of a health check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """`certain`: the target itself, or the network before it, said no; a lost packet cannot look like this.

    `error` is a clause for an operator ("connection refused on 172.16.1.100:80"), None where ok.
    """

    ok: bool
    rtt_ms: float | None = None
    error: str | None = None
    certain: bool = False
