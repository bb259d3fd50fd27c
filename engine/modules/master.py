"""`master`: the gate. On a node that is not master, what is after it in the `modules` line does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.modules.module import Module
from engine.modules.state.world import Outcome

if TYPE_CHECKING:
    from engine.domain.frame import Frame


class Master(Module):
    """Ends a frame's walk where this node is not master; the chain ends every other walk there too."""

    name = "master"

    def handle(self, frame: Frame, now: float) -> Outcome:  # noqa: ARG002 - the interface of every module
        """Consume everything on a node that is not master, nothing on the master."""
        return Outcome(consumed=not self.world.is_master)

    def note(self) -> str:
        """Say whether the gate is open."""
        return f"{'open' if self.world.is_master else 'closed'}: this node is {self.world.role}"
