"""Finds out who else claims an address of the configuration, and says what to do about it.

A virtual address and `real` are ours: whoever else has them is in conflict. Of a target's address and the gateway's it
is `neighbours` that finds two MACs alive, and brings the second one here.

Every ARP packet whose sender is a virtual address but whose MAC is not ours is a conflict: a reply or an announcement
(`arp_ignore` is off), or a request that uses the address as its source (`arp_announce` is off). A target's replies to
the router are unicast and never seen here, so each address is also asked for with an ARP Probe (RFC 5227 section 2.1.1:
sender 0.0.0.0, so no cache is touched), which a fluxing target answers to us; `real` likewise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.address import UNSPECIFIED_V4
from engine.domain.frame import Frame
from engine.domain.mac import mac_text
from engine.domain.notices import Alarm, Notice
from engine.domain.pace import Agenda
from engine.modules.arp.entry import ArpEntry
from engine.modules.state.world import Outcome
from engine.packets import build

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.domain.address import Address
    from engine.modules.arp.neighbours import Neighbours
    from engine.modules.state.view import View
    from engine.modules.state.world import World

PROBE_EVERY_S = 5.0
PROBE_AT_MOST_EVERY_S = 10.0
PROBES_PPS = 50.0
"""Broadcasts that every host has to look at: with many addresses the round takes up to 10 s instead of 5."""

CLEAR_AFTER_S = 30.0
"""Three unanswered probes at the slowest pace: what was seen once and never again is over."""

NAME_WAIT_S = 2.0
"""How long a report may wait for the targets' MACs, so that it can say whose MAC it is."""

MAX_CONFLICTS = 256
"""A host that makes up MACs must not fill memory, nor the event log."""

MAX_HOSTS = 4096
"""Hosts whose last address is remembered to name them: more than one broadcast domain bears."""


@dataclass(slots=True)
class _Conflict:
    first: float
    last: float
    interface: int
    message: str | None = None  # None: not reported yet


