"""Fewer bytes to the terminal than Textual sends by itself.

Textual 8.2.8 redraws a changed region from its widget's left edge (`ChopsUpdate.render_segments` crops a strip on the
right only), so a number that changes at the right end of a row sends the whole row. Here a strip is cropped on both
sides, and colours that stay are not said again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.color import ColorSystem
from rich.control import Control
from textual._compositor import ChopsUpdate

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.style import Style
    from textual.strip import Strip


class ExactUpdate(ChopsUpdate):
    """A partial update that sends the cells of its spans and no others."""

    def render_segments(self, console: Console) -> str:
        """Return the bytes for the terminal as text."""
        system = console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001 - as Textual's Strip.render does
        out: list[str] = []
        for y, x1, x2 in self.spans:
            for (x, strip), end in zip(self.chops[y].items(), self.chop_ends[y], strict=False):
                start, stop = max(x, x1), min(end, x2)
                if strip is None or start >= stop:
                    continue
                out.append(Control.move_to(start, y).segment.text)
                out.append(_render(strip.crop(start - x, stop - x), system))
        return "".join(out)


def exact(update: RenderableType | None) -> RenderableType | None:
    """Return the update as an ExactUpdate where it is a partial one."""
    if type(update) is ChopsUpdate:
        return ExactUpdate(update.chops, update.spans, update.chop_ends)
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
    return style._make_ansi_codes(system)  # noqa: SLF001 - Rich offers the codes only around a text
