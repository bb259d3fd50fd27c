"""`hc`: health checks. Decides when each probe runs and what its answers mean; sends only the VIP checks itself.

Other probes are asked of the engine in `Outcome.probes`; it hands the answer to `result`. Every probe starts at once and
then keeps its own place within its interval, so 1,024 targets do not beat in step.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import TYPE_CHECKING

from engine.domain.checks import CHECK_KINDS, VIP, ProbeKey, ProbeStart
from engine.domain.notices import Alarm, Notice
from engine.domain.pace import Agenda, PacedAgenda, spread
from engine.modules.arp.neighbours import STALE_AFTER
from engine.modules.hc import vip_frames
from engine.modules.hc.vip_checks import VipChecks, ignores
from engine.modules.hc.wanted import WantedProbes, may_be_silent, wanted_probes
from engine.modules.hc.watch import Watch
from engine.modules.module import Module
from engine.modules.state.world import CheckResult, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.domain.address import Address
    from engine.domain.checks import ProbeAnswer
    from engine.domain.frame import Frame, FrameMatch
    from engine.modules.hc.vip_checks import Verdict
    from engine.modules.state.view import View
    from engine.modules.state.world import World

RATE_PPS = 2000
BURST = 256
"""Starts a second: 1,024 targets with two checks each have all begun within a second, and no turn takes long."""

VIP_RATE_PPS = 1000
"""VIP checks a second at most (each is three frames). Where many servers share many targets their intervals stretch
to that rate, and their timeouts to three intervals."""

LATE_S = 5.0
"""How much longer than an attempt may last the engine's answer is waited for: a probe must not stop because one answer
never came."""

STALL_S = 1.0
"""A tick that comes so much later than asked for is explained by a stopped engine only (a paused virtual machine, a
debugger). Nothing was asked and nothing read meanwhile, so that time counts for no target's silence. Nor does the time
while our own interface is down: the targets are well, and so are the flows they have, once it is up again."""

REFUSALS_S = 1.0
"""Linux sends one host at most one "port unreachable" a second, after a burst of six (kernel document
networking/ip-sysctl.rst, icmp_ratelimit). So the checks of one target's UDP services keep to that pace, or a dead one's
silence would look like a service that does not answer."""

SETTLE_S = 0.2
"""How long after the echo that went with it a datagram's refusal may still come; it was sent before."""

SILENT_S = 1.0
"""How long an echo is waited for where silence says nothing."""

RESEND_S = 0.1
"""How often VIP checks that wait for a MAC or a link are tried again at most, while others' MACs are being found."""


