"""What a new decision means to people: notices of what came out differently, alarms of what is wrong now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.notices import Notice
from engine.modules.slb.alarms import alarms
from engine.modules.slb.eligibility import Decisions, Service

if TYPE_CHECKING:
    from engine.domain.drain import Drain
    from engine.domain.notices import EventSeverity
    from engine.domain.states import Admin
    from engine.modules.state.view import View
    from engine.modules.state.world import World


class News:
    """Remembers what was told last: notices are the difference."""

    def __init__(self, world: World, view: View) -> None:
        self._world = world
        self._view = view
        self._told = Decisions()
        self._told_full: set[int] = set()
        self._told_drains: dict[int, Drain] = {}
        self._told_drained: set[int] = set()
        self._told_enabled: dict[int, bool] = {}  # by server

    def tell(self, made: Decisions, full: set[int], drained: set[int]) -> list[Notice]:
        """Return notices of what `made` changes, and set the alarms that go with it."""
        notices: list[Notice] = []
        for number in made.standings:
            notices += self._of_target(made, number)
            notices += self._of_sessions(number, full)
            if number in drained - self._told_drained and number in self._told.standings:
                notices += self._of_drained(made, number)
        notices += self._of_membership(made)
        for number in made.servers:
            notices += self._of_server(made, number)
        self._set_alarms(made)
        self._told, self._told_full, self._told_drained = made, set(full), set(drained)
        self._told_drains = dict(self._world.drains)
        self._told_enabled = {n: self._view.server_enabled(s) for n, s in self._view.servers.items()}
        return notices

    def _of_target(self, made: Decisions, number: int) -> list[Notice]:
        subject = f"target {number}"
        old, new = self._told.standings.get(number), made.standings[number]
        notices: list[Notice] = []
        another_end = self._told_drains.get(number) != self._world.drains.get(number)
        if old is not None and (old.admin != new.admin or another_end):
            notices.append(Notice("admin", "info", subject, self._admin_text(made, number, new.admin)))
        old_health = old.health if old is not None else "unknown"
        if new.health == "up" and old_health != "up":
            notices.append(Notice("health", "info", subject, f"{subject} up"))
        if new.health == "down" and old_health != "down":
            severity: EventSeverity = "info" if new.admin == "disabled" else "error"
            moved = self._what_becomes_of_sessions(made, number) if new.admin != "disabled" else ""
            notices.append(Notice("health", severity, subject, f"{subject} down: {new.cause}{moved}"))
        return notices

    def _of_sessions(self, number: int, full: set[int]) -> list[Notice]:
        """Tell of a target that has reached its maxsessions, or is well below again."""
        subject = f"target {number}"
        if number in full and number not in self._told_full:
            count = self._world.target_sessions.get(number, 0)
            text = f"{subject} has {count} sessions, its maxsessions: it gets no new ones"
            return [Notice("health", "warning", subject, text)]
        if number in self._told_full and number not in full:
            return [Notice("health", "info", subject, f"{subject} takes new sessions again")]
        return []

    def _of_drained(self, made: Decisions, number: int) -> list[Notice]:
        """Tell that a drain has come to its end, and what becomes of the flows that are left."""
        drain = self._world.drains.get(number)
        if drain is None:
            return []
        left = self._what_becomes_of_sessions(made, number) or "; no session was left"
        text = f"target {number} has drained for {drain.within_s} s{left}"
        return [Notice("admin", "info", f"target {number}", text)]

    def _of_membership(self, made: Decisions) -> list[Notice]:
        """Tell of targets that are up, but not for every server."""
        notices = []
        for (server, target), cause in made.out_of.items():
            if (server, target) not in self._told.out_of:
                text = f"target {target} out of server {server}: {cause}"
                notices.append(Notice("health", "warning", f"target {target}", text))
        for server, target in self._told.out_of:
            standing = made.standings.get(target)
            if standing and server in standing.vip and standing.vip[server].health == "up":
                text = f"target {target} back in server {server}"
                notices.append(Notice("health", "info", f"target {target}", text))
        return notices

    def _of_server(self, made: Decisions, number: int) -> list[Notice]:
        subject = f"server {number}"
        enabled = self._view.server_enabled(self._view.servers[number])
        notices: list[Notice] = []
        if self._told_enabled.get(number, enabled) != enabled:
            word = "enabled" if enabled else "disabled"
            notices.append(Notice("admin", "info", subject, f"{subject} {word}"))
        was, now = self._told.service(number), made.service(number)
        if was is now or not enabled or now is Service.WAITING:
            return notices
        decision = made.servers[number]
        serving = ", ".join(map(str, decision.new))
        if now is Service.NOBODY:
            notices.append(Notice("health", "error", subject, f"{subject} serves nobody: {decision.reason}"))
        elif now is Service.BACKUP:
            text = f"{subject}: all primaries are down, backup targets {serving} serve"
            notices.append(Notice("health", "warning", subject, text))
        elif was is not Service.WAITING:
            notices.append(Notice("health", "info", subject, f"{subject} is served by targets {serving}"))
        return notices

    def _admin_text(self, made: Decisions, number: int, admin: Admin) -> str:
        if admin == "draining":
            count = self._world.target_sessions.get(number, 0)
            stay = f": {_count(count)} {'stays until it ends' if count == 1 else 'stay until they end'}"
            drain = self._world.drains.get(number)
            within = f" within {drain.within_s} s" if drain is not None and drain.within_s else ""
            at_most = f", {drain.within_s} s at most" if within and drain is not None else ""
            return f"target {number} draining{f'{stay}{at_most}' if count else within}"
        if admin == "disabled":
            return f"target {number} disabled{self._what_becomes_of_sessions(made, number)}"
        return f"target {number} enabled"

    def _what_becomes_of_sessions(self, made: Decisions, number: int) -> str:
        """Say what becomes of the sessions of a target that goes."""
        count = self._world.target_sessions.get(number, 0)
        if not count:
            return ""
        servers = [s.number for s in self._view.servers.values() if number in (*s.targets, *s.backup)]
        one = count == 1
        if any(made.servers[s].new for s in servers if s in made.servers):
            return f"; {_count(count)} {'moves' if one else 'move'}"
        return f"; {_count(count)} {'has' if one else 'have'} nowhere to go"

    def _set_alarms(self, made: Decisions) -> None:
        raised = self._world.alarms
        for key in [key for key in raised if key[0] == "slb"]:
            del raised[key]
        for number, alarm in enumerate(alarms(made, self._view.target_address)):
            # The same subject may have several: a target that is out of two servers.
            name = alarm.subject if ("slb", alarm.subject) not in raised else f"{alarm.subject} #{number}"
            raised["slb", name] = alarm


def _count(sessions: int) -> str:
    return f"{sessions} session{'' if sessions == 1 else 's'}"
