"""The whole text of one revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.actions import available, with_hints
from bngtui.pages.page import bindings
from bngtui.pages.scrolled import ScrolledPage
from bngtui.render.highlight import INKS, highlight
from bngtui.render.source_text import block_at
from bngtui.render.text import Line, Span, clean, line

if TYPE_CHECKING:
    from bngtui.actions import Action
    from engine.api.messages import Revision

_TAB = 8


class RevisionTextScreen(ScrolledPage):
    """A text to read, with the numbers of its lines."""

    BINDINGS = bindings({"text"})

    def __init__(self, revision: Revision) -> None:
        super().__init__(f"Revision {revision.number}, {revision.language}")
        self.revision = revision
        self._text: list[Line] = [line(Span("  asking the engine …", "muted"))]

    def on_mount(self) -> None:
        """Ask for the text."""
        self.start(self._read, "revision")

    async def _read(self) -> None:
        revision: Revision | None = await self.fetch("revision", revision=self.revision.number)
        if revision is not None and revision.text is not None:
            self._text = text_lines(revision.text, coloured=revision.language == "balanceng")
            self.renew()

    def lines(self, width: int) -> list[Line]:
        """Return the text, whatever the width."""
        del width
        return self._text

    def offered(self) -> tuple[Action, ...]:
        """Return the key that leads back."""
        keys = [action for action in available("text", read_only=True) if action.name == "clear"]
        return with_hints(keys, {"clear": "back"}, worth=0)


def text_lines(text: str, *, coloured: bool) -> list[Line]:
    """Return a text as lines with their numbers, in the editor's colours for BalanceNG's language."""
    rows = text.removesuffix("\n").split("\n")
    digits = max(3, len(str(len(rows))))
    lines = []
    for index, row in enumerate(rows):
        spans = [Span(f"{index + 1:>{digits}}  ", "faint")]
        at = 0
        for run in highlight(row, block_at(rows, index, "balanceng")[0]) if coloured else ():
            spans += [
                Span(_plain(row[at : run.start])),
                Span(_plain(row[run.start : run.end]), INKS[run.ink]),
            ]
            at = run.end
        lines.append(line(*spans, Span(_plain(row[at:]))))
    return lines


def _plain(text: str) -> str:
    return clean(text.expandtabs(_TAB))
