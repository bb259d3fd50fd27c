"""Decides which of two MACs is an address's: a MAC that worked is given up only when it is asked and keeps silent.

After RFC 5227 section 2.4, from the point of view of a third party: one forged or mistaken ARP packet must not move
the traffic of a target. Both MACs are asked, each by unicast, so that neither can answer for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.pace import PacedAgenda

if TYPE_CHECKING:
    from engine.domain.address import Address

ASKS = 3
ASK_GAP_S = 0.25
"""Three questions, as RFC 5227 section 1.1 has it (PROBE_NUM), in less than a second: a target that was rebuilt is back
soon, and three answers in a row are lost on no LAN that works."""

RATE_PPS = 320
BURST = 64
"""Verdicts a second at most, so that whoever claims every address makes us ask little."""


@dataclass(slots=True)
class Rival:
    """A MAC that claims an address which has a MAC already."""

    mac: bytes
    asked: int = 0
    answered: bool = False  # by the rival, after it was asked


class Rivals:
    """At most one rival an address is under examination; the first one, until it answers or does not."""

    def __init__(self) -> None:
        self._open: dict[Address, Rival] = {}
        self._agenda: PacedAgenda[Address] = PacedAgenda(RATE_PPS, BURST)
        self._ended_at: dict[Address, float] = {}

    def claim(self, address: Address, mac: bytes, now: float, gap_s: float) -> None:
        """Take in that `mac` claims the address; it is examined no more often than every `gap_s` seconds."""
        rival = self._open.get(address)
        if rival is not None:
            rival.answered = rival.answered or (rival.mac == mac and rival.asked > 0)
        elif now - self._ended_at.get(address, -gap_s) >= gap_s:
            self._open[address] = Rival(mac)
            self._agenda.put(address, now)

    def defended(self, address: Address, now: float) -> bytes | None:
        """Take in that the known MAC speaks; returns the rival that it was asked about, whose case is closed."""
        rival = self._open.get(address)
        if rival is None or not rival.asked:
            return None
        self.close(address, now)
        return rival.mac

    def due(self, now: float) -> tuple[Address, Rival] | None:
        """Return an address and its rival, of which the next question or the verdict is due."""
        address = self._agenda.pop(now)
        return None if address is None else (address, self._open[address])

    def ask_again(self, address: Address, now: float) -> None:
        """Count a question, and wait for its answer."""
        self._open[address].asked += 1
        self._agenda.put(address, now + ASK_GAP_S)

    def close(self, address: Address, now: float) -> None:
        """End the examination of an address, if there is one."""
        if self._open.pop(address, None) is not None:
            self._agenda.discard(address)
            self._ended_at[address] = now

    def forget(self, address: Address) -> None:
        """Let go of an address that is no longer ours to know."""
        self._open.pop(address, None)
        self._agenda.discard(address)
        self._ended_at.pop(address, None)

    def next_due(self) -> float:
        """Return when the next question or verdict is due."""
        return self._agenda.next_due()
