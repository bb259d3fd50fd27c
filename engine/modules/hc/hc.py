"""`hc`: health checks. Decides when each probe runs and what its answers mean; sends only the VIP checks itself.

Ordinary-socket probes (ping, tcpopen) are asked of the engine in `Outcome.probes`; it hands the answer to `result`.
Every probe starts at once and then keeps its own place within its interval, so 1,024 targets do not beat in step.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from engine.api.messages import CheckState
from engine.domain.checks import ProbeKey, ProbeStart
from engine.domain.notices import Alarm, Notice
from engine.domain.pace import Agenda, TokenBucket, spread
from engine.modules.hc.plan import Plan, make_plan
from engine.modules.hc.vipcheck import VipChecks, ignores
from engine.modules.hc.watch import Watch
from engine.modules.module import Base
from engine.modules.state.world import CheckResult, Outcome

if TYPE_CHECKING:
    from engine.domain.frame import Frame
    from engine.modules.state.view import View
    from engine.modules.state.world import World

RATE_PPS = 2000
BURST = 256
"""Starts a second: 1,024 targets with two checks each have all begun within a second, and no tick takes long."""

VIP_RATE_PPS = 1000
"""VIP checks a second at most (each is three frames). Where many servers share many targets their intervals stretch
to that rate, and their timeouts to three intervals."""

LATE_S = 5.0
"""How much longer than an attempt may last the engine's answer is waited for: a probe must not stop because one answer
never came."""

STALL_S = 1.0
"""A gap between two ticks that only a stopped engine explains (a paused virtual machine, a debugger). Nothing was asked
and nothing read meanwhile, so the gap counts for no target's silence. Nor does the time while our own interface is off:
the targets are well, and so are the flows they have, once it is on again."""


class Hc(Base):
    """Owner of `World.checks`, keyed by `ProbeKey`, so a probe that a change leaves alone keeps its state."""

    name = "hc"

    def __init__(self, world: World, view: View, rng: random.Random | None = None) -> None:
        super().__init__(world, view)
        self._vips = VipChecks(world, view, rng or random.Random())
        self._plan = Plan()
        self._plan_version = 0
        self._watches: dict[ProbeKey, Watch] = {}
        self._starts: Agenda[ProbeKey] = Agenda()
        self._ends: Agenda[ProbeKey] = Agenda()
        self._waiting: dict[ProbeKey, None] = {}  # VIP attempts that could not be sent yet
        self._ailing: set[ProbeKey] = set()  # up, but the last attempt got no good answer
        self._untried: set[ProbeKey] = set()
        self._bucket = TokenBucket(RATE_PPS, BURST)
        self._untold: list[Notice] = []
        self._addresses: dict[int, str | None] = {}  # of targets, as of the last change
        self._ticked: float | None = None
        self._follow(0.0)

    @property
    def first_round_done(self) -> bool:
        """Whether every probe has had at least one attempt that ended, by an answer or by its time running out."""
        return not self._untried

    def handle(self, frame: Frame, now: float) -> Outcome:
        """Consume the answer to a VIP check; reset the connection it opened."""
        verdict, send, ours = self._vips.answer(frame, now)
        outcome = Outcome(consumed=ours, send=send)
        if verdict is not None:
            self._answered(verdict.key, verdict.error, verdict.rtt_ms, True, now)
        return outcome

    def result(
        self, key: ProbeKey, ok: bool, rtt_ms: float | None, error: str | None, certain: bool, now: float
    ) -> Outcome:
        """Take the answer of an ordinary-socket probe that the engine ran. Unknown and late ones are ignored."""
        watch = self._watches.get(key)
        if watch is not None and watch.flying:
            self._answered(key, None if ok else error or "no answer", rtt_ms, certain, now)
        return Outcome()

    def tick(self, now: float) -> Outcome:
        """Start what is due, end what has waited long enough, take down what has been silent for too long."""
        self._excuse(now - self._ticked if self._ticked is not None else 0.0, now)
        self._ticked = now
        if self._plan_version != self.view.version:
            self._follow(now)
        outcome = Outcome(notices=self._untold)
        self._untold = []
        while (key := self._ends.pop(now)) is not None:
            self._ran_out(key, now)
        for key in list(self._ailing):
            if self._watches[key].judge(now):
                self.world.changes += 1
            if self._watches[key].result.state != "up":
                self._ailing.discard(key)
        for key in list(self._waiting):
            self._send(key, now, outcome)
        started = 0
        while started < BURST and (key := self._starts.pop(now)) is not None:
            if not self._bucket.take(now):
                self._starts.put(key, now)
                break
            self._start(key, now, outcome)
            started += 1
        return outcome

    def note(self) -> str:
        """Say how many probes there are and how many are up."""
        up = sum(1 for c in self.world.checks.values() if c.state == "up")
        return f"{up} of {len(self.world.checks)} checks up"

    def states(self, target: int, now: float) -> list[CheckState]:
        """Answer for `checks` of a target, each probe once."""
        keys = [*self._plan.base.get(target, ())]
        keys += dict.fromkeys(key for (_, number), key in self._plan.vip.items() if number == target)
        return [self._state(key, now) for key in keys if key in self.world.checks]

    def _state(self, key: ProbeKey, now: float) -> CheckState:
        check = self.world.checks[key]
        return CheckState(
            kind=key.kind,
            port=key.port,
            state=check.state,
            last_ok_s=None if check.last_ok is None else round(now - check.last_ok, 3),
            rtt_ms=None if check.rtt_ms is None else round(check.rtt_ms, 3),
            error=check.error,
            address=key.address,
        )

    # -- attempts -----------------------------------------------------------------------------------------------

    def _start(self, key: ProbeKey, now: float, outcome: Outcome) -> None:
        self._watches[key].begin(now)
        if key.kind == "vip":
            self._ends.put(key, now + key.attempt_s)
            self._send(key, now, outcome)
            return
        self._ends.put(key, now + key.attempt_s + LATE_S)
        site = self.view.target_site[key.target]
        if site.real is None:
            self._answered(key, f"network {site.network} has no real address", None, False, now)
        else:
            outcome.probes.append(ProbeStart(key, site.real))

    def _send(self, key: ProbeKey, now: float, outcome: Outcome) -> None:
        frame = self._vips.start(key, now)
        if frame is None:
            self._waiting[key] = None  # the MAC may be found before the attempt's time is over
        else:
            self._waiting.pop(key, None)
            outcome.send.append(frame)

    def _ran_out(self, key: ProbeKey, now: float) -> None:
        if key.kind != "vip":
            error = f"no answer from {key.address}"
        elif key in self._waiting:
            target = self.view.targets[key.target]
            error = f"MAC of {target.ipaddr} is not resolved"
        else:
            error = ignores(key)
        self._answered(key, error, None, False, now)

    def _answered(
        self, key: ProbeKey, error: str | None, rtt_ms: float | None, certain: bool, now: float
    ) -> None:
        watch = self._watches[key]
        if error is None:
            news = watch.good(now, rtt_ms)
        elif (deaf := self._deaf(key)) is not None:
            news = watch.unheard(deaf)
        else:
            news = watch.bad(now, error, certain=certain)
        self._ends.discard(key)
        self._waiting.pop(key, None)
        self._untried.discard(key)
        if key.kind == "vip":
            self._vips.forget(key)
        if watch.lost and watch.result.state == "up":
            self._ailing.add(key)
        else:
            self._ailing.discard(key)
        first = watch.result.last_ok == now and news
        # The first round came all at once; from the second on each probe has its own place in the interval.
        due = now + watch.interval_s * (0.5 + spread(repr(key)) / 2) if first else watch.next_start(now)
        self._starts.put(key, due)
        if news:
            self.world.changes += 1

    def _excuse(self, gap_s: float, now: float) -> None:
        """Let a time in which nobody could be heard not count as anybody's silence."""
        if gap_s > STALL_S:
            self._ends.shift(gap_s)
            deaf = list(self._watches)
        else:
            links = self.world.links
            off = {
                s.interface for s in self.view.sites if (at := links.get(s.interface)) is None or not at.up
            }
            deaf = [key for key in self._watches if self._deaf(key) is not None] if off else []
        for key in deaf:
            self._watches[key].excuse(gap_s, now)

    def _deaf(self, key: ProbeKey) -> str | None:
        """Say why no answer of a probe can arrive: our own interface is off. None where it can.

        An interface that the configuration itself does not use is no outage: then the target is judged, and goes down.
        """
        site = self.view.target_site.get(key.target)
        if site is None or self.view.link(site.interface) is not None:
            return None
        interface = self.world.config.interface(site.interface)
        if interface is None or not interface.enabled:
            return None
        return f"not judged while {interface.name} is down"

    # -- configuration ------------------------------------------------------------------------------------------

    def _follow(self, now: float) -> None:
        """Take up a changed configuration: new probes start at once, probes that are gone are forgotten."""
        self._plan = make_plan(self.view)
        self._plan_version = self.view.version
        wanted = self._plan.keys()
        trusted = self._trusted()
        for key in [key for key in self._watches if key not in wanted]:
            self._vips.forget(key)
            self._starts.discard(key)
            self._ends.discard(key)
            self._waiting.pop(key, None)
            self._ailing.discard(key)
            self._untried.discard(key)
            del self._watches[key], self.world.checks[key]
        stretch = self._stretch()
        for key in wanted:
            factor = stretch if key.kind == "vip" else 1.0
            interval = key.interval_s * factor
            timeout = max(float(key.timeout_s), 3 * interval) if factor > 1 else float(key.timeout_s)
            watch = self._watches.get(key)
            if watch is None:
                watch = self._begin_watch(trusted.get(_whom(key)), interval, timeout, now)
                self._watches[key], self.world.checks[key] = watch, watch.result
                self._untried.add(key)
                self._starts.put(key, now)
            else:
                watch.interval_s, watch.timeout_s = interval, timeout
        self.world.changes += 1

    def _trusted(self) -> dict[tuple[int, str], Watch]:
        """Name what was known to be well before a change, by the probe that knew it.

        By target and "" where the target itself was, at the same address: a check that is new or has other parameters
        must not take it down before it has had its say. By target and virtual address where that was accepted.
        """
        trusted: dict[tuple[int, str], Watch] = {}
        ailing = set()
        for key, watch in self._watches.items():
            target = self.view.targets.get(key.target)
            if target is None or self._addresses.get(key.target) != target.ipaddr:
                continue
            if watch.result.state == "up":
                trusted[_whom(key)] = watch
            elif key.kind != "vip":
                ailing.add((key.target, ""))
        self._addresses = {number: target.ipaddr for number, target in self.view.targets.items()}
        return {who: watch for who, watch in trusted.items() if who not in ailing}

    @staticmethod
    def _begin_watch(before: Watch | None, interval_s: float, timeout_s: float, now: float) -> Watch:
        """Watch a probe that is new; `before` watched the same thing with other parameters, and found it well."""
        if before is None:
            return Watch(CheckResult(), interval_s, timeout_s)
        last_ok = now if before.result.last_ok is None else before.result.last_ok
        result = CheckResult(state="up", last_ok=last_ok)
        return Watch(result, interval_s, timeout_s, excused_s=before.excused_s)

    def _stretch(self) -> float:
        """Return by how much the VIP checks' intervals grow to keep to their rate; say so where it is over 1."""
        vips = {key for key in self._plan.vip.values() if key.interval_s > 0}
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


def _whom(key: ProbeKey) -> tuple[int, str]:
    """Name what a probe is about: the target itself, or whether it accepts a virtual address."""
    return key.target, key.address if key.kind == "vip" else ""
