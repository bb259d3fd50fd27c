"""The modules in the order of the configuration's `modules` line, walked until one consumes.

`master` is a gate: on a backup what stands after it neither sees frames nor ticks. Modules keep their state when the
configuration changes, whatever their new order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import packets
from engine.modules.arp.arp import Arp
from engine.modules.hc.hc import Hc
from engine.modules.idle import Idle
from engine.modules.master import Master
from engine.modules.ping import Ping
from engine.modules.slb.slb import Slb
from engine.modules.state.view import View
from engine.modules.state.world import Outcome
from engine.modules.vrrp import Vrrp

if TYPE_CHECKING:
    from engine.api.messages import ModuleState
    from engine.config.model import Config
    from engine.domain.frame import Frame
    from engine.modules.module import Base
    from engine.modules.state.world import World


class Chain:
    """Every module of one engine. `modules` are those of the line, in its order; the named ones always exist."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.view = View(world)
        self.vrrp = Vrrp(world, self.view)
        self.arp = Arp(world, self.view)
        self.ping = Ping(world, self.view)
        self.hc = Hc(world, self.view)
        self.master = Master(world, self.view)
        self.slb = Slb(world, self.view)
        self._all: dict[str, Base] = {
            m.name: m for m in (self.vrrp, self.arp, self.ping, self.hc, self.master, self.slb)
        }
        self.modules: list[Base] = []
        self._order()

    def reconfigure(self, config: Config) -> None:
        """Go over to another configuration; what did not change keeps its state, the rest follows at the next tick."""
        self.world.config = config
        self._order()
        self.view.refresh()

    def handle(self, frame: Frame, now: float) -> Outcome:
        """Show a frame to one module after the other until one consumes it."""
        outcome = Outcome()
        for module in self.modules:  # on a backup the gate consumes, and so ends the walk
            wanted = module.handle(frame, now)
            outcome.merge(wanted)
            if wanted.consumed:
                module.frames += 1
                break
        return outcome

    def tick(self, now: float) -> Outcome:
        """Let every module that is awake do what has become due."""
        self.view.refresh()
        outcome = Outcome()
        if self.vrrp not in self.modules:  # nobody elects, so there is nobody to wait for
            outcome.merge(self.vrrp.tick(now))
        for module in self.modules:
            if not self._behind_gate(module):  # asked at each step: vrrp may have decided just now
                outcome.merge(module.tick(now))
        return outcome

    def describe(self) -> list[ModuleState]:
        """Answer for `show modules`."""
        for module in self.modules:
            module.standby = self._behind_gate(module)
        return [module.describe() for module in self.modules]

    def _behind_gate(self, module: Base) -> bool:
        if self.world.master or self.master not in self.modules:
            return False
        return self.modules.index(module) > self.modules.index(self.master)

    def _order(self) -> None:
        self.modules = []
        for name in dict.fromkeys(self.world.config.modules):
            if name not in self._all:
                self._all[name] = Idle(name, self.world, self.view)
            self.modules.append(self._all[name])


def build(world: World) -> Chain:
    """Return the chain of a world's configuration, ready for its first tick."""
    packets.warm_up()
    return Chain(world)
