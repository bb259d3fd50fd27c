"""Completion in the editor: what Tab and the popup do to the text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual.geometry import Offset

from bngtui.render.complete import offers

if TYPE_CHECKING:
    from textual import events

    from bngtui.render.complete import Offer, Offers
    from bngtui.widgets.edit_area import EditArea
    from bngtui.widgets.popup import Popup

INDENT = "    "
_WORD = re.compile(r"[\w+.-]*")


class Completion:
    """Brings `popup` and `area` together. While the popup is open it has some of the keys, and follows the typing."""

    def __init__(self, area: EditArea, popup: Popup) -> None:
        self._area = area
        self._popup = popup

    def start(self) -> bool:
        """Complete, or open the popup; False where no word fits."""
        found, begun = self._found()
        row, column = self._area.cursor_location
        line = self._area.lines[row]
        if not line[:column].strip() and line[column:].strip():
            self._area.insert(INDENT)
            return True
        begins = [offer for offer in found.items if offer.word.startswith(begun)]
        if begun and len(begins) == 1 and begins[0].word != begun:
            self._put(found.start, begins[0])
        elif found.items:
            self._open(found, begun)
        return bool(found.items)

    def follow(self) -> None:
        """Offer what fits the word as it is now; where it is another word, or none, close."""
        before = self._popup.offers
        if before is None:
            return
        found, begun = self._found()
        if found.start != before.start or not found.items or not begun:
            self._popup.close()
        else:
            self._open(found, begun)

    def close(self) -> None:
        """Take the popup away."""
        self._popup.close()

    def key(self, event: events.Key) -> bool:
        """Take a key of the popup; False where it was not for it."""
        found = self._popup.offers
        if found is None:
            return False
        if event.key in {"up", "down"}:
            self._popup.move(1 if event.key == "down" else -1)
        elif event.key in {"enter", "tab"}:
            offer = self._popup.chosen
            self._popup.close()
            if offer is not None:
                self._put(found.start, offer)
        elif event.key == "escape":
            self._popup.close()
        else:
            return False
        return True

    def _found(self) -> tuple[Offers, str]:
        row, column = self._area.cursor_location
        found = offers(self._area.lines, row, column, self._area.speech)
        return found, self._area.lines[row][found.start : column]

    def _open(self, found: Offers, begun: str) -> None:
        at = self._area.cursor_screen_offset
        self._popup.open(found, Offset(max(0, at.x - len(begun) - 2), at.y), self._area.screen.size)

    def _put(self, start: int, offer: Offer) -> None:
        """Put a word in the place of what was begun, and of what follows of the same word."""
        row, column = self._area.cursor_location
        line = self._area.lines[row]
        rest = _WORD.match(line, column)
        end = rest.end() if rest else column
        word, form = offer.word, offer.form
        tail = ""
        if form and not word.endswith((".", "]")) and not line[end : end + 1].isspace():
            tail = " = " if self._area.speech == "toml" else " "
        self._area.replace(word + tail, (row, start), (row, end), maintain_selection_offset=False)
        self._popup.close()
