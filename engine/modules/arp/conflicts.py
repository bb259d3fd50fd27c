"""Finds out who else claims a virtual address, and says what to do about it.

Every ARP packet whose sender is a virtual address but whose MAC is not ours is a conflict: a reply or an announcement
(`arp_ignore` is off), or a request that uses the address as its source (`arp_announce` is off). A target's replies to
the router are unicast and never seen here, so each address is also asked for with an ARP Probe (RFC 5227 section 2.1.1:
sender 0.0.0.0, so no cache is touched), which a fluxing target answers to us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import packets
from engine.api.messages import ArpState
from engine.domain.frame import Frame
from engine.domain.notices import Alarm, Notice
from engine.domain.pace import Agenda
from engine.modules.state.view import unpack
from engine.modules.state.world import Outcome

if TYPE_CHECKING:
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
        self._found: dict[tuple[bytes, bytes], _Conflict] = {}
        self._agenda: Agenda[bytes] = Agenda()
        self._hosts: dict[bytes, bytes] = {}

    def set_addresses(self, addresses: set[bytes], now: float) -> None:
        """Watch these addresses; an alarm for any other goes without a word."""
        for address in set(self._agenda) - addresses:
            self._agenda.discard(address)
        for key in [key for key in self._found if key[0] not in addresses]:
            self._drop(key)
        # The first probes follow the announcements at once, spread over a second.
        for index, address in enumerate(sorted(addresses)):
            if address not in self._agenda:
                self._agenda.put(address, now + 0.3 + index / max(len(addresses), 1))

    def host(self, mac: bytes, address: bytes) -> None:
        """Remember which address a host gave last, to be able to name it."""
        if address != packets.NO_ADDRESS and address not in self._view.virtuals:
            self._hosts.pop(mac, None)
            self._hosts[mac] = address
            if len(self._hosts) > MAX_HOSTS:
                del self._hosts[next(iter(self._hosts))]

    def claimed(self, interface: int, address: bytes, mac: bytes, now: float) -> Outcome:
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
        outcome = Outcome()
        for (address, mac), found in list(self._found.items()):
            if now - found.last >= CLEAR_AFTER_S:
                outcome.notices += self._cleared(address, mac, found)
            else:
                outcome.merge(self._report(address, mac, found, now))
        every = min(max(len(self._agenda) / PROBES_PPS, PROBE_EVERY_S), PROBE_AT_MOST_EVERY_S)
        while (due := self._agenda.pop(now)) is not None:
            self._agenda.put(due, now + every)
            virtual = self._view.virtuals.get(due)
            link = self._view.link(virtual.interface) if virtual else None
            if virtual is not None and link is not None:
                outcome.send.append(Frame(virtual.interface, packets.build_arp_probe(link.mac, due)))
        return outcome

    def states(self, now: float) -> list[ArpState]:
        """Answer for `show arp`."""
        return [
            ArpState(
                address=unpack(address),
                mac=packets.mac_text(mac),
                kind="conflict",
                owner=self._name(mac),
                age_s=round(now - found.last, 3),
                state="conflict",
            )
            for (address, mac), found in self._found.items()
        ]

    def _name(self, mac: bytes) -> str:
        owner = self._neighbours.owner_of(mac)
        if owner is not None:
            return owner
        address = self._hosts.get(mac)
        return f"unknown host ({unpack(address)})" if address else "unknown host"

    def _report(self, address: bytes, mac: bytes, found: _Conflict, now: float) -> Outcome:
        outcome = Outcome()
        if found.message is not None:
            return outcome
        owner = self._neighbours.owner_of(mac)
        if owner is None and now - found.first < NAME_WAIT_S and not self._neighbours.settled():
            return outcome
        link = self._world.links.get(found.interface)
        ours = f" (ours, at {packets.mac_text(link.mac)})" if link else ""
        who = owner or self._name(mac)
        where = "that target" if owner else "that host if it is a target, else give it another address"
        found.message = (
            f"{packets.mac_text(mac)}, which is {who}, also claims {unpack(address)}{ours}; "
            f"set net.ipv4.conf.all.arp_ignore=1 and net.ipv4.conf.all.arp_announce=2 on {where}"
        )
        outcome.notices.append(Notice("arp", "error", unpack(address), found.message))
        self._world.alarms[self._alarm(address, mac)] = Alarm(
            severity="error", subject=unpack(address), message=found.message
        )
        return outcome

    def _cleared(self, address: bytes, mac: bytes, found: _Conflict) -> list[Notice]:
        who = self._name(mac)
        self._drop((address, mac))
        if found.message is None:
            return []
        text = (
            f"{unpack(address)} is no longer claimed by {packets.mac_text(mac)}, which is {who}: "
            f"not seen for {CLEAR_AFTER_S:.0f} s"
        )
        return [Notice("arp", "info", unpack(address), text)]

    def _drop(self, key: tuple[bytes, bytes]) -> None:
        del self._found[key]
        self._world.alarms.pop(self._alarm(*key), None)

    @staticmethod
    def _alarm(address: bytes, mac: bytes) -> tuple[str, str]:
        return "arp", f"{unpack(address)} {packets.mac_text(mac)}"
