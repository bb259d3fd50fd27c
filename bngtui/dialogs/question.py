"""A question with named answers, of which the first is the safe one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.dialogs.dialog import Dialog, Guard
from bngtui.render.dialog import Question, paint_question

if TYPE_CHECKING:
    from textual import events

    from bngtui.render.text import Line


class QuestionDialog(Dialog[str]):
    """Answers with the value of the answer, with "" where the dialog was left. `trigger` is the key that opened it."""

    def __init__(self, question: Question, *, trigger: str = "") -> None:
        super().__init__()
        self.question = question
        self.guard = Guard((trigger,))
        self._chosen = 0

    def lines(self) -> list[Line]:
        """Return the question as lines."""
        return paint_question(self.question, self._chosen, room=self.size.height or 24)

    def on_key(self, event: events.Key) -> None:
        """Answer or choose; no key of the screen below works here."""
        event.stop()
        event.prevent_default()
        if not self.guard.passes(event.key):
            return
        answers = self.question.answers
        named = next((answer for answer in answers if answer.key == event.character), None)
        if named is not None:
            self.dismiss(named.value)
        elif event.key in {"escape", "ctrl+c"}:
            self.dismiss("")
        elif event.key == "enter":
            self.dismiss(answers[self._chosen].value)
        elif event.key in {"up", "shift+tab", "left", "k"}:
            self._chosen = (self._chosen - 1) % len(answers)
        elif event.key in {"down", "tab", "right", "j"}:
            self._chosen = (self._chosen + 1) % len(answers)
        self.renew()
