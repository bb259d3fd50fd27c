"""The base of every module: what a name of the `modules` line has to offer.

Modules are sans-io: frames, answers and monotonic seconds come in, an `Outcome` goes out. A new one is a file or package
beside this one with a subclass of `Module`, named in `Chain.__init__` (docs/CONTRIBUTING.md, A module).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from engine.modules.state.world import Outcome

if TYPE_CHECKING:
    from engine.domain.frame import Frame, FrameMatch
    from engine.modules.state.view import View
    from engine.modules.state.world import World

ModuleState = Literal["active", "idle", "standby"]
"""Idle: nothing to do in this version. Standby: behind `master` on a node that is not master."""


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """A module as `show modules` tells it. `frames`: how many it consumed; `note`: what it is at, in a few words."""

    name: str
    state: ModuleState
    frames: int
    note: str


class Module:
    """A module that does nothing yet."""

    name: ClassVar[str] = ""
    state: ClassVar[Literal["active", "idle"]] = "active"

    def __init__(self, world: World, view: View) -> None:
        self.world = world
        self.view = view
        self.frames = 0

    @property
    def wants(self) -> tuple[FrameMatch, ...]:
        """Return the frames to be shown to it; the control sockets' filters are made of what all modules want."""
        return ()

    def handle(self, frame: Frame, now: float) -> Outcome:  # noqa: ARG002 - the interface of every module
        """Look at a frame; `consumed` ends its walk. It may be any frame, since others' wishes come here too."""
        return Outcome()

    def tick(self, now: float) -> Outcome:  # noqa: ARG002 - the interface of every module
        """Do what has become due, and take up a changed configuration, link or role."""
        return Outcome()

    def facts_changed(self, now: float) -> Outcome:  # noqa: ARG002 - the interface of every module
        """Take up that a MAC or a check is not what it was, by the same frame or answer that said so."""
        return Outcome()

    def next_due(self, now: float) -> float:  # noqa: ARG002 - the interface of every module
        """Return when the next `tick` is due, in monotonic seconds; infinity where nothing waits for time to pass."""
        return math.inf

    def farewell(self) -> list[Frame]:
        """Return the frames to send when the engine stops."""
        return []

    def note(self) -> str:
        """Say in a few words what the module is at."""
        return ""

    def describe(self, *, standby: bool) -> ModuleStatus:
        """Return what `show modules` tells; `standby` where it is behind `master` on a node that is not master."""
        return ModuleStatus(self.name, "standby" if standby else self.state, self.frames, self.note())


class IdleModule(Module):
    """A module that is accepted in the line and shown, and lets everything pass."""

    state: ClassVar[Literal["active", "idle"]] = "idle"

    def note(self) -> str:
        """Say why it is idle."""
        return "nothing to do in direct server return"
