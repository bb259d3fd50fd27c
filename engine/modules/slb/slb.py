"""`slb`: decides who gets new flows, and tells what changed. The decision is compiled by engine.datapath.table.

Decisions are made anew only when something they rest on has changed; `recompile` says that one of them came out
differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.notices import Alarm, Notice
from engine.modules.hc.plan import Plan, make_plan
from engine.modules.module import Base
from engine.modules.slb.eligibility import Decisions, admin_of, decide
from engine.modules.state.world import Outcome, TargetStatus

if TYPE_CHECKING:
    from engine.domain.notices import EventSeverity
    from engine.domain.states import Admin
    from engine.modules.state.view import View
    from engine.modules.state.world import ServerDecision, World

FULL_UNTIL = 0.9
"""A target that has reached its maxsessions gets new flows again below this part of it: at the very limit, every
session that ends would compile a table, and the next one that starts another."""

PAUSE_S_PER_PAIR = 2e-5
"""Checks that change are decided on at most this often for each (server, target): a decision costs about 5 µs a pair,
so it never takes more than a quarter of a core. Up to 5,000 pairs nothing waits; 50,000 are decided on once a second.
The operator's word and the configuration never wait."""

TICK_S = 0.1
"""How often the engine ticks: a pause shorter than that is none."""


