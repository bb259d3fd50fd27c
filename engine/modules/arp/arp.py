"""`arp`: takes free virtual addresses and answers for them, resolves targets and gateway, finds who else claims one.

RFC 826, RFC 5227. Frames of another VLAN than a network's do not touch it. The kernel answers for `real`. A backup answers and announces nothing (RFC 9568 section 8.1.2), but
resolves its targets, because it checks them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.address import UNSPECIFIED_V4
from engine.domain.frame import AddressSet, FrameClass, FrameMatch
from engine.domain.states import NodeRole
from engine.modules.arp.announce import Announcer
from engine.modules.arp.askers import Askers
from engine.modules.arp.claiming import Claiming
from engine.modules.arp.conflicts import Conflicts
from engine.modules.arp.entry import ArpEntry
from engine.modules.arp.neighbours import Neighbours
from engine.modules.arp.shared_macs import SharedMacs
from engine.modules.module import Module
from engine.modules.state.world import Outcome
from engine.packets import build, headers, read

if TYPE_CHECKING:
    from typing import Literal

    from engine.domain.address import Address
    from engine.domain.frame import Frame
    from engine.modules.state.view import View
    from engine.modules.state.world import World


class Arp(Module):
    """Consumes every ARP frame that it is shown: those that name an address of the configuration. State is keyed by address and survives a change of the configuration."""

    name = "arp"

    def __init__(self, world: World, view: View) -> None:
        super().__init__(world, view)
        self.answered = 0
        self.askers = Askers()
        self._announcer = Announcer(view)
        self._neighbours = Neighbours(world, view)
        self._conflicts = Conflicts(world, view, self._neighbours)
        self._claiming = Claiming(world, view, self._neighbours, self._conflicts.name)
        self._shared = SharedMacs(world, view)
        self._followed: tuple[int, NodeRole] | None = None  # view's version, role
        self._guarded: set[Address] | None = None  # virtual addresses that are announced and probed for
        self._links: dict[int, bytes] = {}  # links that were up, and their MACs

    @property
    def settled(self) -> bool:
        """Whether every target has been found or asked often enough to know that it will not answer."""
        return self._followed is not None and self._neighbours.settled()

    @property
    def wants(self) -> tuple[FrameMatch, ...]:
        """ARP that names an address of the configuration."""
        ours = AddressSet.VIRTUAL, AddressSet.REAL, AddressSet.NEIGHBOURS
        return (FrameMatch(headers.ETHERTYPE_ARP, either=ours, frame_class=FrameClass.NEIGHBOURS),)

    @property
    def undecided(self) -> bool:
        """Whether it is still being asked who has a virtual address."""
        return self.world.is_master and self._claiming.undecided

    def expect(self, addresses: set[Address], now: float) -> None:
        """Serve these virtual addresses as soon as they are wanted: they were this node's a moment ago."""
        self._claiming.expect(addresses, now)

    def withhold_new(self) -> None:
        """Have virtual addresses that have just come to be left alone until the next tick asks for them."""
        self._claiming.withhold(self.view.virtuals.keys())

    @property
    def held(self) -> set[Address]:
        """The virtual addresses that are taken."""
        return self._claiming.held

    def handle(self, frame: Frame, now: float) -> Outcome:
        """Learn from an ARP frame, answer it if it asks for a virtual address, raise a conflict if it claims one."""
        if read.ethertype(frame.data) != headers.ETHERTYPE_ARP:
            return Outcome()
        outcome = Outcome(consumed=True)
        arp = read.arp(frame.data)
        if arp is None or arp.sha in self.view.own_macs:
            return outcome
        heard = self._neighbours.heard(frame, arp.spa, arp.sha, now)
        outcome.merge(heard.outcome)
        if heard.contested is not None:
            outcome.merge(self._conflicts.claimed(frame.interface, arp.spa, heard.contested, now))
            self._neighbours.contest(arp.spa, heard.contested)
        self._conflicts.name_host(arp.sha, arp.spa)
        if outcome.facts_changed:  # a report may have waited for this very MAC
            outcome.merge(self._mac_changed(now))
        real = self.view.reals.get(arp.spa)
        if real is not None and real.carries(frame):
            outcome.merge(self._conflicts.claimed(frame.interface, arp.spa, arp.sha, now))
        if self.world.is_master:
            outcome.merge(self._handle_as_master(frame, arp, now))
        return outcome

    def examined(self, doubted: set[Address], proved: dict[Address, bytes], now: float) -> Outcome:
        """Take what the VIP checks say of MACs: where they got no answer, and where a rival answered."""
        outcome = Outcome()
        for address in doubted:
            self._neighbours.doubt(address, now)
        for address, mac in proved.items():
            outcome.merge(self._neighbours.proved(address, mac, now))
        if outcome.facts_changed:
            outcome.merge(self._mac_changed(now))
        return outcome

    def tick(self, now: float) -> Outcome:
        """Announce, resolve, probe for conflicts: what is due of each."""
        if self._followed != (self.view.version, self.world.role):
            self._follow(now)
        outcome = self._neighbours.due(now)
        if self.world.is_master:
            outcome.merge(self._claiming.due(now))
            self._take_up(now)
            outcome.send += self._announcer.due(now)
        if outcome.facts_changed:
            outcome.merge(self._mac_changed(now))
        outcome.notices += self._shared.review()
        outcome.merge(self._conflicts.due(now))
        return outcome

    def next_due(self, now: float) -> float:
        """Return when the next request, announcement or probe is due; now where something has changed."""
        if self._followed != (self.view.version, self.world.role) or self._shared.due:
            return now
        due = min(self._neighbours.next_due(), self._conflicts.next_due())
        if not self.world.is_master:
            return due
        return min(due, self._announcer.next_due(), self._claiming.next_due())

    def note(self) -> str:
        """Say what is answered for, and how many targets are found."""
        targets = [n for a, n in self.world.neighbours.items() if a in self.view.target_numbers]
        found, of = sum(1 for n in targets if n.mac is not None), len(targets)
        return f"{self.answered} answers for {len(self.view.virtuals)} virtual addresses, {found} of {of} targets resolved"

    def entries(self, now: float) -> list[ArpEntry]:
        """Return what `show arp` tells: conflicts first, then what is answered for, then the targets."""
        answering: list[ArpEntry] = []
        state: Literal["answering", "withheld"]
        for virtual in self.view.virtuals.values() if self.world.is_master else ():
            link = self.world.links.get(virtual.interface)
            mac = link.mac if link else None
            owner = virtual.owner
            withheld = virtual.address in self.world.withheld
            state = "withheld" if withheld else "answering"
            answering.append(
                ArpEntry(virtual.address, None if withheld else mac, "virtual", owner, None, state)
            )
        return self._conflicts.entries(now) + answering + self._neighbours.entries(now)

    def _handle_as_master(self, frame: Frame, arp: headers.Arp, now: float) -> Outcome:
        outcome = Outcome()
        claimed = self.view.virtuals.get(arp.spa)
        if claimed is not None and (frame.interface, frame.vid) == (claimed.interface, claimed.vlan):
            self._claiming.claimed(arp.spa, arp.sha)
            if arp.spa not in self.world.withheld:
                outcome.merge(self._conflicts.claimed(frame.interface, arp.spa, arp.sha, now))
                outcome.send += self._announcer.defend(arp.spa, now)
        # A request for its own sender's address asks nobody: it is an announcement, met above.
        if arp.op == headers.ARP_REQUEST and arp.spa != arp.tpa:
            # RFC 5227 section 1.1: a probe is broadcast and names its own sender; one that does not is garbled or
            # forged. One to our MAC alone is a switch's, which looks whether we are there (IP device tracking).
            if arp.spa == UNSPECIFIED_V4 and arp.sha == frame.data[6:12] and frame.data[0] & 1:
                self._claiming.asks_too(arp.tpa, arp.sha)
            outcome.send += self._answer(frame, arp, now)
        return outcome

    def _answer(self, frame: Frame, arp: headers.Arp, now: float) -> list[Frame]:
        virtual = self.view.served_on(arp.tpa, frame)
        link = self.view.link(frame.interface)
        if virtual is None or link is None:
            return []
        to = frame.data[0:6]
        if to != link.mac and not to[0] & 1:
            return []  # it asks another station, and is seen by promiscuity or on its way through a bridge
        self.answered += 1
        self.askers.asked(frame.interface, arp.spa, arp.sha, now)
        reply = headers.Arp(headers.ARP_REPLY, link.mac, arp.tpa, arp.sha, arp.spa)
        return [frame.answer(build.arp(reply, to=arp.sha))]

    def _mac_changed(self, now: float) -> Outcome:
        """Look again at what depends on whose MAC is whose."""
        self._shared.look_again()
        outcome = self._conflicts.report_waiting(now)
        if self.world.is_master:
            outcome.merge(self._claiming.reconsider())
            self._take_up(now)
        return outcome

    def _follow(self, now: float) -> None:
        """Take up a changed configuration, link or role."""
        # Nobody answers for a dead master's addresses, and its clients wait: a backup takes them over at once.
        takes_over = self._followed is not None and self._followed[1] is NodeRole.BACKUP
        self._followed = (self.view.version, self.world.role)
        self._neighbours.follow_config(now)
        self._shared.look_again()
        mine = set(self.view.virtuals) if self.world.is_master else set()
        self._claiming.set_addresses(mine, now, at_once=takes_over or self.world.force_claim)
        up = {n: link.mac for n, link in self.world.links.items() if link.up}
        # A link that came back, or has another MAC, may have lost or changed its switch port: tell everybody again.
        again = any(self._links.get(n) != mac for n, mac in up.items())
        self._links, self._guarded = up, None
        self._take_up(now, again=again)

    def _take_up(self, now: float, *, again: bool = False) -> None:
        """Announce and guard the virtual addresses that are taken."""
        held = self._claiming.held
        if held == self._guarded:
            return
        self._guarded = held
        self._announcer.set_addresses(held, now, again=again)
        ours = held | set(self.view.reals)
        self._conflicts.set_addresses(ours, self.world.neighbours, now)
