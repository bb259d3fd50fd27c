"""Asks before a virtual address is taken whether a living host has it (RFC 5227 section 2.1.1), and leaves it then.

The RFC's probes take up to seven seconds, for hosts that come up in their hundreds on slow bridges; a balancer's
clients wait, so there are as many probes in half a second. An address that this node gave up a moment ago is served
while it is asked for, and one that a backup takes over from a dead master is not asked for at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.domain.mac import mac_text
from engine.domain.notices import Alarm, Notice
from engine.domain.pace import PacedAgenda
from engine.modules.state.world import Outcome
from engine.packets import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.domain.address import Address
    from engine.modules.arp.neighbours import Neighbours
    from engine.modules.state.view import View
    from engine.modules.state.world import World

PROBES = 3
PROBE_GAP_S = 0.15
DECIDE_S = 0.2
"""PROBE_NUM of the RFC; after the last probe an answer of a LAN, which comes within milliseconds, is waited for."""

AGAIN_S = 5.0
"""How often an address that somebody has is asked for again, to be taken when it is free."""

HELD_S = 60.0
"""How long after we gave an address up it is served again at once: routers still have our MAC for it."""

RATE_PPS = 1500
BURST = 256
"""512 addresses are asked for within a second and a half."""


@dataclass(slots=True)
class _Claim:
    """Where one address stands. `others`: MACs that had it in this round of probes."""

    held: bool = False
    probes: int = 0
    probing: bool = True
    others: dict[bytes, None] = field(default_factory=dict)
    refused: tuple[bytes, ...] = ()  # who had it when it was not taken


class Claiming:
    """Writer of `World.withheld`: virtual addresses of a master that are not, or not yet, taken."""

    def __init__(
        self, world: World, view: View, neighbours: Neighbours, name: Callable[[bytes], str]
    ) -> None:
        self._world = world
        self._view = view
        self._neighbours = neighbours
        self._name = name
        self._claims: dict[Address, _Claim] = {}
        self._agenda: PacedAgenda[Address] = PacedAgenda(RATE_PPS, BURST)
        self._given_up: dict[Address, float] = {}

    def set_addresses(self, addresses: set[Address], now: float, *, at_once: bool) -> None:
        """Take these addresses, once they are known to be free; with `at_once` without asking."""
        for address in self._claims.keys() - addresses:
            if self._claims.pop(address).held:
                self._given_up[address] = now
            self._agenda.discard(address)
            self._world.alarms.pop(self._alarm(address), None)
        self._given_up = {a: at for a, at in self._given_up.items() if now - at < HELD_S}
        for address in sorted(addresses - self._claims.keys()):
            if at_once:
                self._claims[address] = _Claim(held=True, probing=False)
            else:
                self._claims[address] = _Claim(held=address in self._given_up)
                self._agenda.put(address, now)
        self._tell_world()

    def expect(self, addresses: set[Address], now: float) -> None:
        """Serve these at once when they are taken: this node had them when its control process ended."""
        self._given_up |= dict.fromkeys(addresses, now)

    def withhold(self, addresses: Iterable[Address]) -> None:
        """Leave those alone that nothing is known of yet."""
        if not self._world.force_claim:
            known = self._claims.keys() | self._given_up.keys()
            self._world.withheld.update(a for a in addresses if a not in known)

    @property
    def held(self) -> set[Address]:
        """The addresses that are taken."""
        return {address for address, claim in self._claims.items() if claim.held}

    @property
    def undecided(self) -> bool:
        """Whether an address that could be asked for is not decided about yet."""
        return any(
            claim.probing and not claim.held and not claim.refused and self._asked_on(address)
            for address, claim in self._claims.items()
        )

    def claimed(self, address: Address, mac: bytes) -> None:
        """Take in that another host has, or at this moment asks for, an address that is being asked for."""
        claim = self._claims.get(address)
        if claim is not None and claim.probing and claim.probes:
            claim.others[mac] = None

    def asks_too(self, address: Address, mac: bytes) -> None:
        """Take in the probe of another host for an address (RFC 5227 section 2.1.1): of two, the lower MAC gets it."""
        virtual = self._view.virtuals.get(address)
        link = self._view.link(virtual.interface) if virtual is not None else None
        claim = self._claims.get(address)
        if link is not None and claim is not None and not claim.held and mac < link.mac:
            self.claimed(address, mac)

    def reconsider(self) -> Outcome:
        """Take what was left to hosts that have turned out to be targets: their alias is a conflict, not an owner."""
        outcome = Outcome()
        for address, claim in self._claims.items():
            if claim.refused and not self._living(claim.refused):
                self._take(address, claim, outcome)
        return outcome

    def due(self, now: float) -> Outcome:
        """Send the probes that are due, and decide where they have been waited for."""
        outcome = Outcome()
        while (address := self._agenda.pop(now)) is not None:
            claim, virtual = self._claims[address], self._view.virtuals[address]
            link = self._view.link(virtual.interface)
            if link is None:
                claim.probes = 0
                self._agenda.put(address, now + 1.0)
            elif claim.probes < PROBES:
                if not claim.probes:
                    claim.probing = True
                    claim.others.clear()
                claim.probes += 1
                outcome.send.append(virtual.frame(build.arp_probe(link.mac, address)))
                self._agenda.put(address, now + (PROBE_GAP_S if claim.probes < PROBES else DECIDE_S))
            else:
                self._decide(address, claim, now, outcome)
        return outcome

    def next_due(self) -> float:
        """Return when the next probe or decision is due."""
        return self._agenda.next_due() if self._agenda else math.inf

    def _decide(self, address: Address, claim: _Claim, now: float, outcome: Outcome) -> None:
        claim.probing, claim.probes = False, 0
        living = self._living(tuple(claim.others))
        if not living:
            self._take(address, claim, outcome)
            return
        self._agenda.put(address, now + AGAIN_S)
        claim.held = False
        if living != claim.refused:
            claim.refused = living
            owner = self._view.owner(address)
            who = " and ".join(f"{mac_text(mac)}, which is {self._name(mac)}," for mac in living)
            text = (
                f"{address} ({owner}) is not taken: {who} has it; remove it there or use another address, "
                "or start with --force-claim; it is taken when nobody answers for it"
            )
            outcome.notices.append(Notice("arp", "error", owner, text))
            alarm = Alarm(severity="error", subject=owner, message=text)
            self._world.alarms[self._alarm(address)] = alarm
        outcome.recompile = True
        self._tell_world()

    def _take(self, address: Address, claim: _Claim, outcome: Outcome) -> None:
        if claim.refused:
            text = f"{address} ({self._view.owner(address)}) is free, and taken"
            outcome.notices.append(Notice("arp", "info", self._view.owner(address), text))
            self._world.alarms.pop(self._alarm(address), None)
        outcome.recompile = outcome.recompile or not claim.held
        claim.held, claim.probing, claim.refused = True, False, ()
        self._agenda.discard(address)
        self._given_up.pop(address, None)
        self._tell_world()

    def _living(self, macs: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return those that are of no target: a target answers where its alias is not kept quiet, and serves all the same."""
        targets = self._view.target_numbers
        return tuple(mac for mac in macs if not any(a in targets for a in self._neighbours.addresses_of(mac)))

    def _asked_on(self, address: Address) -> bool:
        virtual = self._view.virtuals.get(address)
        return virtual is not None and self._view.link(virtual.interface) is not None

    def _tell_world(self) -> None:
        self._world.withheld = {address for address, claim in self._claims.items() if not claim.held}

    @staticmethod
    def _alarm(address: Address) -> tuple[str, str]:
        return "arp", f"claim {address}"
