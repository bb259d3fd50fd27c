"""Alarms that see the way of the traffic: what the counters say about frames that go nowhere, once a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.notices import Notice
from engine.domain.reason import listed
from engine.report.drops import DropWatch
from engine.report.quiet import BUSY_S, QUIET_S, QuietWatch
from engine.report.unopened import UnopenedWatch

if TYPE_CHECKING:
    from engine.datapath.contract import Counters
    from engine.forwarding import Forwarding
    from engine.modules.chain import Chain
    from engine.report.alarms import Alarms
    from engine.report.events import EventLog


class Lights:
    """Reads the counters, and raises and clears the alarms that follow from them."""

    def __init__(self, chain: Chain, forwarding: Forwarding, alarms: Alarms, event_log: EventLog) -> None:
        self._chain = chain
        self._forwarding = forwarding
        self._alarms = alarms
        self._event_log = event_log
        self._drops = DropWatch()
        self._quiet = QuietWatch()
        self._unopened = UnopenedWatch()

    def look(self, counters: Counters, now: float) -> None:
        """Judge the counters as of now, monotonic seconds; call about once a second."""
        serves = self._chain.world.is_master and self._chain.first_round_done
        self._look_at_drops(counters, self._served() if serves else set(), now)
        self._look_at_unopened(counters, now, serves=serves)
        self._look_at_silence(now, serves=serves)

    def about(self, server: int) -> list[str]:
        """Say what is wrong with the frames and the flows of a server."""
        found = self._chain.view.servers.get(server)
        targets = {*found.targets, *found.backup} if found is not None else set()
        unopened = [u.message for u in self._unopened.standing() if targets & set(u.targets)]
        return [*self._drops.about(server), *unopened]

    def _served(self) -> set[int]:
        view = self._chain.view
        return {number for number, server in view.servers.items() if view.server_enabled(server)}

    def _look_at_drops(self, counters: Counters, served: set[int], now: float) -> None:
        news = self._drops.look(counters, served, now)
        for told in news.raised:
            self._event_log.add(Notice("datapath", told.severity, told.subject, told.message))
        for reason, servers in news.over.items():
            names = listed((f"server {number}" for number in servers), ", ")
            text = f"{names}: frames are no longer dropped as {reason.label} for the most part"
            subject = f"server {servers[0]}" if len(servers) == 1 else f"{len(servers)} servers"
            self._event_log.add(Notice("datapath", "info", subject, text))
            self._alarms.clear(f"drops {reason.label}")
        for told in self._drops.standing():
            self._alarms.set(f"drops {told.reason.label}", told.subject, told.message, told.severity)

    def _look_at_unopened(self, counters: Counters, now: float, *, serves: bool) -> None:
        decisions = self._chain.slb.eligibility(now) if serves else {}
        targets_of = {number: decision.new for number, decision in decisions.items() if decision.new}
        begun, over = self._unopened.look(counters, targets_of, now)
        for told in over:
            self._alarms.clear(f"unopened {told.subject}")
            text = f"{told.subject}: flows get beyond SYN again, or there are too few to tell"
            self._event_log.add(Notice("health", "info", told.subject, text))
        for told in begun:
            self._event_log.add(Notice("health", "warning", told.subject, told.message))
        for told in self._unopened.standing():
            self._alarms.set(f"unopened {told.subject}", told.subject, told.message, "warning")

    def _look_at_silence(self, now: float, *, serves: bool) -> None:
        view, world = self._chain.view, self._chain.world
        virtual = {v.interface for v in view.virtuals.values() if v.address not in world.withheld}
        able = {n for n in virtual if serves and view.link(n) is not None}
        received = {n: count for n, count in self._forwarding.received().items() if n in able}
        for number, quiet in self._quiet.look(received, now).items():
            interface = world.config.interface(number)
            name, subject = interface.name if interface else "", f"interface {number}"
            if not quiet:
                self._alarms.clear(f"quiet {subject}")
                text = f"{name} has frames for its virtual addresses again, or need not"
                self._event_log.add(Notice("datapath", "info", subject, text))
                continue
            text = (
                f"{name}: no frame for its virtual addresses for {QUIET_S:.0f} s, after {BUSY_S / 60:.0f} "
                "minutes without a long gap, and its link is up: either nobody calls, or the router, the switch or another node has taken the addresses"
            )
            self._alarms.set(f"quiet {subject}", subject, text, "warning")
            self._event_log.add(Notice("datapath", "warning", subject, text))
