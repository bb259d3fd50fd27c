"""The review as lines: verdict, what would happen, how the texts differ. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bngtui.render import diff as differ
from bngtui.render.findings import errors, verdict
from bngtui.render.states import SEVERITY
from bngtui.render.text import Line, Span, clean, line, wrap
from bngtui.render.trial import file_differs, key_of
from bngtui.render.units import age

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bngtui.actions import Action
    from bngtui.candidate import Candidate
    from bngtui.render.diff import Row
    from engine.api.messages import ConfigDiff, FileDiffers
    from engine.config.difference.change import Change


def hinted(actions: Sequence[Action], *, outdated: bool) -> list[Action]:
    """Give the footer its words: what goes back, and how to come together with what runs now."""
    hints = {"clear": "back to the text", "quit": "", "theme": ""}
    if outdated:
        hints |= {"merge": "merge", "replace": "replace"}
    return [
        replace(action, hint=hints[action.name], worth=1) if action.name in hints else action
        for action in actions
    ]


def paint_review(
    candidate: Candidate,
    found: ConfigDiff | None,
    rows: Sequence[Row],
    width: int,
    *,
    beside: bool,
    within_s: int,
    trouble: str,
    file: FileDiffers | None = None,
    in_file: ConfigDiff | None = None,
) -> list[Line]:
    """Draw the review. `rows`: `found.unified`, read; `trouble`: why there is no answer.

    `file`: the file on the disk is another one; `in_file` is what it would change in what runs, where that is known.
    """
    if trouble:
        return [line(Span(f"  {piece}", "down")) for piece in wrap(trouble, width - 4)]
    if found is None:
        return [line(Span("  asking the engine …", "muted"))]
    lines: list[Line] = []
    if found.base != candidate.base:
        lines += _outdated(candidate, found.base, width)
    if file is not None:
        lines += _file(file, in_file, width, beside=beside)
    if errors(found.findings):
        lines += [line(Span(" "), *verdict(found.findings), Span("  nothing can be applied", "muted"))]
    elif not found.unified:
        lines.append(line(Span("  The text is what runs: there is nothing to apply.", "muted")))
    else:
        lines.append(line(Span(" "), *verdict(found.findings), Span("  "), *differ.headline(found.changes)))
    lines += _findings(found, width)
    if not errors(found.findings) and found.unified:
        lines.append(_trial(candidate, within_s))
        lines += [line(""), line(Span(" What would happen", "strong"))]
        lines += differ.summary(found.changes, width)
    if found.unified:
        lines += [line(""), line(Span(" The text", "strong"), Span(f"  {differ.counts(rows)}", "muted"))]
        lines += differ.beside(rows, width) if beside else differ.below(rows, width)
    return lines


def _outdated(candidate: Candidate, running: int, width: int) -> list[Line]:
    text = (
        f"Made from revision {candidate.base}, but revision {running} runs: applying is refused until you have "
        f"looked. Below is your text against revision {running}. {key_of('merge')} merges what both have changed; "
        f"{key_of('replace')} replaces revision {running} by your text, whatever was changed there."
    )
    pieces = wrap(text, width - 4)
    return [
        *(line(Span(" ▲ " if not n else "   ", "warning"), Span(p, "warning")) for n, p in enumerate(pieces)),
        line(""),
    ]


def _file(file: FileDiffers, in_file: ConfigDiff | None, width: int, *, beside: bool) -> list[Line]:
    """Show what somebody else has written into the file, and what an apply would overwrite."""
    text = f"{clean(file_differs(file))}. Applying asks before it overwrites what is there."
    lines = [
        line(Span(" ▲ " if not n else "   ", "warning"), Span(p, "warning"))
        for n, p in enumerate(wrap(text, width - 4))
    ]
    if in_file is not None and in_file.unified:
        rows = differ.rows(in_file.unified)
        lines.append(
            line(Span(" The file, against what runs", "strong"), Span(f"  {differ.counts(rows)}", "muted"))
        )
        lines += differ.summary(in_file.changes, width)
        lines += differ.beside(rows, width) if beside else differ.below(rows, width)
    return [*lines, line("")]


def _findings(found: ConfigDiff, width: int) -> list[Line]:
    lines = []
    for finding in found.findings:
        mark = SEVERITY[finding.severity]
        hint = f"; {finding.hint}" if finding.hint else ""
        text = f"{finding.line}:{finding.column} {mark.word}: {finding.message}{hint}"
        for number, piece in enumerate(wrap(text, width - 6)):
            lines.append(
                line(
                    Span("   " if not number else "     "),
                    Span(f"{mark.glyph} " if not number else "", mark.role),
                    Span(piece),
                )
            )
    return lines


def _trial(candidate: Candidate, within_s: int) -> Line:
    note = Span(f'  note "{clean(candidate.note)}"') if candidate.note else Span("  no note", "muted")
    return line(
        Span(" on trial for ", "muted"),
        Span(age(within_s), "accent"),
        Span(", then back by itself unless confirmed ", "muted"),
        note,
    )


def clash_words(clashes: Iterable[tuple[str, str, str]]) -> list[str]:
    """Say what both have changed, each as (where, mine, theirs), for a dialog."""
    return [
        f"{clean(where)}: yours {clean(mine) or 'removed'}, theirs {clean(theirs) or 'removed'}"
        for where, mine, theirs in clashes
    ]


def change_words(changes: Sequence[Change]) -> list[str]:
    """Say changes as sentences, for a dialog."""
    return [
        f"{change.subject}: {change.message}" + (f"; {change.effect}" if change.effect else "")
        for change in changes
    ]
