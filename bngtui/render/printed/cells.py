"""What several tables say alike: states, reasons, lists of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed.table import NONE
from bngtui.render.text import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.printed.table import Style
    from bngtui.render.states import Mark
    from engine.api.messages import ServerState, TargetState


def ranges(numbers: Sequence[int]) -> str:
    """Return numbers as BalanceNG writes them, runs of three and more as a range: ``1,2,5-9``."""
    parts: list[str] = []
    run: list[int] = []

    def end() -> None:
        parts.extend([f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run))
        run.clear()

    for number in numbers:
        if run and number != run[-1] + 1:
            end()
        run.append(number)
    end()
    return ",".join(parts) or NONE


def state(mark: Mark, style: Style) -> Span:
    """Return a state's word, after its glyph where those are drawn."""
    return Span(f"{mark.glyph} {mark.word}" if style.glyphs else mark.word, mark.role)


def reason(thing: ServerState | TargetState, mark: Mark) -> list[Span]:
    """Return why something is not up, for the lines below it; none where the state says it already."""
    return [Span(thing.reason, "muted")] if thing.reason and thing.reason != mark.word else []


def known(value: object) -> str:
    """Return a value as text, a dash where there is none."""
    return NONE if value is None or value == "" else str(value)
