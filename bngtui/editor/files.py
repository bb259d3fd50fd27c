"""Files of the console's host, read into the editor and written from it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from bngtui.dialogs.line_input import LineInput
from bngtui.editor import host_files
from bngtui.render.dialog import Answer, Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.editor.edited import EditedText
    from bngtui.pages.page import Page


class Files:
    """Asks for a name, reads or writes the file, and says what came of it. `was_read` is called after reading one."""

    def __init__(self, page: Page, edited: EditedText, was_read: Callable[[], object]) -> None:
        self._page = page
        self._edited = edited
        self._was_read = was_read

    def read(self) -> None:
        """Read a file into the editor."""
        name = LineInput("Read a file of this host into the editor", hint="Tab completes", path=True)
        self._page.prompt(name, lambda path: self._page.start(partial(self._read, path), "read a file"))

    async def _read(self, path: str) -> None:
        try:
            text, language = await asyncio.to_thread(host_files.read, path)
        except host_files.FileError as error:
            self._page.say(str(error), "down")
            return
        candidate, area = self._edited.candidate, self._edited.area
        if candidate is None:
            return
        if language == candidate.language:
            area.swap(text)
            self._page.say(f"Read {path}; Ctrl-Z brings the text before it back.", "text")
        else:
            candidate.language = language
            area.take(text, language)
            self._page.say(f"Read {path}, which is in the other language.", "text")
        self._was_read()

    def write(self) -> None:
        """Write the text to a file."""
        name = LineInput("Write the text to a file of this host", hint="Tab completes", path=True)
        self._page.prompt(name, self._ask_write)

    def _ask_write(self, path: str) -> None:
        if not host_files.exists(path):
            self._page.start(partial(self._write, path), "write a file")
            return
        question = Question(
            f"{path} is there already. Write over it?",
            (),
            (Answer("n", "Leave it as it is", ""), Answer("y", "Write over it", "yes")),
        )
        self._page.ask(
            question, {"yes": lambda: self._page.start(partial(self._write, path), "write a file")}
        )

    async def _write(self, path: str) -> None:
        try:
            await asyncio.to_thread(host_files.write, path, self._edited.area.text)
        except host_files.FileError as error:
            self._page.say(str(error), "down")
        else:
            self._page.say(f"Written to {path}; the engine was not asked.", "text")
