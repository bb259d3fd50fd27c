"""`vrrp`: who is master. Without a `vrrp` section this node is, at once; election is not built yet.

facts.md 12: "a node without a vrrp section is master at once".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api.messages import VrrpState
from engine.domain.notices import Alarm, Notice
from engine.modules.module import Base
from engine.modules.state.world import Outcome

if TYPE_CHECKING:
    from engine.config.model import Vrrp as VrrpSection

_NOT_BUILT = "election is not built yet: this node acts as master without asking; run no second node"


class Vrrp(Base):
    """Sets `World.master`."""

    name = "vrrp"
    _told: VrrpSection | str | None = "nothing yet"

    def tick(self, now: float) -> Outcome:  # noqa: ARG002 - the interface of every module
        """Become master; say so, and why, when the section has changed."""
        outcome = Outcome()
        section = self.world.config.vrrp
        if not self.world.master:
            self.world.master = True
            outcome.recompile = True
        if section == self._told:
            return outcome
        self._told = section
        if section is None:
            self.world.alarms.pop(("vrrp", "vrrp"), None)
            outcome.notices.append(Notice("vrrp", "info", "vrrp", "master: no vrrp section, nobody to elect"))
        else:
            self.world.alarms["vrrp", "vrrp"] = Alarm(severity="warning", subject="vrrp", message=_NOT_BUILT)
            outcome.notices.append(Notice("vrrp", "warning", "vrrp", _NOT_BUILT))
        return outcome

    def note(self) -> str:
        """Say why this node is what it is."""
        if self.world.config.vrrp is None:
            return "no vrrp section: master at once"
        return _NOT_BUILT

    def states(self) -> list[VrrpState]:
        """Answer for `show vrrp`: one entry, with a null vrid where there is no section."""
        section = self.world.config.vrrp
        return [
            VrrpState(
                vrid=section.vrid if section else None,
                state="master" if self.world.master else "init",
                priority=section.priority if section else None,
                network=section.network if section else None,
                note=self.note(),
            )
        ]
