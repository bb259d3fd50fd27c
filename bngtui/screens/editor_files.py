"""Looking for a text in the editor, and files of the console's host that it reads and writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bngtui.render.dialog import Answer, Question
from bngtui.screens import files
from bngtui.screens.ask import PromptScreen
from bngtui.screens.page import Page

if TYPE_CHECKING:
    from bngtui.checking import Checker
    from bngtui.drafts import Candidate
    from bngtui.widgets.edit_area import EditArea


class EditorFiles(Page):
    """The part of the editor that is about texts from elsewhere."""

    area: EditArea
    candidate: Candidate | None
    _checker: Checker
    _needle = ""

    # -- finding a text ---------------------------------------------------------------------------------------------

    def action_find(self) -> None:
        """Type a text and go to it; the same again: the next one."""
        self.prompt(PromptScreen("Find", self._needle), self._find)

    def _find(self, needle: str) -> None:
        self._needle = needle
        lines, low = self.area.lines, needle.lower()
        row, column = self.area.cursor_location
        for step in range(len(lines) + 1):
            index = (row + step) % len(lines)
            found = lines[index].lower().find(low, column if step == 0 else 0)
            if found >= 0:
                self.area.go(index + 1, found + 1)
                self.area.move_cursor((index, found + len(needle)), select=True)
                return
        self.say(f"Not found: {needle}", "warning")

    # -- files ------------------------------------------------------------------------------------------------------

    def action_load(self) -> None:
        """Read a file into the editor."""
        prompt = PromptScreen("Read a file of this host into the editor", hint="Tab completes", path=True)
        self.prompt(prompt, lambda path: self.run_worker(self._load(path)))

    async def _load(self, path: str) -> None:
        try:
            text, language = await asyncio.to_thread(files.read, path)
        except files.FileError as error:
            self.say(str(error), "down")
            return
        if self.candidate is None:
            return
        if language == self.candidate.language:
            self.area.swap(text)
            self.say(f"Read {path}; Ctrl-Z brings the text before it back.", "text")
        else:
            self.candidate.language = language
            self.area.take(text, language)
            self.say(f"Read {path}, which is in the other language.", "text")
        self._checker.touch(now=True)

    def action_store(self) -> None:
        """Write the text to a file."""
        prompt = PromptScreen("Write the text to a file of this host", hint="Tab completes", path=True)
        self.prompt(prompt, self._ask_store)

    def _ask_store(self, path: str) -> None:
        if not files.exists(path):
            self.run_worker(self._store(path))
            return
        question = Question(
            f"{path} is there already. Write over it?",
            (),
            (Answer("n", "Leave it as it is", ""), Answer("y", "Write over it", "yes")),
        )
        self.ask(question, {"yes": lambda: self.run_worker(self._store(path))})

    async def _store(self, path: str) -> None:
        try:
            await asyncio.to_thread(files.write, path, self.area.text)
        except files.FileError as error:
            self.say(str(error), "down")
        else:
            self.say(f"Written to {path}; the engine was not asked.", "text")
