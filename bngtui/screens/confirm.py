"""The question before a change.

Rules: a key other than the one that opened it confirms; Cancel is the default; keys that come within GUARD_S of the
opening, or of a repeat of the opening key, are an impatient finger and no answer; who would take a server's last
healthy target types its number.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, cast

from textual.screen import ModalScreen

from bngtui.actions import ACTIONS
from bngtui.render.confirm import INNER, paint_confirm
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from bngtui.effects import Effect
    from bngtui.render.text import Line
    from bngtui.widgets.host import Host

GUARD_S = 0.3
"""A key held down repeats every 30 to 50 ms after about 250 to 500 ms."""

MAX_TYPED = 6


class Question(LineView):
    """The dialog's frame and text."""

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the dialog."""
        del width, height
        return cast("ConfirmScreen", self.screen).lines()


class ConfirmScreen(ModalScreen[bool]):
    """Answers True where the change shall be done. `clock` is monotonic seconds."""

    AUTO_FOCUS = ""
    DEFAULT_CSS: ClassVar[str] = """
    ConfirmScreen { align: center middle; background: $background 0%; }
    """

    def __init__(self, effect: Effect, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.effect = effect
        self._clock = clock
        self._trigger = next(action.keys for action in ACTIONS if action.name == f"change('{effect.verb}')")
        self._chosen = False
        self._typed = ""
        self._hint = ""
        self._deaf_until = 0.0

    def compose(self) -> ComposeResult:
        """One box in the middle."""
        yield Question()

    def on_mount(self) -> None:
        """Size the box, and be deaf for a moment."""
        question = self.query_one(Question)
        question.styles.width = INNER + 2
        question.styles.height = len(self.lines())
        self._deaf_until = self._clock() + GUARD_S

    def lines(self) -> list[Line]:
        """Return the dialog as lines."""
        return paint_confirm(self.effect, chosen=self._chosen, typed=self._typed, hint=self._hint)

    def on_key(self, event: events.Key) -> None:
        """Answer, choose or type; no key of the screen below works here."""
        event.stop()
        event.prevent_default()
        now = self._clock()
        if event.key in self._trigger:
            # The opening key never answers, and while it repeats nothing else is taken for one.
            self._deaf_until = now + GUARD_S
            return
        if now < self._deaf_until:
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
        if self.is_attached:
            self.query_one(Question).update_lines()

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

    @property
    def host(self) -> Host:
        """The application."""
        return cast("Host", self.app)
