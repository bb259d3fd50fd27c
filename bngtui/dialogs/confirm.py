"""The question before a target or a server is enabled, disabled or drained.

A key other than the one that opened it confirms, and Cancel is the default. Who would take a server's last healthy
target types its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bngtui.actions import first_key
from bngtui.dialogs.dialog import Dialog, Guard
from bngtui.render.confirm import INNER, paint_confirm

if TYPE_CHECKING:
    from textual import events

    from bngtui.render.effects import Effect
    from bngtui.render.text import Line

MAX_TYPED = 6


class ConfirmDialog(Dialog[bool]):
    """Answers True where the change shall be done."""

    INSIDE: ClassVar[int] = INNER

    def __init__(self, effect: Effect) -> None:
        super().__init__()
        self.effect = effect
        self.guard = Guard((first_key(f"change('{effect.verb}')"),))
        self._chosen = False
        self._typed = ""
        self._hint = ""

    def lines(self) -> list[Line]:
        """Return the dialog as lines."""
        return paint_confirm(self.effect, chosen=self._chosen, typed=self._typed, hint=self._hint)

    def on_key(self, event: events.Key) -> None:
        """Answer, choose or type; no key of the screen below works here."""
        event.stop()
        event.prevent_default()
        if not self.guard.passes(event.key):
            return
        if event.key in {"escape", "ctrl+c", "n", "q"}:
            self.dismiss(False)
        elif self.effect.last:
            self._type(event)
        elif event.key == "y":
            self.dismiss(True)
        elif event.key == "enter":
            self.dismiss(self._chosen)
        elif event.key in {"left", "right", "tab", "shift+tab", "h", "l"}:
            self._chosen = not self._chosen
        self.renew()

    def _type(self, event: events.Key) -> None:
        self._hint = ""
        if event.key == "enter":
            if self._typed == str(self.effect.number):
                self.dismiss(True)
            elif not self._typed:
                self.dismiss(False)
            else:
                self._hint = f"{self._typed} is not {self.effect.number}: nothing was done"
                self._typed = ""
        elif event.key in {"backspace", "ctrl+h"}:
            self._typed = self._typed[:-1]
        elif event.character and event.character.isdigit() and len(self._typed) < MAX_TYPED:
            self._typed += event.character
        else:
            self._hint = f"type the number {self.effect.number}, or Esc"
