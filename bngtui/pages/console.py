"""What pages need of the application, so that they need not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bngtui.widgets.application import Application

if TYPE_CHECKING:
    from bngtui.changes import Changes
    from bngtui.connection import Connection
    from bngtui.render.text import Role


class Console(Application, Protocol):
    """The application, as pages see it."""

    connection: Connection
    changes: Changes

    def open(self, name: str, *subject: object) -> None:
        """Open a screen by its name in bngtui/navigation.py; `subject` is what its class is made from."""

    def say(self, text: str, role: Role = "text") -> None:
        """Show a line at the bottom of the page in front for a while."""

    def next_theme(self) -> None:
        """Change to the next theme."""

    def suspend_to_shell(self) -> None:
        """Stop, and go on when the shell says so."""

    def redraw(self) -> None:
        """Send the whole screen to the terminal again."""
