"""`vrrp`: who is master. Without a `vrrp` section this node is, at once; election is not built yet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.notices import Alarm, Notice
from engine.domain.states import NodeRole
from engine.modules.module import Module
from engine.modules.state.world import Outcome

if TYPE_CHECKING:
    from engine.config.model import Vrrp as VrrpSection

_NOT_BUILT = "election is not built yet: this node acts as master without asking; run no second node"


@dataclass(frozen=True, slots=True)
class Election:
    """An election as `show vrrp` tells it; all but `role` and `note` are None where there is no `vrrp` section."""

    vrid: int | None
    role: NodeRole
    priority: int | None
    network: int | None
    note: str


class Vrrp(Module):
    """Writer of `World.role`."""

    name = "vrrp"
    _announced = False
    _section: VrrpSection | None = None

    def tick(self, now: float) -> Outcome:
        """Become master; say so, and why, when the section has changed."""
        outcome = Outcome()
        if self.next_due(now) > now:
            return outcome
        if not self.world.is_master:
            self.world.role = NodeRole.MASTER
            outcome.recompile = True
        section = self.world.config.vrrp
        if self._announced and section == self._section:
            return outcome
        self._announced, self._section = True, section
        if section is None:
            self.world.alarms.pop(("vrrp", "vrrp"), None)
            outcome.notices.append(Notice("vrrp", "info", "vrrp", "master: no vrrp section, nobody to elect"))
        else:
            self.world.alarms["vrrp", "vrrp"] = Alarm(severity="warning", subject="vrrp", message=_NOT_BUILT)
            outcome.notices.append(Notice("vrrp", "warning", "vrrp", _NOT_BUILT))
        return outcome

    def next_due(self, now: float) -> float:
        """Return `now` where this node has yet to become master, or to say so."""
        settled = self.world.is_master and self._announced and self._section == self.world.config.vrrp
        return math.inf if settled else now

    def note(self) -> str:
        """Say why this node is what it is."""
        if self.world.config.vrrp is None:
            return "no vrrp section: master at once"
        return _NOT_BUILT

    def elections(self) -> list[Election]:
        """Return the elections: one, with a null vrid where there is no section."""
        section = self.world.config.vrrp
        return [
            Election(
                vrid=section.vrid if section else None,
                role=self.world.role,
                priority=section.priority if section else None,
                network=section.network if section else None,
                note=self.note(),
            )
        ]
