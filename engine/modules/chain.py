"""The modules in the order of the configuration's `modules` line: frames, answers and time walk it.

`master` is a gate: on a node that is not master, what stands after it neither sees frames nor ticks. Modules keep their
state when the configuration changes, whatever their new order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from engine.modules.arp.arp import Arp
from engine.modules.hc.hc import Hc
from engine.modules.master import Master
from engine.modules.nat import Nat
from engine.modules.ping import Ping
from engine.modules.rt import Rt
from engine.modules.slb.slb import Slb
from engine.modules.state.listening import listening
from engine.modules.state.view import View
from engine.modules.state.world import Outcome
from engine.modules.tnat import Tnat
from engine.modules.vrrp import Vrrp
from engine.packets import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from engine.config.model import Config
    from engine.domain.checks import ProbeAnswer, ProbeKey
    from engine.domain.frame import Frame, FrameMatch, Listening
    from engine.modules.module import Module, ModuleStatus
    from engine.modules.state.world import World


class Guard(Protocol):
    """Whoever notes how a module's ticks come out, and keeps what they raise from the others."""

    not_before: float
    """When it may tick again, in monotonic seconds, after a failure."""

    def attempt(self) -> AbstractContextManager[None]:
        """Note how what is done in the block comes out."""
        ...


class Chain:
    """Every module of one engine. `modules` are those of the line, in its order; the named ones always exist."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.view = View(world)
        self.vrrp = Vrrp(world, self.view)
        self.arp = Arp(world, self.view)
        self.hc = Hc(world, self.view)
        self.master = Master(world, self.view)
        self.slb = Slb(world, self.view)
        self.ping = Ping(world, self.view)
        others = [kind(world, self.view) for kind in (Tnat, Nat, Rt)]
        named = (self.vrrp, self.arp, self.ping, self.hc, self.master, self.slb)
        self.every: dict[str, Module] = {module.name: module for module in (*named, *others)}
        self.modules: list[Module] = []
        self.guards: dict[str, Guard] = {}  # by module's name, where somebody wants to know how each fares
        self._order()

    def reconfigure(self, config: Config) -> None:
        """Go over to another configuration; what did not change keeps its state, the rest follows at the next tick."""
        self.world.config = config
        self._order()
        self.view.refresh()
        if self.hc not in self.modules:
            self.hc.rest()
        if self.arp in self.modules:
            self.arp.withhold_new()
        else:
            self.world.withheld.clear()  # nobody asks, and the file has asked for that

    # -- what goes in -----------------------------------------------------------------------------------------------

    def handle(self, frame: Frame, now: float) -> Outcome:
        """Show a frame to one module after the other until one consumes it."""
        outcome = Outcome()
        for module in self.modules:  # on a backup the gate consumes, and so ends the walk
            wanted = module.handle(frame, now)
            outcome.merge(wanted)
            if wanted.consumed:
                module.frames += 1
                break
        return self._follow_facts(outcome, now)

    def result(self, key: ProbeKey, answer: ProbeAnswer, now: float) -> Outcome:
        """Take the answer of a probe that the engine ran: hc judges it, and slb decides at once what follows."""
        return self._follow_facts(self.hc.result(key, answer, now), now)

    def tick(self, now: float) -> Outcome:
        """Let every module that is awake do what has become due."""
        self.view.refresh()
        outcome = Outcome()
        for module in self._awake():
            guard = self.guards.get(module.name)
            if guard is None:
                outcome.merge(module.tick(now))
            elif guard.not_before <= now:
                with guard.attempt():  # what one of them raises keeps none of the others
                    outcome.merge(module.tick(now))
        return self._follow_facts(outcome, now)

    # -- what is asked of it ----------------------------------------------------------------------------------------

    @property
    def first_round_done(self) -> bool:
        """Whether every check has been tried and every virtual address asked for: what is up now, serves.

        Without `hc` the targets serve as soon as their MACs are known.
        """
        checked = self.hc in self.modules
        if self.arp in self.modules and (self.arp.undecided or not (checked or self.arp.settled)):
            return False
        return self.hc.first_round_done

    def next_due(self, now: float) -> float:
        """Return when the next `tick` is due, in monotonic seconds; infinity where nothing waits for time to pass."""
        return min((self._next_due(module, now) for module in self._awake()), default=math.inf)

    def _next_due(self, module: Module, now: float) -> float:
        guard = self.guards.get(module.name)
        due = module.next_due(now)
        return due if guard is None else max(due, guard.not_before)

    def farewell(self) -> list[Frame]:
        """Return the frames to send when the engine stops."""
        return [frame for module in self._awake() for frame in module.farewell()]

    def wants(self) -> tuple[FrameMatch, ...]:
        """Return what the modules of the line want to be shown, each wish once."""
        return tuple(dict.fromkeys(match for module in self.modules for match in module.wants))

    def listening(self) -> dict[int, Listening]:
        """Return what is to be heard on every interface that is there and carries a network, by its number."""
        return listening(self.world, self.view, self.arp.askers.known, self.wants())

    def describe(self) -> list[ModuleStatus]:
        """Return what `show modules` tells."""
        awake = set(self._awake())
        return [module.describe(standby=module not in awake) for module in self.modules]

    # -- the walk ---------------------------------------------------------------------------------------------------

    def _follow_facts(self, outcome: Outcome, now: float) -> Outcome:
        """Let the modules act at once on a MAC or a check that has changed, and arp on what hc found out about MACs."""
        if (outcome.doubted or outcome.proved) and self.arp in self.modules:
            outcome.merge(self.arp.examined(outcome.doubted, outcome.proved, now))
        if outcome.facts_changed:
            for module in self._awake():
                outcome.merge(module.facts_changed(now))
        return outcome

    def _awake(self) -> Iterator[Module]:
        """Yield the modules that run; asked again at each step, because vrrp may decide meanwhile who is master."""
        if self.vrrp not in self.modules:  # nobody elects, so there is nobody to wait for
            yield self.vrrp
        for module in self.modules:
            yield module
            if module is self.master and not self.world.is_master:
                return

    def _order(self) -> None:
        self.modules = [self.every[name] for name in dict.fromkeys(self.world.config.modules)]


def build_chain(world: World) -> Chain:
    """Return the chain of a world's configuration, ready for its first tick."""
    build.warm_up()
    return Chain(world)
