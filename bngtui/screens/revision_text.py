"""The whole text of one revision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bngtui.actions import available
from bngtui.render.highlight import INKS, highlight
from bngtui.render.source_text import block_at
from bngtui.render.text import Line, Span, clean, line
from bngtui.screens.page import bindings
from bngtui.screens.scrolled import ScrolledPage
from bngtui.widgets.footer import Footer
from bngtui.widgets.header import Header
from bngtui.widgets.pager import Pager

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from engine.api.messages import Revision

_TAB = 8


class TextScreen(ScrolledPage):
    """A text to read, with the numbers of its lines."""

    BINDINGS = bindings({"text"})

    def __init__(self, revision: Revision) -> None:
        super().__init__()
        self.revision = revision
        self._text: list[Line] = [line(Span("  asking the engine …", "muted"))]

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        yield Header()
        yield Pager(f"Revision {self.revision.number}, {self.revision.language}", lambda _width: self._text)
        yield Footer()

    def on_mount(self) -> None:
        """Ask for the text."""
        self.run_worker(self._read(), name="revision")

    async def _read(self) -> None:
        revision: Revision | None = await self.host.changes.ask("revision", revision=self.revision.number)
        if revision is not None and revision.text is not None:
            self._text = text_lines(revision.text, coloured=revision.language == "balanceng")
            self.renew()

    def renew(self) -> None:
        """Show the page."""
        if not self.is_attached:
            return
        self.query_one(Header).update_lines()
        self.pager.update_lines()
        keys = [
            replace(action, hint={"clear": "back"}.get(action.name, ""), worth=0)
            for action in available("text", read_only=True)
        ]
        self.footer.offer(keys)


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
