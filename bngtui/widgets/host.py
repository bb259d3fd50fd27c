"""What widgets and screens need of the application, so that they need not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bngtui.changes import Changes
    from bngtui.connection import Link
    from bngtui.effects import Effect, Verb, What
    from bngtui.render.text import Role
    from bngtui.store import Store
    from bngtui.theme import Palette


class Host(Protocol):
    """The application, as its parts see it."""

    store: Store
    palette: Palette
    link: Link
    changes: Changes

    def ask_change(self, verb: Verb, what: What, number: int) -> None:
        """Ask the operator, then the engine, and say what came of it."""

    def confirmed(self, effect: Effect) -> None:
        """Send a change that was confirmed."""

    def say(self, text: str, role: Role = "text") -> None:
        """Show a line at the bottom of the screen for a while."""

    def next_theme(self) -> None:
        """Change to the next theme."""

    def redraw(self) -> None:
        """Send the whole screen to the terminal again."""