class Conflicts:
    """Owner of the conflict alarms; keyed by (address, foreign MAC)."""

    def __init__(self, world: World, view: View, neighbours: Neighbours) -> None:
        self._world = world
        self._view = view
        self._neighbours = neighbours
        self._found: dict[tuple[Address, bytes], _Conflict] = {}
        self._agenda: Agenda[Address] = Agenda()
        self._hosts: dict[bytes, Address] = {}  # by MAC

    def set_addresses(self, addresses: set[Address], others: Iterable[Address], now: float) -> None:
        """Watch these addresses of ours; an alarm for any other than them and `others` goes without a word."""
        for address in set(self._agenda) - addresses:
            self._agenda.discard(address)
        known = addresses | set(others)
        for key in [key for key in self._found if key[0] not in known]:
            self._drop(key)
        # The first probes follow the announcements at once, spread over a second.
        for index, address in enumerate(sorted(addresses)):
            if address not in self._agenda:
                self._agenda.put(address, now + 0.3 + index / max(len(addresses), 1))

    def name_host(self, mac: bytes, address: Address) -> None:
        """Remember which address a host gave last, to be able to name it; one that it claims of others names nobody."""
        of_others = (self._view.virtuals, self._view.reals, self._world.neighbours)
        if address != UNSPECIFIED_V4 and not any(address in each for each in of_others):
            self._hosts.pop(mac, None)
            self._hosts[mac] = address
            if len(self._hosts) > MAX_HOSTS:
                del self._hosts[next(iter(self._hosts))]

    def claimed(self, interface: int, address: Address, mac: bytes, now: float) -> Outcome:
        """Take in that `mac` claims `address`, which is ours or at another MAC."""
        found = self._found.get((address, mac))
        if found is None:
            if len(self._found) >= MAX_CONFLICTS:
                return Outcome()
            found = self._found[address, mac] = _Conflict(now, now, interface)
        found.last = now
        return self._report(address, mac, found, now)

    def due(self, now: float) -> Outcome:
        """Send the probes that are due, report what waited for a name, clear what has not been seen for long."""
        outcome = self.report_waiting(now)
        for (address, mac), found in list(self._found.items()):
            if now >= found.last + CLEAR_AFTER_S:
                outcome.notices += self._cleared(address, mac, found)
        every = min(max(len(self._agenda) / PROBES_PPS, PROBE_EVERY_S), PROBE_AT_MOST_EVERY_S)
        while (due := self._agenda.pop(now)) is not None:
            self._agenda.put(due, now + every)
            place = self._view.virtuals.get(due) or self._view.reals.get(due)
            link = self._view.link(place.interface) if place else None
            if place is not None and link is not None:
                probe = build.arp_probe(link.mac, due)
                outcome.send.append(Frame(place.interface, probe, place.vlan))
        return outcome

    def report_waiting(self, now: float) -> Outcome:
        """Report the conflicts that waited for a name, where there is one now or none to be had."""
        outcome = Outcome()
        for (address, mac), found in self._found.items():
            if found.message is None and now < found.last + CLEAR_AFTER_S:
                outcome.merge(self._report(address, mac, found, now))
        return outcome

    def next_due(self) -> float:
        """Return when the next probe, report or clearing is due."""
        due = self._agenda.next_due()
        for found in self._found.values():
            waits = found.first + NAME_WAIT_S if found.message is None else math.inf
            due = min(due, waits, found.last + CLEAR_AFTER_S)
        return due

    def entries(self, now: float) -> list[ArpEntry]:
        """Return the conflicts as `show arp` tells them."""
        return [
            ArpEntry(address, mac, "conflict", self.name(mac), now - found.last, "conflict")
            for (address, mac), found in self._found.items()
        ]

    def name(self, mac: bytes) -> str:
        """Say whose MAC it is, as well as can be told."""
        owner = self._neighbours.owner_of(mac)
        if owner is not None:
            return owner
        address = self._hosts.get(mac)
        return f"unknown host ({address})" if address else "unknown host"

    def _report(self, address: Address, mac: bytes, found: _Conflict, now: float) -> Outcome:
        outcome = Outcome()
        if found.message is not None:
            return outcome
        owner = self._neighbours.owner_of(mac)
        if owner is None and now < found.first + NAME_WAIT_S and not self._neighbours.settled():
            return outcome
        who = owner or self.name(mac)
        found.message = (
            f"{mac_text(mac)}, which is {who}, also claims {address}{self._whose(address, found.interface)}; "
            f"{self._mend(address, mac)}"
        )
        outcome.notices.append(Notice("arp", "error", str(address), found.message))
        self._world.alarms[self._alarm(address, mac)] = Alarm(
            severity="error", subject=str(address), message=found.message
        )
        return outcome

    def _whose(self, address: Address, interface: int) -> str:
        """Say whose an address is by the configuration, and at which MAC."""
        neighbour = self._world.neighbours.get(address)
        if neighbour is not None:
            at = mac_text(neighbour.mac) if neighbour.mac else "no MAC yet"
            return f" ({self._view.owner(address)}, at {at})"
        link = self._world.links.get(interface)
        what = "ours" if address in self._view.virtuals else f"ours, {self._view.owner(address)}"
        return f" ({what}, at {mac_text(link.mac)})" if link else ""

    def _mend(self, address: Address, mac: bytes) -> str:
        """Say what to do: a target has an alias that is not kept quiet, any other host an address that is not its own."""
        sysctls = "set net.ipv4.conf.all.arp_ignore=1 and net.ipv4.conf.all.arp_announce=2"
        if any(a in self._view.target_numbers for a in self._neighbours.addresses_of(mac)):
            mask = (
                ""
                if address in self._view.virtuals
                else ", and see that its alias has the mask 255.255.255.255"
            )
            return f"{sysctls} on that target{mask}"
        if address in self._view.virtuals:
            return f"{sysctls} on that host if it is a target, else give it another address"
        return (
            "give one of the two hosts another address, or switch proxy_arp off on that host; if both are cards of one "
            "machine, set net.ipv4.conf.all.arp_ignore=1 there"
        )

    def _cleared(self, address: Address, mac: bytes, found: _Conflict) -> list[Notice]:
        who = self.name(mac)
        self._drop((address, mac))
        if found.message is None:
            return []
        text = (
            f"{address} is no longer claimed by {mac_text(mac)}, which is {who}: "
            f"not seen for {CLEAR_AFTER_S:.0f} s"
        )
        return [Notice("arp", "info", str(address), text)]

    def _drop(self, key: tuple[Address, bytes]) -> None:
        del self._found[key]
        neighbour = self._world.neighbours.get(key[0])
        if neighbour is not None and neighbour.rival == key[1]:
            self._neighbours.contest(key[0], None)
        self._world.alarms.pop(self._alarm(*key), None)

    @staticmethod
    def _alarm(address: Address, mac: bytes) -> tuple[str, str]:
        return "arp", f"{address} {mac_text(mac)}"
