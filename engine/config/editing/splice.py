"""Cutting and pasting in a text by line and column; everything else stays byte for byte."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.config.finding import Span


_GAP = re.compile(r"[ ]{2,}+(?=#|//)")


class CannotEdit(Exception):  # noqa: N818 - it names what cannot be done, and is always caught
    """The text is written in a way that an edit in place cannot follow; the message says which."""


class Splices:
    """Edits of one text, all given in the places of the original text and done together by `result`.

    Lines count from 1; line 0 is before the first.
    """

    def __init__(self, text: str) -> None:
        # A line end that is missing at the end is put there, and taken away again by `result`.
        self._lent = "" if text.endswith("\n") or not text else "\r\n" if "\r\n" in text else "\n"
        text += self._lent
        self.text = text
        self._starts = [0]
        while (end := text.find("\n", self._starts[-1])) >= 0:
            self._starts.append(end + 1)
        self._edits: list[tuple[int, int, str]] = []
        self._within: dict[int, list[str]] = {}
        self._after: dict[int, list[str]] = {}

    # -- places

    def offset(self, line: int, column: int) -> int:
        """Return where in the text a place is."""
        return self._starts[line - 1] + column - 1

    def range(self, span: Span) -> tuple[int, int]:
        """Return the start and the end of a span."""
        start = self.offset(span.line, span.column)
        return start, start + span.length

    def line_of(self, offset: int) -> int:
        """Return the line that a place in the text is on."""
        return bisect_right(self._starts, offset)

    def line(self, number: int) -> str:
        """Return a line without its ending."""
        if not 1 <= number <= len(self._starts):
            return ""
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].removesuffix("\r")

    def indent(self, number: int) -> str:
        """Return the blanks that a line begins with."""
        line = self.line(number)
        return line[: len(line) - len(line.lstrip())]

    # -- edits

    def replace(self, start: int, end: int, new: str) -> None:
        """Replace what is there by `new`; a comment behind it stays in its column, where there is room."""
        if self.text[start:end] == new:
            return
        gap = _GAP.match(self.text, end)
        if gap:
            new += " " * max(1, len(gap[0]) + end - start - len(new))
            end = gap.end()
        self._edits.append((start, end, new))

    def insert(self, offset: int, new: str) -> None:
        """Put `new` before what is there."""
        self._edits.append((offset, offset, new))

    def add_lines(self, after: int, lines: list[str], *, first: bool = False) -> None:
        """Add whole lines after a line, behind those that were added there before, with that line's ending.

        `first`: they belong to the block that the line is in, so they come before lines that begin something new.
        """
        (self._within if first else self._after).setdefault(after, []).extend(lines)

    def delete(self, start: int, end: int, *, collapse: bool = False) -> None:
        """Delete a range, and its lines too where nothing else is on them; a comment behind it stays.

        `collapse`: of the blank lines before and after the lines that go, one goes too.
        """
        first, last = self.line_of(start), self.line_of(max(start, end - 1))
        before = self.text[self._starts[first - 1] : start]
        line_end = self._starts[last] if last < len(self._starts) else len(self.text)
        after = self.text[end:line_end]
        if before.strip():
            self._edits.append((start - (len(before) - len(before.rstrip())), end, ""))
        elif after.strip():
            self._edits.append((start, end + len(after) - len(after.lstrip()), ""))
        else:
            start, end = self._starts[first - 1], line_end
            if collapse and first > 1 and self._blank(first - 1):
                if line_end == len(self.text):
                    start = self._starts[first - 2]
                elif self._blank(last + 1):
                    end = self._starts[last + 1] if last + 1 < len(self._starts) else len(self.text)
            self._edits.append((start, end, ""))

    def _blank(self, number: int) -> bool:
        return not self.line(number).strip()

    def _ending(self, number: int) -> str:
        """Return how a line ends; one that does not, like the one before it."""
        for line in (number, number - 1, 1):
            if 1 <= line < len(self._starts):
                return "\r\n" if self.text[: self._starts[line]].endswith("\r\n") else "\n"
        return "\n"

    def result(self) -> str:
        """Return the text with all edits done. Raises CannotEdit where two of them are in the same place."""
        edits = list(self._edits)
        for number in self._within.keys() | self._after.keys():
            lines = [*self._within.get(number, ()), *self._after.get(number, ())]
            ending = self._ending(number)
            at = self._starts[number] if number < len(self._starts) else len(self.text)
            edits.append((at, at, "".join(line + ending for line in lines)))
        edits.sort(key=lambda edit: edit[:2])  # stable: at one place, in the order they were asked for
        pieces: list[str] = []
        done, deleting = 0, False
        for start, end, new in edits:
            if start < done and deleting and (not new or start == end):
                # Deletions may overlap, and what is inserted into one takes its place.
                pieces.append(new)
                done = max(done, end)
                continue
            if start < done:
                raise CannotEdit("two changes are in the same place")
            pieces += [self.text[done:start], new]
            done, deleting = end, not new
        pieces.append(self.text[done:])
        return "".join(pieces).removesuffix(self._lent)
