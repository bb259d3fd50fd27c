"""Finds and watches the targets' MACs: ARP requests from `real`, and everything else the targets say by ARP.

The last known MAC is kept when a target falls silent: health checks decide whether it is down, not ARP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine import packets
from engine.api.messages import ArpState
from engine.domain.frame import Frame
from engine.domain.notices import Alarm, Notice
from engine.domain.pace import Agenda, TokenBucket, spread
from engine.modules.state.view import pack
from engine.modules.state.world import Neighbour, Outcome

if TYPE_CHECKING:
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


class _Asked(NamedTuple):
    packed: bytes
    site: Site


class Neighbours:
    """Owner of `World.neighbours`, keyed by the target's address, so a target that is defined anew keeps its MAC."""

    def __init__(self, world: World, view: View) -> None:
        self._world = world
        self._view = view
        self._known: dict[bytes, str] = {}
        self._sites: dict[str, _Asked] = {}
        self._agenda: Agenda[str] = Agenda()
        self._bucket = TokenBucket(RATE_PPS, BURST)
        self._changed_at: dict[str, float] = {}
        self._silent: set[str] = set()

    def follow_config(self, now: float) -> None:
        """Take up new targets' addresses, and let go of those that are gone."""
        wanted: dict[str, _Asked] = {}
        for number, site in self._view.target_site.items():
            address = str(self._view.targets[number].ipaddr)
            packed = pack(address)
            if packed is not None and site.real is not None:
                wanted[address] = _Asked(packed, site)
        for address in self._world.neighbours.keys() - wanted.keys():
            del self._world.neighbours[address]
            self._agenda.discard(address)
            self._changed_at.pop(address, None)
            self._quiet(address)
        self._sites = wanted
        self._known = {asked.packed: address for address, asked in wanted.items()}
        for address in wanted:
            if address not in self._world.neighbours:
                self._world.neighbours[address] = Neighbour()
            if address not in self._agenda:
                self._agenda.put(address, now)

    def due(self, now: float) -> Outcome:
        """Ask whoever has to be asked now."""
        outcome = Outcome()
        while len(outcome.send) < BURST:
            address = self._agenda.pop(now)
            if address is None:
                break
            packed, site = self._sites[address]
            link = self._view.link(site.interface)
            if link is None:
                self._agenda.put(address, now + RETRY_S)
                continue
            if not self._bucket.take(now):
                self._agenda.put(address, now)
                break
            neighbour = self._world.neighbours[address]
            if neighbour.asked >= STALE_AFTER:
                outcome.merge(self._fell_silent(address, neighbour))
            # A silent host may have a new card: after a few tries to the known MAC ask everybody.
            known = neighbour.mac is not None and neighbour.asked < STALE_AFTER
            to = neighbour.mac if known and neighbour.mac else packets.BROADCAST
            ask = packets.Arp(packets.ARP_REQUEST, link.mac, site.real_bytes, packets.NO_MAC, packed)
            outcome.send.append(Frame(site.interface, packets.build_arp(ask, to=to)))
            neighbour.asked += 1
            self._agenda.put(address, now + RETRY_S)
        return outcome

    def heard(self, interface: int, packed: bytes, mac: bytes, now: float) -> Outcome:
        """Take in that an ARP packet on `interface` gave `mac` as the sender of address `packed`."""
        outcome = Outcome()
        address = self._known.get(packed)
        if address is None or self._sites[address].site.interface != interface:
            return outcome
        neighbour = self._world.neighbours[address]
        if neighbour.mac != mac:
            if now - self._changed_at.get(address, -CHANGE_GAP_S) < CHANGE_GAP_S:
                return outcome
            self._changed_at[address] = now
            owner, at = self._view.target_owner(address), packets.mac_text(mac)
            if neighbour.mac is None:
                text = f"{at} is {address} ({owner})"
                outcome.notices.append(Notice("arp", "info", owner, text))
            else:
                text = f"{at} is {address} ({owner}) now; it was {packets.mac_text(neighbour.mac)}"
                outcome.notices.append(Notice("arp", "warning", owner, text))
            neighbour.mac = mac
            self._world.changes += 1
            outcome.recompile = True
        if address in self._silent:
            outcome.notices.append(
                Notice("arp", "info", self._view.target_owner(address), f"{address} answers ARP again")
            )
            self._quiet(address)
        neighbour.learned_at = now
        neighbour.asked = 0
        self._agenda.put(address, now + REFRESH_S * (0.9 + spread(address) / 5))
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

    def states(self, now: float) -> list[ArpState]:
        """Answer for `show arp`."""
        return [
            ArpState(
                address=address,
                mac=packets.mac_text(n.mac) if n.mac else None,
                kind="target",
                owner=self._view.target_owner(address),
                age_s=round(now - n.learned_at, 3) if n.mac else None,
                state="unresolved" if n.mac is None else "stale" if address in self._silent else "resolved",
            )
            for address, n in self._world.neighbours.items()
        ]

    def _fell_silent(self, address: str, neighbour: Neighbour) -> Outcome:
        outcome = Outcome()
        if address in self._silent:
            return outcome
        self._silent.add(address)
        owner = self._view.target_owner(address)
        real = self._sites[address].site.real
        if neighbour.mac is None:
            text = f"{address} ({owner}) does not answer ARP requests from {real}"
        else:
            text = (
                f"{address} ({owner}) no longer answers ARP requests from {real}; "
                f"its last MAC {packets.mac_text(neighbour.mac)} stays in use"
            )
        outcome.notices.append(Notice("arp", "warning", owner, text))
        self._world.alarms["arp", address] = Alarm(severity="warning", subject=owner, message=text)
        return outcome

    def _quiet(self, address: str) -> None:
        self._silent.discard(address)
        self._world.alarms.pop(("arp", address), None)
