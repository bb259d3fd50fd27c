"""Gratuitous ARP: tells switches and routers where the virtual addresses are, and again before they forget.

Five copies at the start, five again five seconds later (a router that was itself starting has missed the first), then
about once a minute: switches forget a MAC after 300 s (IEEE 802.1D's default ageing time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.pace import PacedAgenda, spread
from engine.packets import build

if TYPE_CHECKING:
    from engine.domain.address import Address
    from engine.domain.frame import Frame
    from engine.modules.state.view import View

COPIES = 5
COPY_GAP_S = 0.2
SECOND_ROUND_S = 5.0
STEADY_S = 60.0

RATE_PPS = 640
BURST = 64
"""512 addresses are out once within a second; more at a time would meet the ARP limits of switches' own processors."""

NO_LINK_S = 1.0
"""When an address whose link is away is looked at again."""

REANNOUNCE_S = 1.0
"""At most one answer a second to somebody who claims an address: two who defend themselves must not storm."""


class Announcer:
    """Keeps, per virtual address, how many copies went out and when the next is due."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._sent: dict[Address, int] = {}
        self._agenda: PacedAgenda[Address] = PacedAgenda(RATE_PPS, BURST)
        self._defended: dict[Address, float] = {}

    def set_addresses(self, addresses: set[Address], now: float, *, again: bool) -> None:
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
        while (address := self._agenda.pop(now)) is not None:
            frame = self._frame(address)
            if frame is None:  # the link is away; coming back starts the round anew
                self._agenda.put(address, now + NO_LINK_S)
                continue
            frames.append(frame)
            self._sent[address] += 1
            self._agenda.put(address, now + self._gap(address, self._sent[address]))
        return frames

    def next_due(self) -> float:
        """Return when the next announcement is due."""
        return self._agenda.next_due()

    def defend(self, address: Address, now: float) -> list[Frame]:
        """Return one announcement of an address that somebody else claims; nothing if there was one just now."""
        frame = self._frame(address)
        if frame is None or now - self._defended.get(address, -REANNOUNCE_S) < REANNOUNCE_S:
            return []
        self._defended[address] = now
        return [frame]

    @staticmethod
    def _gap(address: Address, sent: int) -> float:
        """Return the seconds until the copy after the first `sent`."""
        if sent == COPIES:
            return SECOND_ROUND_S - (COPIES - 1) * COPY_GAP_S
        if sent < 2 * COPIES:
            return COPY_GAP_S
        if sent == 2 * COPIES:  # from here on the addresses are spread over the minute
            return STEADY_S * (0.5 + spread(str(address)) / 2)
        return STEADY_S

    def _frame(self, address: Address) -> Frame | None:
        virtual = self._view.virtuals.get(address)
        link = self._view.link(virtual.interface) if virtual else None
        if virtual is None or link is None:
            return None
        return virtual.frame(build.announcement(link.mac, address))
