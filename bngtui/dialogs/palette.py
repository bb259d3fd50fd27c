"""Every action by its name: for somebody who knows what, but not which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bngtui.dialogs.dialog import Dialog
from bngtui.render.palette import matching, paint_palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from bngtui.actions import Action
    from bngtui.render.text import Line


class PaletteDialog(Dialog[str]):
    """Type some letters of what is wanted, Enter does it. Answers with the action's name, or "" for none."""

    DEFAULT_CSS: ClassVar[str] = """
    PaletteDialog Painted { width: 72; max-width: 100%; height: 18; max-height: 90%; }
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__()
        self._actions = actions
        self._typed = ""
        self._chosen = 0
        self._found = matching(actions, "")

    def renew(self) -> None:
        """Show the palette as it is now."""
        self.box.update_lines()

    def on_key(self, event: events.Key) -> None:
        """Type, choose, do."""
        event.stop()
        event.prevent_default()
        if event.key in {"escape", "ctrl+c"}:
            self.dismiss("")
            return
        if event.key == "enter":
            self.dismiss(self._found[self._chosen].name if self._found else "")
            return
        if event.key in {"up", "down", "ctrl+p", "ctrl+n"} and self._found:
            step = 1 if event.key in {"down", "ctrl+n"} else -1
            self._chosen = (self._chosen + step) % len(self._found)
        else:
            if event.key in {"backspace", "ctrl+h"}:
                self._typed = self._typed[:-1]
            elif event.key == "ctrl+u":
                self._typed = ""
            elif event.character and event.character.isprintable():
                self._typed += event.character
            self._found, self._chosen = matching(self._actions, self._typed), 0
        self.renew()

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw what was found."""
        return paint_palette(self._found, self._typed, self._chosen, width, height)
