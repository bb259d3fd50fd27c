"""A line to type into; where it is the name of a file, Tab completes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bngtui.dialogs.dialog import Dialog
from bngtui.render.dialog import paint_prompt

if TYPE_CHECKING:
    from textual import events

    from bngtui.render.text import Line

MAX_TYPED = 1_000
_NAMES_SHOWN = 8  # names of files that a hint has room for


class LineInput(Dialog[str]):
    """Answers with the line, with "" where the dialog was left. `path`: Tab completes a file of this console's host."""

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
        more = " …" if len(names) > _NAMES_SHOWN else ""
        self._hint = (
            ", ".join(names[:_NAMES_SHOWN]) + more if len(names) > 1 else ("" if names else "no such file")
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
    except (OSError, ValueError):  # ValueError: of a character that no name has
        return typed, []
    if not names:
        return typed, []
    shared = os.path.commonprefix(names)  # noqa: RUF071 - of characters is what is wanted
    return os.path.join(folder, shared), names  # noqa: PTH118 - as above
