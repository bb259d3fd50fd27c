"""Looking for a text in the editor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.dialogs.line_input import LineInput

if TYPE_CHECKING:
    from bngtui.pages.page import Page
    from bngtui.widgets.edit_area import EditArea


class Search:
    """Goes to the next place of a text that is typed, whatever its case; the last one is offered again."""

    def __init__(self, page: Page, area: EditArea) -> None:
        self._page = page
        self._area = area
        self._needle = ""

    def start(self) -> None:
        """Have a text typed and go to it."""
        self._page.prompt(LineInput("Find", self._needle), self.find)

    def find(self, needle: str) -> None:
        """Select the next place of the text from the cursor on, beginning again at the top."""
        self._needle = needle
        lines, low = self._area.lines, needle.lower()
        row, column = self._area.cursor_location
        for step in range(len(lines) + 1):
            index = (row + step) % len(lines)
            found = lines[index].lower().find(low, column if step == 0 else 0)
            if found >= 0:
                self._area.go(index + 1, found + 1)
                self._area.move_cursor((index, found + len(needle)), select=True)
                return
        self._page.say(f"Not found: {needle}", "warning")
