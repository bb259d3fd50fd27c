"""The line above the text: what is edited, from which revision, and whether something else runs meanwhile. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bngtui.render.text import Line, Span, clean, fit_spans, spread, width_of

if TYPE_CHECKING:
    from bngtui.candidate import Candidate

LANGUAGES = {"balanceng": "BalanceNG", "toml": "TOML"}


def paint_title(
    candidate: Candidate | None,
    cursor: tuple[int, int],
    lines: int,
    width: int,
    *,
    changed: bool,
    running: int | None,
    read_only: bool,
) -> Line:
    """Draw the title. `cursor` is line and column from 1, of so many `lines`; `running` the revision that runs, None: not known."""
    mark = Span("▌", "accent")
    if candidate is None:
        return Line(
            spread([mark, Span("Configuration", "accent"), Span("  reading it …", "muted")], [], width, _RULE)
        )
    name = Span(clean(Path(candidate.file).name), "accent")
    language = Span(f"  {LANGUAGES[candidate.language]}", "muted")
    base = Span(f"  revision {candidate.base}", "muted")
    if read_only:
        state = Span("  ○ only to look at", "muted")
    elif changed:
        state = Span("  ■ changed", "warning")
    else:
        state = Span("  ● as it runs", "up")
    outdated = running is not None and running != candidate.base
    news = [Span(f"  ▲ revision {running} runs now", "warning")] if outdated else []
    where = [Span(f" {cursor[0]}:{cursor[1]} of {lines} ", "muted")]
    # What says that somebody else was faster is never cut.
    for middle in ([language, base, state], [base, state], [state], []):
        left = [mark, name, *middle, *news, Span(" ")]
        if width_of(left) + width_of(where) <= width:
            return Line(spread(left, where, width, _RULE))
    return Line(fit_spans([mark, name, *news], width))


_RULE = Span("─", "faint")
