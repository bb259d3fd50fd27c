"""What `show arp` tells of one address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.domain.address import Address


@dataclass(frozen=True, slots=True)
class ArpEntry:
    """One address that is answered for, resolved, or found in conflict. `age_s`: since its MAC was last proved."""

    address: Address
    mac: bytes | None
    kind: Literal["virtual", "target", "gateway", "conflict"]
    owner: str  # "server 1", "target 2", "network 1 virt", "the gateway"
    age_s: float | None
    state: Literal["answering", "withheld", "resolved", "unresolved", "stale", "conflict"]
