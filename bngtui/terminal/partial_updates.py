"""Fewer bytes to the terminal than Textual sends by itself.

Textual 8.2.8 redraws a changed region from its widget's left edge (`ChopsUpdate.render_segments` crops a strip on the
right only), so a number that changes at the right end of a row sends the whole row. Here a strip is cropped on both
sides, colours that stay are not said again, and what the terminal shows already is not sent again: a TextArea asks
for all its lines at every key.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.control import Control

from bngtui.terminal.textual_internals import ChopsUpdate, ansi_codes, colour_system

if TYPE_CHECKING:
    from rich.color import ColorSystem
    from rich.console import Console, RenderableType
    from rich.style import Style
    from textual.strip import Strip


class Sent:
    """What partial updates have sent since the last whole screen, by row and cells."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[tuple[int, int], str]] = {}

    def forget(self) -> None:
        """Know nothing of the terminal: it was drawn whole, or it lost something."""
        self._rows.clear()

    def news(self, y: int, start: int, stop: int, text: str) -> bool:
        """Take note that cells `start` up to `stop` of row `y` become `text`; False where they are that already."""
        row = self._rows.setdefault(y, {})
        if row.get((start, stop)) == text:
            return False
        for first, last in [place for place in row if place[0] < stop and start < place[1]]:
            del row[first, last]
        row[start, stop] = text
        return True


class ExactUpdate(ChopsUpdate):
    """A partial update that sends the cells of its spans and no others, and of them those that are `sent` not yet."""

    sent: Sent | None = None

    def render_segments(self, console: Console) -> str:
        """Return the bytes for the terminal as text."""
        system = colour_system(console)
        out: list[str] = []
        for y, x1, x2 in self.spans:
            for (x, strip), end in zip(self.chops[y].items(), self.chop_ends[y], strict=False):
                start, stop = max(x, x1), min(end, x2)
                if strip is None or start >= stop:
                    continue
                text = _render(strip.crop(start - x, stop - x), system)
                if self.sent is None or self.sent.news(y, start, stop, text):
                    out += (Control.move_to(start, y).segment.text, text)
        return "".join(out)


def exact(update: RenderableType | None, sent: Sent) -> RenderableType | None:
    """Return the update as an ExactUpdate where it is a partial one; any other draws over what was `sent`."""
    if type(update) is ChopsUpdate:
        partial = ExactUpdate(update.chops, update.spans, update.chop_ends)
        partial.sent = sent
        return partial
    if update is not None:
        sent.forget()
    return update


def _render(strip: Strip, system: ColorSystem) -> str:
    """Return a strip with one colour sequence for each change of style, and one reset at its end."""
    out: list[str] = []
    current: str | None = None
    for text, style, control in strip:
        if control or not text:
            continue
        codes = _codes(style, system) if style is not None else ""
        if codes != current:
            out.append(f"\x1b[0;{codes}m" if codes else "\x1b[0m")
            current = codes
        out.append(text)
    out.append("\x1b[0m")
    return "".join(out)


@lru_cache(maxsize=1024)
def _codes(style: Style, system: ColorSystem) -> str:
    return ansi_codes(style, system)
