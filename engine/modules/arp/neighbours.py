"""Finds and watches the MACs of targets and gateway: ARP requests from `real`, and all else they say by ARP.

The last known MAC is kept when a target falls silent: health checks decide whether it is down, not ARP. Another MAC
takes its place when the known one was asked and kept silent (`rivals`), or when the VIP check has proved the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.domain.frame import Frame
from engine.domain.mac import mac_text
from engine.domain.notices import Alarm, Notice
from engine.domain.pace import Agenda, PacedAgenda, spread
from engine.modules.arp.entry import ArpEntry
from engine.modules.arp.rivals import ASKS, Rivals
from engine.modules.state.world import Neighbour, Outcome
from engine.packets import build
from engine.packets.headers import ARP_REQUEST, BROADCAST, NO_MAC, Arp

if TYPE_CHECKING:
    from engine.domain.address import Address
    from engine.modules.arp.rivals import Rival
    from engine.modules.state.view import Site, View
    from engine.modules.state.world import World

RETRY_S = 1.0
"""RFC 1122 section 2.3.2.1: at most one request a second for the same address."""

REFRESH_S = 20.0
"""Half of the shortest time Linux itself trusts a neighbour (15 to 45 s), so a replaced card is seen within 20 s. One
behind which VIP checks fail is asked for at once."""

STALE_AFTER = 3
"""Unanswered requests in a row after which an address counts as silent: one may be lost, two are bad luck."""

SURVEY_S = 10.0
SURVEY_PPS = 50.0
"""How often everybody is asked for every address, so that a second host which has it is found though it never
announced it; with many addresses more slowly, because every host of the network has to look at a broadcast."""

RATE_PPS = 1280
BURST = 128
"""1,024 targets are asked within a second of the start, and stay so while all of them are away."""

CHANGE_GAP_S = 1.0
"""Two hosts with one address would otherwise have the table recompiled at every frame of theirs."""


class Heard(NamedTuple):
    """What an ARP packet came to. `contested`: the rival that the known MAC was asked about, and answered."""

    outcome: Outcome
    contested: bytes | None = None


class Neighbours:
    """Writer of `World.neighbours`, keyed by address, so a target that is removed and defined again keeps its MAC."""

    def __init__(self, world: World, view: View) -> None:
        self._world = world
        self._view = view
        self._sites: dict[Address, Site] = {}
        self._agenda: PacedAgenda[Address] = PacedAgenda(RATE_PPS, BURST)
        self._asked_at: dict[Address, float] = {}
        self._doubted: set[Address] = set()  # everybody is asked for them next
        self._silent: set[Address] = set()
        self._rivals = Rivals()
        self._survey: Agenda[Address] = Agenda()

    def follow_config(self, now: float) -> None:
        """Take up new addresses of targets and gateway, and let go of those that are gone."""
        wanted = {
            self._view.target_address[number]: site
            for number, site in self._view.target_site.items()
            if site.real is not None
        }
        gateway = self._view.gateway
        beside = self._view.site_of(gateway) if gateway is not None else None
        if gateway is not None and beside is not None and beside.real is not None:
            wanted[gateway] = beside
        for address in self._world.neighbours.keys() - wanted.keys():
            del self._world.neighbours[address]
            self._agenda.discard(address)
            self._asked_at.pop(address, None)
            self._doubted.discard(address)
            self._rivals.forget(address)
            self._survey.discard(address)
            self._end_silence(address)
        self._sites = wanted
        for address in wanted:
            if address not in self._world.neighbours:
                self._world.neighbours[address] = Neighbour()
            if address not in self._agenda:
                self._agenda.put(address, now)
            if address not in self._survey:
                self._survey.put(address, now + SURVEY_S * (0.5 + spread(f"survey {address}") / 2))

    def due(self, now: float) -> Outcome:
        """Send the questions that are due."""
        outcome = Outcome()
        while (address := self._agenda.pop(now)) is not None:
            self._agenda.put(address, now + RETRY_S)
            site = self._sites[address]
            link = self._view.link(site.interface)
            if link is None or site.real is None:
                continue
            neighbour = self._world.neighbours[address]
            if neighbour.asked >= STALE_AFTER:
                outcome.merge(self._fell_silent(address, neighbour))
            # A silent host may have a new card: after a few tries to the known MAC ask everybody.
            everybody = neighbour.mac is None or neighbour.asked >= STALE_AFTER or address in self._doubted
            self._doubted.discard(address)
            outcome.send += self._question(address, BROADCAST if everybody else neighbour.mac)
            self._asked_at[address] = now
            neighbour.asked += 1
        every = max(SURVEY_S, len(self._sites) / SURVEY_PPS)
        while (address := self._survey.pop(now)) is not None:
            self._survey.put(address, now + every)
            if now - self._asked_at.get(address, -RETRY_S) >= RETRY_S:
                self._asked_at[address] = now
                outcome.send += self._question(address, BROADCAST)
        outcome.merge(self._examine_rivals(now))
        return outcome

    def next_due(self) -> float:
        """Return when the next question is due."""
        return min(self._agenda.next_due(), self._rivals.next_due(), self._survey.next_due())

    def doubt(self, address: Address, now: float) -> None:
        """Ask everybody for an address at whose MAC a check was not answered; no more often than RFC 1122 allows."""
        if address in self._sites:
            self._doubted.add(address)
            self._agenda.put(address, max(now, self._asked_at.get(address, -RETRY_S) + RETRY_S))

    def proved(self, address: Address, mac: bytes, now: float) -> Outcome:
        """Take that a VIP check was accepted at `mac`, which is not the known one."""
        neighbour = self._world.neighbours.get(address)
        if neighbour is None or mac == neighbour.mac:
            return Outcome()
        self._rivals.close(address, now)
        outcome = self._adopt(address, neighbour, mac, "which did not pass the check of the virtual address")
        outcome.merge(self._confirmed(address, neighbour, now))
        return outcome

    def contest(self, address: Address, mac: bytes | None) -> None:
        """Note which other MAC claims an address, for the VIP check to try where the known one fails; None: no more."""
        if address in self._world.neighbours:
            self._world.neighbours[address].rival = mac

    def heard(self, frame: Frame, address: Address, mac: bytes, now: float) -> Heard:
        """Take in that an ARP packet gave `mac` as the sender of `address`."""
        site = self._sites.get(address)
        if site is None or not site.carries(frame):
            return Heard(Outcome())
        neighbour = self._world.neighbours[address]
        if neighbour.mac is None:
            outcome = self._adopt(address, neighbour, mac, "")
        elif neighbour.mac == mac:
            outcome = Outcome()
        elif neighbour.asked >= STALE_AFTER:
            outcome = self._adopt(address, neighbour, mac, "which no longer answers")
        else:
            self._rivals.claim(address, mac, now, CHANGE_GAP_S)
            return Heard(Outcome())
        outcome.merge(self._confirmed(address, neighbour, now))
        return Heard(outcome, self._rivals.defended(address, now))

    def addresses_of(self, mac: bytes) -> list[Address]:
        """Return the addresses that are known to be at a MAC, in the order of the configuration."""
        return [address for address, neighbour in self._world.neighbours.items() if neighbour.mac == mac]

    def owner_of(self, mac: bytes) -> str | None:
        """Name whose MAC it is: "target 1 (172.16.1.100)"; None where it is nobody's of the configuration."""
        owners = [
            f"{self._view.owner(address)} ({address})"
            for address, neighbour in self._world.neighbours.items()
            if neighbour.mac == mac
        ]
        return ", ".join(owners) or None

    def settled(self) -> bool:
        """Whether every address has been found or asked often enough to know that it will not answer."""
        return all(n.mac is not None or n.asked >= STALE_AFTER for n in self._world.neighbours.values())

    def entries(self, now: float) -> list[ArpEntry]:
        """Return the addresses of targets and gateway as `show arp` tells them."""
        return [
            ArpEntry(
                address=address,
                mac=n.mac,
                kind="target" if address in self._view.target_numbers else "gateway",
                owner=self._view.owner(address),
                age_s=now - n.learned_at if n.mac else None,
                state="unresolved" if n.mac is None else "stale" if address in self._silent else "resolved",
            )
            for address, n in self._world.neighbours.items()
        ]

    def _question(self, address: Address, to: bytes | None) -> list[Frame]:
        """Return the request for an address, to one MAC or to everybody."""
        site = self._sites[address]
        link = self._view.link(site.interface)
        if link is None or site.real is None or to is None:
            return []
        ask = Arp(ARP_REQUEST, link.mac, site.real, NO_MAC, address)
        return [Frame(site.interface, build.arp(ask, to=to), site.vlan)]

    def _examine_rivals(self, now: float) -> Outcome:
        outcome = Outcome()
        while (due := self._rivals.due(now)) is not None:
            address, rival = due
            neighbour = self._world.neighbours[address]
            if rival.asked < ASKS:
                outcome.send += self._question(address, neighbour.mac) + self._question(address, rival.mac)
                self._rivals.ask_again(address, now)
                continue
            self._rivals.close(address, now)
            outcome.merge(self._decide(address, neighbour, rival, now))
        return outcome

    def _decide(self, address: Address, neighbour: Neighbour, rival: Rival, now: float) -> Outcome:
        """Decide about a rival: the known MAC has kept silent."""
        if not rival.answered:  # neither has anybody else: a forged packet about a host that is away
            return Outcome()
        outcome = self._adopt(address, neighbour, rival.mac, f"which did not answer {ASKS} requests")
        outcome.merge(self._confirmed(address, neighbour, now))
        return outcome

    def _adopt(self, address: Address, neighbour: Neighbour, mac: bytes, why: str) -> Outcome:
        owner, at = self._view.owner(address), mac_text(mac)
        outcome = Outcome(facts_changed=True, recompile=True)
        if neighbour.mac is None:
            outcome.notices.append(Notice("arp", "info", owner, f"{at} is {address} ({owner})"))
        else:
            text = f"{at} is {address} ({owner}) now; it was {mac_text(neighbour.mac)}, {why}"
            outcome.notices.append(Notice("arp", "warning", owner, text))
        neighbour.mac, neighbour.rival = mac, None
        return outcome

    def _confirmed(self, address: Address, neighbour: Neighbour, now: float) -> Outcome:
        """Take that an address has just spoken from its MAC."""
        outcome = Outcome()
        if address in self._silent:
            text = f"{address} answers ARP again"
            outcome.notices.append(Notice("arp", "info", self._view.owner(address), text))
            self._end_silence(address)
        neighbour.learned_at = now
        neighbour.asked = 0
        self._agenda.put(address, now + REFRESH_S * (0.9 + spread(str(address)) / 5))
        return outcome

    def _fell_silent(self, address: Address, neighbour: Neighbour) -> Outcome:
        outcome = Outcome()
        if address in self._silent:
            return outcome
        self._silent.add(address)
        owner = self._view.owner(address)
        real = self._sites[address].real
        if neighbour.mac is None:
            text = f"{address} ({owner}) does not answer ARP requests from {real}"
        else:
            text = (
                f"{address} ({owner}) no longer answers ARP requests from {real}; "
                f"its last MAC {mac_text(neighbour.mac)} stays in use"
            )
        outcome.notices.append(Notice("arp", "warning", owner, text))
        outcome.facts_changed = neighbour.mac is None  # nobody waits for its MAC any more
        self._world.alarms["arp", str(address)] = Alarm(severity="warning", subject=owner, message=text)
        return outcome

    def _end_silence(self, address: Address) -> None:
        self._silent.discard(address)
        self._world.alarms.pop(("arp", str(address)), None)
