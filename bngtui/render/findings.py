"""What the check of a text found: in a line of state, in a list, and as marks in the text itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bngtui.render.states import SEVERITY
from bngtui.render.text import Line, Span, clean, fit_spans, spread
from bngtui.render.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.config.finding import Finding

Checked = Literal["waiting", "engine", "here"]
"""Whose answer the findings are: none yet for this text, the engine's, or this console's own while there is no engine."""


def errors(findings: Sequence[Finding]) -> int:
    """Count the errors."""
    return sum(finding.severity == "error" for finding in findings)


def verdict(findings: Sequence[Finding]) -> list[Span]:
    """Say in a word whether a text is valid."""
    wrong = errors(findings)
    doubtful = len(findings) - wrong
    spans: list[Span] = []
    if wrong:
        spans.append(Span(f"{SEVERITY['error'].glyph} {plural(wrong, 'error')}", "down"))
    if doubtful:
        spans += [Span(", ")] if spans else []
        spans.append(Span(f"{SEVERITY['warning'].glyph} {plural(doubtful, 'warning')}", "warning"))
    return spans or [Span("● valid", "up")]


def paint_findings(
    findings: Sequence[Finding],
    width: int,
    height: int,
    *,
    checked: Checked,
    chosen: int | None,
    top: int = 0,
    help_: Sequence[Span] = (),
) -> list[Line]:
    """Draw the verdict, then the findings, or where there are none `help_`.

    `chosen`: the finding under the cursor; None: the list does not have the keys.
    """
    who = {
        "waiting": "checking …",
        "engine": "checked by the engine",
        "here": "checked here: the engine is not reachable",
    }[checked]
    left = [
        Span("▌" if chosen is not None else " ", "accent"),
        *verdict(findings),
        Span(f"  {who} ", "muted"),
    ]
    body = max(0, height - 1)
    top = max(0, min(top, len(findings) - body))
    more = f" {top + 1}-{min(top + body, len(findings))}/{len(findings)} " if len(findings) > body else ""
    lines = [Line(spread(left, [Span(more, "muted")] if more else [], width, Span("─", "faint")))]
    if not findings:
        lines.append(Line(fit_spans([Span(" "), *help_], width)))
    digits = max((len(f"{f.line}:{f.column}") for f in findings), default=0)
    for index, finding in enumerate(findings[top : top + body], start=top):
        mark = SEVERITY[finding.severity]
        here = index == chosen
        spans = [
            Span("▸ " if here else "  ", "accent"),
            Span(f"{mark.glyph} ", mark.role),
            Span(f"{finding.line}:{finding.column}".ljust(digits), "accent"),
            Span(f"  {mark.word}: ", mark.role),
            Span(clean(finding.message)),
            Span(f"; {clean(finding.hint)}" if finding.hint else "", "muted"),
        ]
        lines.append(Line(fit_spans(spans, width), "cursor" if here else "plain"))
    return lines


def window(chosen: int | None, top: int, body: int) -> int:
    """Return the first finding to show so that the chosen one is seen."""
    if chosen is None:
        return top
    return max(chosen - body + 1, min(top, chosen))
