"""From a finding to its place in the text, by the list below the text or by keys in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual import events

    from bngtui.pages.page import Page
    from bngtui.widgets.edit_area import EditArea
    from bngtui.widgets.findings_view import FindingsView

_STEPS = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -5, "pagedown": 5}


class Jumps:
    """Brings the list of findings and the text together. While one is chosen the list has some of the keys."""

    def __init__(self, page: Page, area: EditArea, findings: FindingsView) -> None:
        self._page = page
        self._area = area
        self._findings = findings

    def start(self) -> bool:
        """Give the keys to the list; False where it is empty."""
        if self._is_empty():
            return False
        self._choose(0)
        return True

    def key(self, event: events.Key) -> bool:
        """Take a key of the list; False where it was not for it."""
        chosen = self._findings.chosen
        if chosen is None:
            return False
        if event.key in _STEPS:
            self._choose(max(0, chosen + _STEPS[event.key]))
            return True
        self._findings.choose(None)
        # Who types means the text.
        return event.key in {"enter", "escape", "f4", "tab"}

    def step(self, step: int) -> None:
        """Jump to the next finding after the cursor (1), or the one before it (-1); after the last comes the first."""
        if self._is_empty():
            return
        row, column = self._area.cursor_location
        here = (row + 1, column + 1)
        places = sorted({(finding.line, finding.column) for finding in self._findings.findings})
        if step > 0:
            found = next((place for place in places if place > here), places[0])
        else:
            found = next((place for place in reversed(places) if place < here), places[-1])
        self._area.go(*found)

    def _is_empty(self) -> bool:
        if self._findings.findings:
            return False
        self._page.say("There is no finding.", "up")
        return True

    def _choose(self, index: int) -> None:
        finding = self._findings.choose(index)
        if finding is not None:
            self._area.go(finding.line, finding.column)
