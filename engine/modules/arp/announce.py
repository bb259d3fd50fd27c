"""Gratuitous ARP: tells switches and routers where the virtual addresses are, and again before they forget.

Five copies at the start, five again five seconds later (a router that was itself starting has missed the first), then
about once a minute: switches forget a MAC after 300 s (facts.md, "Stale caches").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import packets
from engine.domain.frame import Frame
from engine.domain.pace import Agenda, TokenBucket, spread

if TYPE_CHECKING:
    from engine.modules.state.view import View

COPIES = 5
COPY_GAP_S = 0.2
SECOND_ROUND_S = 5.0
STEADY_S = 60.0

RATE_PPS = 640
BURST = 64
"""512 addresses are out once within a second; more at a time would meet the ARP limits of switches' own processors."""

REANNOUNCE_S = 1.0
"""At most one answer a second to somebody who claims an address: two who defend themselves must not storm."""


class Announcer:
    """Keeps, per virtual address, how many copies went out and when the next is due."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._sent: dict[bytes, int] = {}
        self._agenda: Agenda[bytes] = Agenda()
        self._bucket = TokenBucket(RATE_PPS, BURST)
        self._defended: dict[bytes, float] = {}

    def set_addresses(self, addresses: set[bytes], now: float, *, again: bool = False) -> None:
        """Announce from now on these; new ones from the first copy, all of them with `again`."""
        for address in self._sent.keys() - addresses:
            del self._sent[address]
            self._agenda.discard(address)
            self._defended.pop(address, None)
        for address in sorted(addresses):
            if again or address not in self._sent:
                self._sent[address] = 0
                self._agenda.put(address, now)

    def due(self, now: float) -> list[Frame]:
        """Return the announcements to send now."""
        frames: list[Frame] = []
        while len(frames) < BURST:
            address = self._agenda.pop(now)
            if address is None:
                break
            frame = self._frame(address)
            if frame is None:  # the link is away; coming back starts the round anew
                self._agenda.put(address, now + 1)
                continue
            if not self._bucket.take(now):
                self._agenda.put(address, now)
                break
            frames.append(frame)
            self._sent[address] += 1
            self._agenda.put(address, now + self._gap(address, self._sent[address]))
        return frames

    def defend(self, address: bytes, now: float) -> list[Frame]:
        """Return one announcement of an address that somebody else claims; nothing if there was one just now."""
        frame = self._frame(address)
        if frame is None or now - self._defended.get(address, -REANNOUNCE_S) < REANNOUNCE_S:
            return []
        self._defended[address] = now
        return [frame]

    @staticmethod
    def _gap(address: bytes, sent: int) -> float:
        if sent == COPIES:
            return SECOND_ROUND_S - (COPIES - 1) * COPY_GAP_S
        if sent < 2 * COPIES:
            return COPY_GAP_S
        if sent == 2 * COPIES:  # from here on the addresses are spread over the minute
            return STEADY_S * (0.5 + spread(address.hex()) / 2)
        return STEADY_S

    def _frame(self, address: bytes) -> Frame | None:
        virtual = self._view.virtuals.get(address)
        link = self._view.link(virtual.interface) if virtual else None
        if virtual is None or link is None:
            return None
        return Frame(virtual.interface, packets.build_announcement(link.mac, address))