class Slb(Base):
    """Owner of the decisions and of the alarms about targets and servers."""

    name = "slb"

    def __init__(self, world: World, view: View) -> None:
        super().__init__(world, view)
        self._plan = Plan()
        self._plan_version = 0
        self._full: set[int] = set()
        self._basis: tuple[object, ...] = ()
        self._decided = (0, 0.0)  # World.changes, time
        self._made = Decisions()
        self._status: dict[int, TargetStatus] = {}
        # What was told last: notices are the difference.
        self._told: Decisions | None = None
        self._told_version = 0
        self._told_full: set[int] = set()
        self._server_admin: dict[int, bool] = {}

    def eligibility(self, now: float) -> dict[int, ServerDecision]:
        """Return the decision for every registered server, by number."""
        self._decide(now)
        return self._made.servers

    def targets(self, now: float) -> dict[int, TargetStatus]:
        """Return the status of every target of the configuration, by number."""
        self._decide(now)
        return self._status

    def tick(self, now: float) -> Outcome:
        """Decide again if something changed; tell what came out differently."""
        self._decide(now)
        if self._told is self._made:
            return Outcome()
        outcome = Outcome()
        before = self._told or Decisions()
        outcome.recompile = (
            self._told is None
            or before.servers != self._made.servers
            or self._told_version != self.view.version
        )
        for number in self._made.standings:
            outcome.notices += self._target_news(before, number)
        outcome.notices += self._membership_news(before)
        for number in self._made.servers:
            outcome.notices += self._server_news(before, number)
        self._set_alarms()
        self._told, self._told_version, self._told_full = self._made, self.view.version, set(self._full)
        self._server_admin = {n: self.view.server_enabled(s) for n, s in self.view.servers.items()}
        return outcome

    def note(self) -> str:
        """Say how many targets get new flows."""
        served = sum(1 for d in self._made.servers.values() if d.new)
        return (
            f"{served} of {len(self._made.servers)} servers have targets, "
            f"{len(self._made.operational)} of {len(self._made.standings)} targets operational"
        )

    # -- deciding -----------------------------------------------------------------------------------------------

    def _decide(self, now: float) -> None:
        self.view.refresh()
        if self._plan_version != self.view.version:
            self._plan, self._plan_version = make_plan(self.view), self.view.version
        self._count_sessions()
        basis = (self.view.version, dict(self.world.target_admin), set(self._full))
        changes, at = self._decided
        pause = PAUSE_S_PER_PAIR * len(self._plan.vip)
        soon = pause > TICK_S and now - at < pause
        if basis == self._basis and (changes == self.world.changes or soon):
            return
        self._basis, self._decided = basis, (self.world.changes, now)
        self._made = decide(self.world, self.view, self._plan, self._full)
        self._status = {n: self._status_of(n, now) for n in self._made.standings}

    def _status_of(self, number: int, now: float) -> TargetStatus:
        health = self._made.standings[number].health
        operational = number in self._made.operational
        old = self._status.get(number)
        same = old is not None and (old.health, old.operational) == (health, operational)
        since = old.last_change if old is not None and same else now
        return TargetStatus(number, health, operational, self._made.reasons[number], since)

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

    # -- telling ------------------------------------------------------------------------------------------------

    def _target_news(self, before: Decisions, number: int) -> list[Notice]:
        subject = f"target {number}"
        old, new = before.standings.get(number), self._made.standings[number]
        notices: list[Notice] = []
        if old is not None and old.admin != new.admin:
            notices.append(Notice("admin", "info", subject, self._admin_text(number, new.admin)))
        old_health = old.health if old is not None else "unknown"
        if new.health == "up" and old_health != "up":
            notices.append(Notice("health", "info", subject, f"{subject} up"))
        if new.health == "down" and old_health != "down":
            severity: EventSeverity = "info" if new.admin == "disabled" else "error"
            moved = self._sessions(number) if new.admin != "disabled" else ""
            notices.append(Notice("health", severity, subject, f"{subject} down: {new.cause}{moved}"))
        if number in self._full and number not in self._told_full:
            count = self.world.target_sessions.get(number, 0)
            text = f"{subject} has {count} sessions, its maxsessions: it gets no new ones"
            notices.append(Notice("health", "warning", subject, text))
        if number in self._told_full and number not in self._full:
            notices.append(Notice("health", "info", subject, f"{subject} takes new sessions again"))
        return notices

    def _membership_news(self, before: Decisions) -> list[Notice]:
        """Tell of targets that are up, but not for every server."""
        notices = []
        for (server, target), cause in self._made.out_of.items():
            if (server, target) not in before.out_of:
                text = f"target {target} out of server {server}: {cause}"
                notices.append(Notice("health", "warning", f"target {target}", text))
        for server, target in before.out_of:
            standing = self._made.standings.get(target)
            if standing and server in standing.vip and standing.vip[server].health == "up":
                text = f"target {target} back in server {server}"
                notices.append(Notice("health", "info", f"target {target}", text))
        return notices

    def _server_news(self, before: Decisions, number: int) -> list[Notice]:
        subject = f"server {number}"
        enabled = self.view.server_enabled(self.view.servers[number])
        notices: list[Notice] = []
        if number in self._server_admin and self._server_admin[number] != enabled:
            word = "enabled" if enabled else "disabled"
            notices.append(Notice("admin", "info", subject, f"{subject} {word}"))
        was, now = self._mode(before, number), self._mode(self._made, number)
        if was == now or not enabled or now == "waiting":
            return notices
        decision = self._made.servers[number]
        if now == "nobody":
            notices.append(Notice("health", "error", subject, f"{subject} serves nobody: {decision.reason}"))
        elif now == "backup":
            backups = ", ".join(map(str, decision.new))
            text = f"{subject}: all primaries are down, backup targets {backups} serve"
            notices.append(Notice("health", "warning", subject, text))
        elif was in {"nobody", "backup"}:
            primaries = ", ".join(map(str, decision.new))
            notices.append(Notice("health", "info", subject, f"{subject} is served by targets {primaries}"))
        return notices

    @staticmethod
    def _mode(made: Decisions, number: int) -> str:
        decision = made.servers.get(number)
        if decision is None or number in made.waiting:
            return "waiting"
        if number in made.on_backup:
            return "backup"
        return "primary" if decision.new else "nobody"

    def _admin_text(self, number: int, admin: Admin) -> str:
        if admin == "draining":
            count = self.world.target_sessions.get(number, 0)
            stay = f": {_count(count)} {'stays until it ends' if count == 1 else 'stay until they end'}"
            return f"target {number} draining{stay if count else ''}"
        if admin == "disabled":
            return f"target {number} disabled{self._sessions(number)}"
        return f"target {number} enabled"

    def _sessions(self, number: int) -> str:
        """Say what becomes of the sessions of a target that goes."""
        count = self.world.target_sessions.get(number, 0)
        if not count:
            return ""
        mine = [s.number for s in self.view.servers.values() if number in s.targets or number in s.backup]
        one = count == 1
        if any(self._made.servers[s].new for s in mine if s in self._made.servers):
            return f"; {_count(count)} {'moves' if one else 'move'}"
        return f"; {_count(count)} {'has' if one else 'have'} nowhere to go"

    def _set_alarms(self) -> None:
        alarms = self.world.alarms
        for key in [key for key in alarms if key[0] == "slb"]:
            del alarms[key]
        for number, decision in self._made.servers.items():
            if self._mode(self._made, number) == "nobody" and decision.reason != "disabled":
                subject = f"server {number}"
                text = f"{subject} serves nobody: {decision.reason}"
                alarms["slb", subject] = Alarm(severity="error", subject=subject, message=text)
        for target in self.world.config.targets:
            standing = self._made.standings[target.number]
            if standing.health == "down" and admin_of(self.world, target) != "disabled":
                subject = f"target {target.number}"
                text = f"{subject} down: {standing.cause}"
                alarms["slb", subject] = Alarm(severity="warning", subject=subject, message=text)


def _count(sessions: int) -> str:
    return f"{sessions} session{'' if sessions == 1 else 's'}"