class Hc(Module):
    """Writer of `World.checks`, keyed by `ProbeKey`, so a probe that a change leaves alone keeps its state."""

    name = "hc"

    def __init__(self, world: World, view: View, rng: random.Random | None = None) -> None:
        super().__init__(world, view)
        self._vips = VipChecks(world, view, rng or random.Random())
        self._wanted = WantedProbes()
        self._followed_version = 0
        self._watches: dict[ProbeKey, Watch] = {}
        self._starts: PacedAgenda[ProbeKey] = PacedAgenda(RATE_PPS, BURST)
        self._ends: Agenda[ProbeKey] = Agenda()  # of attempts under way
        self._deadlines: Agenda[ProbeKey] = (
            Agenda()
        )  # of probes that are up, but got no good answer last time
        self._unsent: dict[ProbeKey, None] = {}  # VIP attempts that could not be sent yet
        self._resent_at = -math.inf
        self._resend_at = math.inf
        self._untold: list[Notice] = []
        self._addresses: dict[int, Address] = {}  # of targets, as of the last change
        self._follow(0.0)

    @property
    def wants(self) -> tuple[FrameMatch, ...]:
        """Answers to the VIP checks."""
        datagrams = any(server.protocol != "tcp" for server in self.world.config.servers)
        return vip_frames.wanted(self._vips.cookie, datagrams=datagrams)

    @property
    def first_round_done(self) -> bool:
        """Whether every probe has had at least one attempt that ended, by an answer or by its time running out."""
        return not self.world.untried

    def handle(self, frame: Frame, now: float) -> Outcome:
        """Consume the answer to a VIP check; reset the connection it opened."""
        verdict, send, ours = self._vips.answer(frame, now)
        outcome = Outcome(consumed=ours, send=send)
        if verdict is None:
            return outcome
        if verdict.error is None:
            self._proved(verdict, outcome)
        if verdict.final:
            outcome.facts_changed |= self._answered(verdict.key, verdict.error, verdict.rtt_ms, True, now)
        else:
            self._ends.put(verdict.key, now + SETTLE_S)
        return outcome

    def result(self, key: ProbeKey, answer: ProbeAnswer, now: float) -> Outcome:
        """Take the answer of a probe that the engine ran. Unknown and late ones are ignored."""
        outcome = Outcome()
        watch = self._watches.get(key)
        if watch is not None and watch.flying:
            error = None if answer.ok else answer.error or "no answer"
            if answer.silent and self._silent_to_arp(key):
                error = f"{key.address} answers neither {key.kind} on port {key.port} nor ARP"
            outcome.facts_changed = self._answered(
                key, error, answer.rtt_ms, answer.certain, now, silent=answer.silent
            )
        return outcome

    def tick(self, now: float) -> Outcome:
        """Start what is due, end what has waited long enough, take down what has been silent for too long."""
        self._excuse_stall(now)
        outcome = Outcome()
        if self._followed_version != self.view.version:
            self._follow(now)
            outcome.facts_changed = True
            self._send_unsent(now, outcome)
        outcome.notices += self._untold
        self._untold = []
        while (key := self._ends.pop(now)) is not None:
            heard = self._vips.accepted(key)
            if key.kind == VIP and not (heard or key in self._unsent) and self._link_down_reason(key) is None:
                outcome.doubted.add(self.view.target_address[key.target])
            outcome.facts_changed |= self._ran_out(key, now)
        while (key := self._deadlines.pop(now)) is not None:
            outcome.facts_changed |= self._watches[key].judge(now)
            self._set_deadline(key)
        if now >= self._resend_at:
            self._send_unsent(now, outcome)
        while (key := self._starts.pop(now)) is not None:
            outcome.facts_changed |= self._start(key, now, outcome)
        return outcome

    def facts_changed(self, now: float) -> Outcome:
        """Send what may have waited for a MAC."""
        outcome = Outcome()
        if self._unsent and now >= self._resent_at + RESEND_S:
            self._send_unsent(now, outcome)
        elif self._unsent:
            self._resend_at = self._resent_at + RESEND_S
        return outcome

    def rest(self) -> None:
        """Forget every probe: the configuration has no `hc` any more, so nothing is known of anybody."""
        for key in list(self._watches):
            self._forget(key)

    def next_due(self, now: float) -> float:
        """Return when a probe starts, ends or is judged next; now where something has changed."""
        return now if self._followed_version != self.view.version else self._earliest()

    def note(self) -> str:
        """Say how many probes there are and how many are up."""
        checks = [result for key, result in self.world.checks.items() if not key.witness]
        up = sum(1 for result in checks if result.state == "up")
        return f"{up} of {len(checks)} checks up"

    # -- attempts -----------------------------------------------------------------------------------------------

    def _earliest(self) -> float:
        agendas = (self._starts, self._ends, self._deadlines)
        return min(self._resend_at, *(agenda.next_due() for agenda in agendas))

    def _start(self, key: ProbeKey, now: float, outcome: Outcome) -> bool:
        """Start an attempt. True where it has ended at once, and with news."""
        self._watches[key].begin(now)
        if key.kind == VIP:
            patience_s = min(SILENT_S, key.attempt_s) if may_be_silent(key) else key.attempt_s
            self._ends.put(key, now + patience_s)
            self._send(key, now, outcome)
            return False
        self._ends.put(key, now + key.attempt_s + LATE_S)
        site = self.view.target_site[key.target]
        if site.real is None:
            return self._answered(key, f"network {site.network} has no real address", None, False, now)
        outcome.probes.append(ProbeStart(key, site.real))
        return False

    def _send(self, key: ProbeKey, now: float, outcome: Outcome) -> None:
        # While it is down at the known MAC, whoever else claims the address is asked every other time.
        watch = self._watches[key]
        frames = self._vips.start(key, now, rival=watch.result.state == "down" and watch.lost % 2 == 1)
        if not frames:
            self._unsent[key] = None  # the MAC may be found before the attempt's time is over
        else:
            self._unsent.pop(key, None)
            outcome.send += frames

    def _send_unsent(self, now: float, outcome: Outcome) -> None:
        self._resent_at, self._resend_at = now, math.inf
        for key in list(self._unsent):
            self._send(key, now, outcome)

    def _proved(self, verdict: Verdict, outcome: Outcome) -> None:
        """Take that a MAC accepts the virtual address; the first time it is known to be the target's."""
        result = self._watches[verdict.key].result
        if result.mac == verdict.mac or self._followed_version != self.view.version:
            # A changed configuration is not decided about before its checks are known: its targets would seem untried.
            return
        result.mac = verdict.mac
        outcome.recompile = True  # frames from a MAC that is proved to be a target's are loops
        address = self.view.target_address[verdict.key.target]
        if self.world.neighbours[address].mac != verdict.mac:
            outcome.proved[address] = verdict.mac
            outcome.facts_changed = True

    def _ran_out(self, key: ProbeKey, now: float) -> bool:
        if key.kind != VIP:
            error = f"no answer from {key.address}"
        elif key in self._unsent:
            error = self._unsent_reason(key)
        elif may_be_silent(key):
            return self._answered(key, self._why_silent(key), None, False, now, silent=True)
        else:
            error = ignores(key)
        return self._answered(key, error, None, False, now)

    def _why_silent(self, key: ProbeKey) -> str | None:
        """Return what a silence that need not be bad tells against a target; None where nothing does."""
        if self._vips.accepted(key):
            return None
        witness = self._watches.get(self._wanted.witness[key.target])
        at = self.view.target_address[key.target]
        if witness is not None and witness.result.state == "up" and not witness.lost:
            return f"{ignores(key)}: it answers ping at {at}, not there"
        if self._silent_to_arp(key):
            return f"{ignores(key)}: it answers neither there nor ARP at {at}"
        return None

    def _silent_to_arp(self, key: ProbeKey) -> bool:
        neighbour = self.world.neighbours.get(self.view.target_address[key.target])
        return neighbour is None or neighbour.asked >= STALE_AFTER

    def _unsent_reason(self, key: ProbeKey) -> str:
        site = self.view.target_site[key.target]
        if self.view.link(site.interface) is None:
            interface = self.world.config.interface(site.interface)
            return f"{interface.name if interface else 'its interface'} is down"
        return f"no MAC: {self.view.target_address[key.target]} does not answer ARP"

    def _answered(
        self,
        key: ProbeKey,
        error: str | None,
        rtt_ms: float | None,
        certain: bool,
        now: float,
        *,
        silent: bool = False,
    ) -> bool:
        """Take the end of an attempt; `error` is None where it was good, or `silent` and not bad. True if that is news."""
        watch = self._watches[key]
        if error is None:
            news = watch.silent(now) if silent else watch.good(now, rtt_ms)
        elif (reason := self._link_down_reason(key)) is not None:
            news = watch.unheard(reason)
        else:
            news = watch.bad(now, error, certain=certain)
        self._ends.discard(key)
        self._unsent.pop(key, None)
        self.world.untried.discard(key)
        if key.kind == VIP:
            self._vips.forget(key)
        self._set_deadline(key)
        first = watch.result.last_ok == now and news
        # The first round came all at once; from the second on each probe has its own place in the interval.
        due = now + watch.interval_s * (0.5 + spread(_place(key)) / 2) if first else watch.next_start(now)
        self._starts.put(key, due)
        return news

    def _set_deadline(self, key: ProbeKey) -> None:
        self._deadlines.put(key, self._watches[key].down_at())

    def _excuse_stall(self, now: float) -> None:
        """Let a time in which the engine stood still not count as anybody's silence."""
        late_s = now - self._earliest()
        if late_s <= STALL_S:
            return
        self._ends.shift(late_s)
        for key, watch in self._watches.items():
            if watch.unheard_since is None:  # otherwise it is excused for all that time
                watch.excuse(late_s, now)
                self._set_deadline(key)

    def _link_down_reason(self, key: ProbeKey) -> str | None:
        """Say why no answer of a probe can arrive: our own interface is down. None where it can.

        An interface that the configuration itself does not use is no outage: then the target is judged, and goes down.
        Nor is one that only leads to targets, while clients come by another: their flows have to go elsewhere.
        """
        site = self.view.target_site.get(key.target)
        if site is None or self.view.link(site.interface) is not None or key.target in self.view.crossed:
            return None
        interface = self.world.config.interface(site.interface)
        if interface is None or not interface.enabled:
            return None
        return f"not judged while {interface.name} is down"

    # -- configuration ------------------------------------------------------------------------------------------

    def _follow(self, now: float) -> None:
        """Take up a changed configuration or link: new probes start at once, probes that are gone are forgotten."""
        self._wanted = wanted_probes(self.view)
        self._followed_version = self.view.version
        wanted = self._wanted.keys()
        for key, watch in self._watches.items():
            watch.hear(now, possible=self._link_down_reason(key) is None)
        trusted = self._trusted()
        for key in [key for key in self._watches if key not in wanted]:
            self._forget(key)
        stretch, refusals = self._stretch(), _refusal_intervals(wanted)
        for key in wanted:
            interval = max(key.interval_s * (stretch if key.kind == VIP else 1.0), refusals.get(key, 0.0))
            late = interval > key.interval_s
            timeout = max(float(key.timeout_s), 3 * interval) if late else float(key.timeout_s)
            watch_before = self._watches.get(key)
            if watch_before is None:
                known = None if key.witness else trusted.get(_subject(key))
                watch = self._begin_watch(known, interval, timeout)
                watch.hear(now, possible=self._link_down_reason(key) is None)
                self._watches[key], self.world.checks[key] = watch, watch.result
                self.world.untried.add(key)
                self._starts.put(key, now)
            else:
                watch_before.interval_s, watch_before.timeout_s = interval, timeout
            self._set_deadline(key)

    def _forget(self, key: ProbeKey) -> None:
        self._vips.forget(key)
        for agenda in (self._starts, self._ends, self._deadlines):
            agenda.discard(key)
        self._unsent.pop(key, None)
        self.world.untried.discard(key)
        del self._watches[key], self.world.checks[key]

    def _trusted(self) -> dict[tuple[int, Address | None], Watch]:
        """Return what was known to be well before a change, by subject, as the probe that knew it.

        The target itself only where no check of it failed, and at the same address: a check that is new or has other
        parameters must not take it down before it has had its say.
        """
        trusted: dict[tuple[int, Address | None], Watch] = {}
        ailing = set()
        for key, watch in self._watches.items():
            address = self.view.target_address.get(key.target)
            if key.witness or address is None or self._addresses.get(key.target) != address:
                continue
            if watch.result.state == "up":
                trusted[_subject(key)] = watch
            elif key.kind != VIP:
                ailing.add(_subject(key))
        self._addresses = dict(self.view.target_address)
        return {subject: watch for subject, watch in trusted.items() if subject not in ailing}

    @staticmethod
    def _begin_watch(before: Watch | None, interval_s: float, timeout_s: float) -> Watch:
        """Watch a probe that is new; `before` watched the same thing with other parameters, and found it well."""
        if before is None:
            return Watch(CheckResult(), interval_s, timeout_s)
        return Watch(
            CheckResult(state="up", last_ok=before.result.last_ok, mac=before.result.mac),
            interval_s,
            timeout_s,
            excused_s=before.excused_s,
            unheard_since=before.unheard_since,
        )

    def _stretch(self) -> float:
        """Return by how much the VIP checks' intervals grow to keep to their rate; say so where it is over 1."""
        vips = {key for key in self._wanted.vip.values() if key.interval_s > 0}
        factor = max(1.0, sum(1 / key.interval_s for key in vips) / VIP_RATE_PPS)
        if factor == 1.0:
            self.world.alarms.pop(("hc", "vip"), None)
            return factor
        text = (
            f"{len(vips)} VIP checks are held to {VIP_RATE_PPS} a second: "
            f"their intervals are {factor:.1f} times the configured ones"
        )
        if ("hc", "vip") not in self.world.alarms:
            self._untold.append(Notice("health", "warning", "hc", text))
        self.world.alarms["hc", "vip"] = Alarm(severity="warning", subject="hc", message=text)
        return factor


def _subject(key: ProbeKey) -> tuple[int, Address | None]:
    """Return what a probe is about: the target itself, or whether it accepts a virtual address."""
    return key.target, key.address if key.kind == VIP else None


def _refusal_intervals(keys: Iterable[ProbeKey]) -> dict[ProbeKey, float]:
    """Return the shortest interval of each probe of a UDP service, by how many the target has (`REFUSALS_S`)."""
    probes = [key for key in keys if key.asks or (key.kind != VIP and CHECK_KINDS[key.kind].over_udp)]
    count = Counter(key.target for key in probes)
    return {key: count[key.target] * REFUSALS_S for key in probes}


def _place(key: ProbeKey) -> str:
    """Return what a probe's place in its interval is drawn from: all that tells it from others."""
    return f"{key.target} {key.kind} {key.address} {key.port} {key.interval_s} {key.timeout_s}"
