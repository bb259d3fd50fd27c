"""Gratuitous ARP: tells switches and routers where the virtual addresses are, and again before they forget.

Five copies at the start, five again five seconds later (a router that was itself starting has missed the first), then
about once a minute: switches forget a MAC after 300 s (IEEE 802.1D's default ageing time).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.pace import Agenda, PacedAgenda, spread
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

LAST_WORD_S = 1.1
LAST_WORD_MOST_S = 10.0
"""How long after the last claim an address is announced once more. Linux takes no other MAC for a neighbour that changed
within the last second (net/ipv4/arp.c, arp_process; sysctl neigh locktime), so the answer to a claim is not heard by a
router that has just taken it up. Each time the wait doubles, up to DEFEND_INTERVAL of RFC 5227 section 1.1: two who both
want the last word must not go on for ever at this pace."""

QUIET_S = 30.0
"""After so long without a claim the next one is the first again."""


@dataclass(slots=True)
class _Defence:
    """How an address is defended. Times are monotonic seconds."""

    claimed: float  # the last time
    announced: float
    wait_s: float = LAST_WORD_S


class Announcer:
    """Keeps, per virtual address, how many copies went out and when the next is due."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._sent: dict[Address, int] = {}
        self._agenda: PacedAgenda[Address] = PacedAgenda(RATE_PPS, BURST)
        self._defences: dict[Address, _Defence] = {}
        self._last_words: Agenda[Address] = Agenda()

    def set_addresses(self, addresses: set[Address], now: float, *, again: bool) -> None:
        """Announce from now on these; new ones from the first copy, all of them with `again`."""
        for address in self._sent.keys() - addresses:
            del self._sent[address]
            self._agenda.discard(address)
            self._defences.pop(address, None)
            self._last_words.discard(address)
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
        while (address := self._last_words.pop(now)) is not None:
            defence = self._defences[address]
            due = defence.claimed + defence.wait_s
            if due > now:  # claimed again meanwhile
                self._last_words.put(address, due)
            elif (frame := self._frame(address)) is not None:
                frames.append(frame)
                defence.announced, defence.wait_s = now, min(2 * defence.wait_s, LAST_WORD_MOST_S)
        return frames

    def next_due(self) -> float:
        """Return when the next announcement is due."""
        return min(self._agenda.next_due(), self._last_words.next_due())

    def defend(self, address: Address, now: float) -> list[Frame]:
        """Return one announcement of an address that somebody else claims; nothing if there was one just now.

        One more follows when the claims have ended.
        """
        frame = self._frame(address)
        if frame is None or address not in self._sent:
            return []
        defence = self._defences.get(address)
        if defence is None or now - defence.claimed > QUIET_S:
            defence = self._defences[address] = _Defence(now, now - REANNOUNCE_S)
        defence.claimed = now
        if address not in self._last_words:
            self._last_words.put(address, now + defence.wait_s)
        if now - defence.announced < REANNOUNCE_S:
            return []
        defence.announced = now
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
