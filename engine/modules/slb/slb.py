"""`slb`: decides who gets new flows. What it decides is compiled into the forwarding table; what changed is told by news.

Decisions are made again only when something they rest on has changed; `recompile` says that one of them came out
differently.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.modules.hc.wanted import WantedProbes, wanted_probes
from engine.modules.module import Module
from engine.modules.slb.eligibility import Decisions, decide
from engine.modules.slb.membership import memberships
from engine.modules.slb.news import News
from engine.modules.state.world import Outcome, TargetStatus

if TYPE_CHECKING:
    from engine.modules.state.view import View
    from engine.modules.state.world import Membership, ServerDecision, World

FULL_UNTIL = 0.9
"""A target that has reached its maxsessions gets new flows again below this part of it: at the very limit, every
session that ends would compile a table, and the next one that starts another."""

PAUSE_S_PER_PAIR = 2e-5
"""Checks that change are decided on at most this often for each (server, target): a decision costs about 5 µs a pair,
so it never takes more than a quarter of a core. 500 pairs wait 10 ms at most, 50,000 are decided on once a second.
The operator's word and the configuration never wait."""

FIRST_ROUND_S = 0.1
"""The same while any check has yet to have its first say: these answers come within milliseconds of each other, and
a backup must not serve because it answered before its primaries did."""


class Slb(Module):
    """Owner of the decisions and of the alarms about targets and servers."""

    name = "slb"

    def __init__(self, world: World, view: View) -> None:
        super().__init__(world, view)
        self._wanted = WantedProbes()
        self._wanted_version = 0
        self._full: set[int] = set()
        self._drained: set[int] = set()  # have drained for as long as they were to
        self._basis: tuple[object, ...] = ()
        self._stale = True  # a MAC or a check has changed since the last decision
        self._decided_at = -math.inf
        self._made = Decisions()
        self._status: dict[int, TargetStatus] = {}
        self._members: dict[int, tuple[Membership, ...]] | None = None  # of the last decision, once asked for
        self._news = News(world, view)
        self._told: Decisions | None = None
        self._told_version = 0

    def eligibility(self, now: float) -> dict[int, ServerDecision]:
        """Return the decision for every registered server, by number."""
        self._decide(now)
        return self._made.servers

    def targets(self, now: float) -> dict[int, TargetStatus]:
        """Return the status of every target of the configuration, by number."""
        self._decide(now)
        return self._status

    def members(self, now: float) -> dict[int, tuple[Membership, ...]]:
        """Return how every registered server sees its targets, by the server's number; the same until that changes."""
        self._decide(now)
        if self._members is None:
            self._members = memberships(self._made, self.view, self._full)
        return self._members

    def tick(self, now: float) -> Outcome:
        """Decide again if something changed; tell what came out differently."""
        self._decide(now)
        if self._told is self._made:
            return Outcome()
        former = self._told
        differs = former is None or former.servers != self._made.servers
        outcome = Outcome(recompile=differs or self._told_version != self.view.version)
        outcome.notices += self._news.tell(self._made, self._full, self._drained)
        self._told, self._told_version = self._made, self.view.version
        return outcome

    def facts_changed(self, now: float) -> Outcome:
        """Decide again at once, or as soon as the last decision is long enough ago."""
        self._stale = True
        return self.tick(now)

    def next_due(self, now: float) -> float:
        """Return when a decision that had to wait is made; now where one is to be told."""
        if self._told is not self._made or self._told_version != self.view.version:
            return now
        again = self._decided_at + self._pause_s() if self._stale else math.inf
        return min(
            again, *(end for end in self.world.drain_ends.values() if end > self._decided_at), math.inf
        )

    def note(self) -> str:
        """Say how many targets get new flows."""
        served = sum(1 for d in self._made.servers.values() if d.new)
        return (
            f"{served} of {len(self._made.servers)} servers have targets, "
            f"{len(self._made.operational)} of {len(self._made.standings)} targets operational"
        )

    def _pause_s(self) -> float:
        pause_s = PAUSE_S_PER_PAIR * len(self._wanted.vip)
        return max(pause_s, FIRST_ROUND_S) if self.world.untried else pause_s

    def _decide(self, now: float) -> None:
        self.view.refresh()
        if self._wanted_version != self.view.version:
            self._wanted, self._wanted_version = wanted_probes(self.view), self.view.version
        self._count_sessions()
        drained = {number for number, end in self.world.drain_ends.items() if now >= end}
        basis = (
            self.view.version,
            dict(self.world.target_admin),
            dict(self.world.drains),
            set(self._full),
            drained,
        )
        soon = now < self._decided_at + self._pause_s()
        if basis == self._basis and (soon or not self._stale):
            return
        self._basis, self._decided_at, self._stale = basis, now, False
        self._made = decide(self.world, self.view, self._wanted, self._full, drained)
        self._drained = drained
        self._members = None
        out_of: dict[int, list[int]] = {}
        for server, target in self._made.out_of:
            out_of.setdefault(target, []).append(server)
        self._status = {n: self._status_of(n, now, tuple(out_of.get(n, ()))) for n in self._made.standings}

    def _status_of(self, number: int, now: float, out_of: tuple[int, ...]) -> TargetStatus:
        health = self._made.standings[number].health
        operational = number in self._made.operational
        old = self._status.get(number)
        same = old is not None and (old.health, old.operational) == (health, operational)
        since = old.last_change if old is not None and same else now
        return TargetStatus(number, health, operational, self._made.reasons[number], since, out_of)

    def _count_sessions(self) -> None:
        for target in self.world.config.targets:
            if target.maxsessions <= 0:
                self._full.discard(target.number)
                continue
            sessions = self.world.target_sessions.get(target.number, 0)
            if sessions >= target.maxsessions:
                self._full.add(target.number)
            elif sessions < target.maxsessions * FULL_UNTIL:
                self._full.discard(target.number)
