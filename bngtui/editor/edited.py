"""The text that is being edited, and what it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bngtui.candidate import Candidate
    from bngtui.widgets.edit_area import EditArea


class EditedText:
    """What the parts of the editor share. `candidate` is None until the engine has given a text."""

    def __init__(self, area: EditArea) -> None:
        self.area = area
        self.candidate: Candidate | None = None

    @property
    def changed(self) -> bool:
        """Whether the text on the screen is not what it was made from."""
        return self.candidate is not None and self.area.text != self.candidate.base_text

    def show(self, candidate: Candidate) -> bool:
        """Show this text; False where its lines end in two ways, and in the area they end in one."""
        self.candidate = candidate
        self.area.take(candidate.text, candidate.language)
        if self.area.text == candidate.base_text or candidate.changed:
            return True
        # TextArea knows one kind of line end for a text.
        candidate.base_text = self.area.text
        return False
