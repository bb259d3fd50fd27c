"""What every module has: its name, a count of the frames it consumed, and a line for `show modules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from engine.api.messages import ModuleState
from engine.modules.state.world import Outcome

if TYPE_CHECKING:
    from engine.domain.frame import Frame
    from engine.modules.state.view import View
    from engine.modules.state.world import World


class Base:
    """A module that does nothing yet. `standby` is set by the chain: it stands behind `master` on a backup."""

    name: str = ""
    state: ClassVar[Literal["active", "idle"]] = "active"

    def __init__(self, world: World, view: View) -> None:
        self.world = world
        self.view = view
        self.frames = 0
        self.standby = False

    def handle(self, frame: Frame, now: float) -> Outcome:  # noqa: ARG002 - the interface of every module
        """Let every frame pass."""
        return Outcome()

    def tick(self, now: float) -> Outcome:  # noqa: ARG002 - the interface of every module
        """Want nothing."""
        return Outcome()

    def note(self) -> str:
        """Say in a few words what the module is at."""
        return ""

    def describe(self) -> ModuleState:
        """Answer for `show modules`."""
        state = "standby" if self.standby else self.state
        return ModuleState(name=self.name, state=state, frames=self.frames, note=self.note())
