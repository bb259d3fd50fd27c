"""`tnat`, `nat` and `rt`: accepted in the `modules` line, with nothing to do in pure direct server return."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from engine.modules.module import Base

if TYPE_CHECKING:
    from engine.modules.state.view import View
    from engine.modules.state.world import World


class Idle(Base):
    """A module that is shown, and lets everything pass."""

    state: ClassVar[Literal["active", "idle"]] = "idle"

    def __init__(self, name: str, world: World, view: View) -> None:
        super().__init__(world, view)
        self.name = name

    def note(self) -> str:
        """Say why it is idle."""
        return "nothing to do in direct server return"
