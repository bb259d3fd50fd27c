"""`master`: the gate. On a backup, what stands after it in the `modules` line does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.modules.module import Base
from engine.modules.state.world import Outcome

if TYPE_CHECKING:
    from engine.domain.frame import Frame


class Master(Base):
    """Ends a frame's walk on a backup; the chain ends the tick's walk by `World.master` too."""

    name = "master"

    def handle(self, frame: Frame, now: float) -> Outcome:  # noqa: ARG002 - the interface of every module
        """Consume everything on a backup, nothing on the master."""
        return Outcome(consumed=not self.world.master)

    def note(self) -> str:
        """Say whether the gate is open."""
        return "open: this node is master" if self.world.master else "closed: this node is backup"
