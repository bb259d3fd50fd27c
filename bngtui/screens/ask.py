"""Questions with named answers, and a line to type into.

The rules are those of every question here: what comes within GUARD_S of the opening, or of a repeat of the key that
opened it, is an impatient finger and no answer; the first answer is the safe one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.screen import ModalScreen

from bngtui.render.dialog import INNER, Question, paint_prompt, paint_question
from bngtui.screens.confirm import GUARD_S
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from bngtui.render.text import Line

MAX_TYPED = 1_000
_PLACES = 8  # names of files that a hint has room for


class Box(LineView):
    """The dialog's frame and text."""

    def __init__(self, draw: Callable[[], list[Line]]) -> None:
        super().__init__(id="box")
        self._draw = draw

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the dialog."""
        del width, height
        return self._draw()


class Dialog(ModalScreen[str]):
    """A box in the middle. Answers with a word; with "" where it was left."""

    AUTO_FOCUS = ""
    DEFAULT_CSS: ClassVar[str] = """
    Dialog { align: center middle; background: $background 0%; }
    """

    def compose(self) -> ComposeResult:
        """One box in the middle."""
        yield Box(self.lines)

    def on_mount(self) -> None:
        """Size the box."""
        self.renew()

    def on_resize(self) -> None:
        """Size the box for the new screen."""
        self.renew()

    def lines(self) -> list[Line]:
        """Return the dialog as lines."""
        raise NotImplementedError

    def renew(self) -> None:
        """Show the dialog as it is now."""
        box = self.query_one(Box)
        box.styles.width = INNER + 2
        box.styles.height = len(self.lines())
        box.update_lines()


class AskScreen(Dialog):
    """A question. `trigger` is the key that opened it; `clock` is monotonic seconds."""

    def __init__(
        self, question: Question, *, trigger: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.question = question
        self._trigger = trigger
        self._clock = clock
        self._chosen = 0
        self._deaf_until = clock() + GUARD_S

    def lines(self) -> list[Line]:
        """Return the question as lines."""
        return paint_question(self.question, self._chosen, room=self.size.height or 24)

    def on_key(self, event: events.Key) -> None:
        """Answer or choose; no key of the screen below works here."""
        event.stop()
        event.prevent_default()
        now = self._clock()
        if event.key == self._trigger:
            self._deaf_until = now + GUARD_S
            return
        if now < self._deaf_until:
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
        if self.is_attached:
            self.renew()


class PromptScreen(Dialog):
    """A line to type into. `path`: Tab completes the name of a file on this console's host."""

    def __init__(self, title: str, typed: str = "", *, hint: str = "", path: bool = False) -> None:
        super().__init__()
        self._title = title
        self._typed = typed
        self._hint = hint
        self._path = path

    def lines(self) -> list[Line]:
        """Return the prompt as lines."""
        return paint_prompt(self._title, self._typed, self._hint)

    def on_key(self, event: events.Key) -> None:
        """Type, complete, answer or leave."""
        event.stop()
        event.prevent_default()
        if event.key == "enter":
            self.dismiss(self._typed)
            return
        if event.key in {"escape", "ctrl+c"}:
            self.dismiss("")
            return
        if event.key in {"backspace", "ctrl+h"}:
            self._typed = self._typed[:-1]
        elif event.key == "ctrl+u":
            self._typed = ""
        elif event.key == "ctrl+w":
            self._typed = self._typed.rstrip().rpartition(" ")[0]
        elif event.key == "tab" and self._path:
            self._complete()
        elif event.character and event.character.isprintable():
            self._typed = (self._typed + event.character)[:MAX_TYPED]
            self._hint = ""
        self.renew()

    def on_paste(self, event: events.Paste) -> None:
        """Take what the terminal pastes, on one line."""
        event.stop()
        self._typed = (self._typed + " ".join(event.text.split("\n"))).strip("\r")[:MAX_TYPED]
        self.renew()

    def _complete(self) -> None:
        typed, names = complete_path(self._typed)
        self._typed = typed
        more = " …" if len(names) > _PLACES else ""
        self._hint = (
            ", ".join(names[:_PLACES]) + more if len(names) > 1 else ("" if names else "no such file")
        )


def complete_path(typed: str) -> tuple[str, list[str]]:
    """Return `typed` as far as the files that begin so agree, and their names; folders end with a slash."""
    expanded = os.path.expanduser(typed)  # noqa: PTH111 - Path would take a last slash away
    folder, begin = os.path.split(expanded)
    try:
        names = sorted(
            entry.name + ("/" if entry.is_dir() else "")
            for entry in Path(folder or ".").iterdir()
            if entry.name.startswith(begin) and (begin.startswith(".") or not entry.name.startswith("."))
        )
    except OSError:
        return typed, []
    if not names:
        return typed, []
    shared = os.path.commonprefix(names)  # noqa: RUF071 - of characters is what is wanted
    return os.path.join(folder, shared), names  # noqa: PTH118 - as above
