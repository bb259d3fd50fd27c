"""Finds out who else claims a virtual address, and says what to do about it.

Every ARP packet whose sender is a virtual address but whose MAC is not ours is a conflict: a reply or an announcement
(`arp_ignore` is off), or a request that uses the address as its source (`arp_announce` is off). A target's replies to
the router are unicast and never seen here, so each address is also asked for with an ARP Probe (RFC 5227 section 2.1.1:
sender 0.0.0.0, so no cache is touched), which a fluxing target answers to us.
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
    """Owner of the conflict alarms; keyed by (virtual address, foreign MAC)."""

    def __init__(self, world: World, view: View, neighbours: Neighbours) -> None:
        self._world = world
        self._view = view
        self._neighbours = neighbours
        self._found: dict[tuple[Address, bytes], _Conflict] = {}
        self._agenda: Agenda[Address] = Agenda()
        self._hosts: dict[bytes, Address] = {}  # by MAC

    def set_addresses(self, addresses: set[Address], now: float) -> None:
        """Watch these addresses; an alarm for any other goes without a word."""
        for address in set(self._agenda) - addresses:
            self._agenda.discard(address)
        for key in [key for key in self._found if key[0] not in addresses]:
            self._drop(key)
        # The first probes follow the announcements at once, spread over a second.
        for index, address in enumerate(sorted(addresses)):
            if address not in self._agenda:
                self._agenda.put(address, now + 0.3 + index / max(len(addresses), 1))

    def name_host(self, mac: bytes, address: Address) -> None:
        """Remember which address a host gave last, to be able to name it."""
        if address != UNSPECIFIED_V4 and address not in self._view.virtuals:
            self._hosts.pop(mac, None)
            self._hosts[mac] = address
            if len(self._hosts) > MAX_HOSTS:
                del self._hosts[next(iter(self._hosts))]

    def claimed(self, interface: int, address: Address, mac: bytes, now: float) -> Outcome:
        """Take in that `mac` claims virtual address `address`."""
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
            virtual = self._view.virtuals.get(due)
            link = self._view.link(virtual.interface) if virtual else None
            if virtual is not None and link is not None:
                outcome.send.append(Frame(virtual.interface, build.arp_probe(link.mac, due)))
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
            ArpEntry(address, mac, "conflict", self._name(mac), now - found.last, "conflict")
            for (address, mac), found in self._found.items()
        ]

    def _name(self, mac: bytes) -> str:
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
        link = self._world.links.get(found.interface)
        ours = f" (ours, at {mac_text(link.mac)})" if link else ""
        who = owner or self._name(mac)
        where = "that target" if owner else "that host if it is a target, else give it another address"
        found.message = (
            f"{mac_text(mac)}, which is {who}, also claims {address}{ours}; "
            f"set net.ipv4.conf.all.arp_ignore=1 and net.ipv4.conf.all.arp_announce=2 on {where}"
        )
        outcome.notices.append(Notice("arp", "error", str(address), found.message))
        self._world.alarms[self._alarm(address, mac)] = Alarm(
            severity="error", subject=str(address), message=found.message
        )
        return outcome

    def _cleared(self, address: Address, mac: bytes, found: _Conflict) -> list[Notice]:
        who = self._name(mac)
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
        self._world.alarms.pop(self._alarm(*key), None)

    @staticmethod
    def _alarm(address: Address, mac: bytes) -> tuple[str, str]:
        return "arp", f"{address} {mac_text(mac)}"
