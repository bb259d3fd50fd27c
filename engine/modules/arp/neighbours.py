"""Finds and watches the targets' MACs: ARP requests from `real`, and everything else the targets say by ARP.

The last known MAC is kept when a target falls silent: health checks decide whether it is down, not ARP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.frame import Frame
from engine.domain.mac import mac_text
from engine.domain.notices import Alarm, Notice
from engine.domain.pace import PacedAgenda, spread
from engine.modules.arp.entry import ArpEntry
from engine.modules.state.world import Neighbour, Outcome
from engine.packets import build
from engine.packets.headers import ARP_REQUEST, BROADCAST, NO_MAC, Arp

if TYPE_CHECKING:
    from engine.domain.address import Address
    from engine.modules.state.view import Site, View
    from engine.modules.state.world import World

RETRY_S = 1.0
"""RFC 1122 section 2.3.2.1: at most one request a second for the same address."""

REFRESH_S = 20.0
"""Half of the shortest time Linux itself trusts a neighbour (15 to 45 s), so a replaced card is seen within 20 s."""

STALE_AFTER = 3
"""Unanswered requests in a row after which an address counts as silent: one may be lost, two are bad luck."""

RATE_PPS = 1280
BURST = 128
"""1,024 targets are asked within a second of the start, and stay so while all of them are away."""

CHANGE_GAP_S = 1.0
"""Two hosts with one address would otherwise have the table compiled anew at every frame of theirs."""


class Neighbours:
    """Writer of `World.neighbours`, keyed by the target's address, so a target that is defined anew keeps its MAC."""

    def __init__(self, world: World, view: View) -> None:
        self._world = world
        self._view = view
        self._sites: dict[Address, Site] = {}
        self._agenda: PacedAgenda[Address] = PacedAgenda(RATE_PPS, BURST)
        self._changed_at: dict[Address, float] = {}
        self._silent: set[Address] = set()

    def follow_config(self, now: float) -> None:
        """Take up new targets' addresses, and let go of those that are gone."""
        wanted = {
            self._view.target_address[number]: site
            for number, site in self._view.target_site.items()
            if site.real is not None
        }
        for address in self._world.neighbours.keys() - wanted.keys():
            del self._world.neighbours[address]
            self._agenda.discard(address)
            self._changed_at.pop(address, None)
            self._end_silence(address)
        self._sites = wanted
        for address in wanted:
            if address not in self._world.neighbours:
                self._world.neighbours[address] = Neighbour()
            if address not in self._agenda:
                self._agenda.put(address, now)

    def due(self, now: float) -> Outcome:
        """Ask whoever has to be asked now."""
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
            to = BROADCAST if neighbour.mac is None or neighbour.asked >= STALE_AFTER else neighbour.mac
            ask = Arp(ARP_REQUEST, link.mac, site.real, NO_MAC, address)
            outcome.send.append(Frame(site.interface, build.arp(ask, to=to)))
            neighbour.asked += 1
        return outcome

    def next_due(self) -> float:
        """Return when somebody has to be asked next."""
        return self._agenda.next_due()

    def heard(self, interface: int, address: Address, mac: bytes, now: float) -> Outcome:
        """Take in that an ARP packet on `interface` gave `mac` as the sender of `address`."""
        outcome = Outcome()
        site = self._sites.get(address)
        if site is None or site.interface != interface:
            return outcome
        neighbour = self._world.neighbours[address]
        if neighbour.mac != mac:
            if now - self._changed_at.get(address, -CHANGE_GAP_S) < CHANGE_GAP_S:
                return outcome
            self._changed_at[address] = now
            owner, at = self._view.target_owner(address), mac_text(mac)
            if neighbour.mac is None:
                text = f"{at} is {address} ({owner})"
                outcome.notices.append(Notice("arp", "info", owner, text))
            else:
                text = f"{at} is {address} ({owner}) now; it was {mac_text(neighbour.mac)}"
                outcome.notices.append(Notice("arp", "warning", owner, text))
            neighbour.mac = mac
            outcome.facts_changed = outcome.recompile = True
        if address in self._silent:
            outcome.notices.append(
                Notice("arp", "info", self._view.target_owner(address), f"{address} answers ARP again")
            )
            self._end_silence(address)
        neighbour.learned_at = now
        neighbour.asked = 0
        self._agenda.put(address, now + REFRESH_S * (0.9 + spread(str(address)) / 5))
        return outcome

    def owner_of(self, mac: bytes) -> str | None:
        """Name whose MAC it is: "target 1 (172.16.1.100)"; None for no target's."""
        owners = [
            f"{self._view.target_owner(address)} ({address})"
            for address, neighbour in self._world.neighbours.items()
            if neighbour.mac == mac
        ]
        return ", ".join(owners) or None

    def settled(self) -> bool:
        """Whether every target has been found or asked often enough to know that it will not answer."""
        return all(n.mac is not None or n.asked >= STALE_AFTER for n in self._world.neighbours.values())

    def entries(self, now: float) -> list[ArpEntry]:
        """Return the targets' addresses as `show arp` tells them."""
        return [
            ArpEntry(
                address=address,
                mac=n.mac,
                kind="target",
                owner=self._view.target_owner(address),
                age_s=now - n.learned_at if n.mac else None,
                state="unresolved" if n.mac is None else "stale" if address in self._silent else "resolved",
            )
            for address, n in self._world.neighbours.items()
        ]

    def _fell_silent(self, address: Address, neighbour: Neighbour) -> Outcome:
        outcome = Outcome()
        if address in self._silent:
            return outcome
        self._silent.add(address)
        owner = self._view.target_owner(address)
        real = self._sites[address].real
        if neighbour.mac is None:
            text = f"{address} ({owner}) does not answer ARP requests from {real}"
        else:
            text = (
                f"{address} ({owner}) no longer answers ARP requests from {real}; "
                f"its last MAC {mac_text(neighbour.mac)} stays in use"
            )
        outcome.notices.append(Notice("arp", "warning", owner, text))
        self._world.alarms["arp", str(address)] = Alarm(severity="warning", subject=owner, message=text)
        return outcome

    def _end_silence(self, address: Address) -> None:
        self._silent.discard(address)
        self._world.alarms.pop(("arp", str(address)), None)
