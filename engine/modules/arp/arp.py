"""`arp`: answers for the virtual addresses, announces them, resolves the targets, finds who else claims an address.

RFC 826, RFC 5227. The kernel answers for `real`. A backup answers and announces nothing (RFC 9568 section 8.1.2), but
resolves its targets, because it checks them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.frame import Frame, FrameMatch
from engine.modules.arp.announce import Announcer
from engine.modules.arp.conflicts import Conflicts
from engine.modules.arp.entry import ArpEntry
from engine.modules.arp.neighbours import Neighbours
from engine.modules.module import Module
from engine.modules.state.world import Outcome
from engine.packets import build, headers, read

if TYPE_CHECKING:
    from engine.modules.state.view import View
    from engine.modules.state.world import World


class Arp(Module):
    """Consumes every ARP frame. State is keyed by address and survives a change of the configuration."""

    name = "arp"
    wants = (FrameMatch(headers.ETHERTYPE_ARP),)

    def __init__(self, world: World, view: View) -> None:
        super().__init__(world, view)
        self.answered = 0
        self._announcer = Announcer(view)
        self._neighbours = Neighbours(world, view)
        self._conflicts = Conflicts(world, view, self._neighbours)
        self._followed: tuple[int, bool] | None = None  # view's version, master
        self._links: dict[int, bytes] = {}  # links that were up, and their MACs

    def handle(self, frame: Frame, now: float) -> Outcome:
        """Learn from an ARP frame, answer it if it asks for a virtual address, raise a conflict if it claims one."""
        if read.ethertype(frame.data) != headers.ETHERTYPE_ARP:
            return Outcome()
        outcome = Outcome(consumed=True)
        arp = read.arp(frame.data)
        if arp is None or arp.sha in self.view.own_macs:
            return outcome
        outcome.merge(self._neighbours.heard(frame.interface, arp.spa, arp.sha, now))
        self._conflicts.name_host(arp.sha, arp.spa)
        if not self.world.is_master:
            return outcome
        if outcome.facts_changed:  # a report may have waited for this very MAC
            outcome.merge(self._conflicts.report_waiting(now))
        if arp.spa in self.view.virtuals:
            outcome.merge(self._conflicts.claimed(frame.interface, arp.spa, arp.sha, now))
            outcome.send += self._announcer.defend(arp.spa, now)
        # A request for its own sender's address asks nobody: it is an announcement, met above.
        if arp.op == headers.ARP_REQUEST and arp.spa != arp.tpa:
            outcome.send += self._answer(frame, arp)
        return outcome

    def tick(self, now: float) -> Outcome:
        """Announce, resolve, probe for conflicts: what is due of each."""
        if self._followed != (self.view.version, self.world.is_master):
            self._follow(now)
        outcome = self._neighbours.due(now)
        if self.world.is_master:
            outcome.send += self._announcer.due(now)
            outcome.merge(self._conflicts.due(now))
        return outcome

    def next_due(self, now: float) -> float:
        """Return when the next request, announcement or probe is due; now where something has changed."""
        if self._followed != (self.view.version, self.world.is_master):
            return now
        if not self.world.is_master:
            return self._neighbours.next_due()
        return min(self._neighbours.next_due(), self._announcer.next_due(), self._conflicts.next_due())

    def note(self) -> str:
        """Say what is answered for, and how many targets are found."""
        found = sum(1 for n in self.world.neighbours.values() if n.mac is not None)
        of = len(self.world.neighbours)
        return f"{self.answered} answers for {len(self.view.virtuals)} virtual addresses, {found} of {of} targets resolved"

    def entries(self, now: float) -> list[ArpEntry]:
        """Return what `show arp` tells: conflicts first, then what is answered for, then the targets."""
        answering: list[ArpEntry] = []
        for virtual in self.view.virtuals.values() if self.world.is_master else ():
            link = self.world.links.get(virtual.interface)
            mac = link.mac if link else None
            owner = ", ".join(virtual.owners)
            answering.append(ArpEntry(virtual.address, mac, "virtual", owner, None, "answering"))
        return self._conflicts.entries(now) + answering + self._neighbours.entries(now)

    def _answer(self, frame: Frame, arp: headers.Arp) -> list[Frame]:
        virtual = self.view.virtuals.get(arp.tpa)
        link = self.view.link(frame.interface)
        if virtual is None or link is None or virtual.interface != frame.interface:
            return []
        self.answered += 1
        reply = headers.Arp(headers.ARP_REPLY, link.mac, arp.tpa, arp.sha, arp.spa)
        return [Frame(frame.interface, build.arp(reply, to=arp.sha), frame.vlan)]

    def _follow(self, now: float) -> None:
        """Take up a changed configuration, link or role."""
        self._followed = (self.view.version, self.world.is_master)
        self._neighbours.follow_config(now)
        mine = set(self.view.virtuals) if self.world.is_master else set()
        up = {n: link.mac for n, link in self.world.links.items() if link.up}
        # A link that came back, or has another MAC, may have lost or changed its switch port: tell everybody again.
        again = any(self._links.get(n) != mac for n, mac in up.items())
        self._links = up
        self._announcer.set_addresses(mine, now, again=again)
        self._conflicts.set_addresses(mine, now)
