"""Drawn lines as text, with the role of every span: `role:text` between bars."""

from __future__ import annotations

from bngtui.render.text import Line, Span


def picture(lines) -> str:
    """One line of text a line: its tone where it is not plain, then its spans with their roles."""
    return "".join(
        ("" if line.tone == "plain" else f"({line.tone}) ")
        + "|".join(f"{span.role}:{span.text}" for span in line.spans)
        + "\n"
        for line in lines
    )


def several(*pictures):
    found: list[Line] = []
    for lines in pictures:
        found += [*lines, Line((Span("~~~", "faint"),))]
    return found
