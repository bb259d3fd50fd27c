"""Where keys and values are in a TOML text: tomllib says what a file means, this says where it said so.

One pass, linear in the text, no errors: what is not TOML is skipped (tomllib has reported it by then). It also
bounds what tomllib is given, whose time grows with the square of a dotted key's length and which recurses.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from engine.config.finding import Span

MAX_DEPTH = 16
"""Nesting of arrays and tables, and parts of a dotted key; a configuration needs three."""

Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t\r]*+")
_SPACE = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*")
_KEY = re.compile(
    r"""(?P<bare>[^\s.=\[\]{}#"',]++)|"(?P<basic>(?:[^"\\\n]++|\\.)*)"?|'(?P<literal>[^'\n]*+)'?"""
)
_STRING = re.compile(
    r'''"""(?:[^"\\]++|\\.|"(?!""))*(?:"{3,5})?|\'{3}(?:[^']++|'(?!''))*(?:'{3,5})?'''
    r"""|"(?:[^"\\\n]++|\\[^\n])*"?|'[^'\n]*+'?""",
    re.DOTALL,
)
_BARE = re.compile(r"[^\s,\[\]{}#]++")
_CLOSING = re.compile(r"[ \t]*+\]{0,2}+")
_REST = re.compile(r"[^\n]*+\n?")


class Place(NamedTuple):
    """Where a key stands, and its value if it has one."""

    word: Span
    value: Span | None = None


class Extent(NamedTuple):
    """The lines of one statement, from 1, both included; `end` is its end in the text, comments aside."""

    first: int
    last: int
    header: bool
    end: int


class TooDeep(Exception):  # noqa: N818 - it names what is wrong with the text, and is always caught
    """The text nests deeper than `MAX_DEPTH`."""

    def __init__(self, span: Span) -> None:
        super().__init__("too deep")
        self.span = span


class Places:
    """The index of one text. Raises `TooDeep`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self._at: dict[Path, Place] = {}
        self._ranges: dict[Path, tuple[int, int]] = {}
        self._tables: dict[Path, int] = {}  # arrays of tables: how many so far
        self.extents: list[Extent] = []
        self._scan()

    def get(self, path: Path) -> Place | None:
        """Return where the key at this path stands: names of tables and keys, numbers of array elements."""
        return self._at.get(path)

    def range(self, path: Path) -> tuple[int, int] | None:
        """Return where in the text the value at this path begins and ends, however many lines it has."""
        return self._ranges.get(path)

    def paths(self, inside: Path) -> list[Path]:
        """Return the paths of the keys that stand directly in a table."""
        return [path for path in self._at if path[:-1] == inside and len(path) > len(inside)]

    def nearest(self, path: Path) -> Place:
        """Return the place of this path, else of the closest table around it."""
        for end in range(len(path), 0, -1):
            place = self._at.get(path[:end])
            if place is not None:
                return place
        return Place(Span(1, 1))

    # -- scanning

    def _scan(self) -> None:
        text, pos = self._text, 0
        table: Path = ()
        while True:
            pos = self._skip(_SPACE, pos)
            if pos >= len(text):
                return
            start = pos
            header = text[pos] == "["
            if header:
                pos, table = self._header(pos)
                pos = self._skip(_CLOSING, pos)
            else:
                pos = self._pair(pos, table, 0)
            first, last = self._line(start), self._line(max(start, pos - 1))
            self.extents.append(Extent(first, last, header, pos))
            pos = self._skip(_REST, pos)

    def _header(self, pos: int) -> tuple[int, Path]:
        many = self._text.startswith("[[", pos)
        pos, parts = self._keys(pos + 1 + many)
        path: Path = ()
        for part, span in parts[:-1]:
            path = (*path, part)
            self._at.setdefault(path, Place(span))
            path = self._last(path)
        if not parts:
            return pos, path
        name, span = parts[-1]
        path = (*path, name)
        self._at.setdefault(path, Place(span))
        if many:
            self._tables[path] = self._tables.get(path, -1) + 1
            path = (*path, self._tables[path])
            self._at[path] = Place(span)
        else:
            path = self._last(path)
        return pos, path

    def _last(self, path: Path) -> Path:
        """Go into the newest element where `path` is an array of tables."""
        count = self._tables.get(path)
        return path if count is None else (*path, count)

    def _pair(self, pos: int, table: Path, depth: int) -> int:
        start = pos
        pos, parts = self._keys(pos)
        path = table
        for name, span in parts:
            path = (*path, name)
            self._at.setdefault(path, Place(span))
        pos = self._skip(_BLANK, pos)
        if not parts or not self._text.startswith("=", pos):
            return max(pos, start + 1)
        pos = self._skip(_BLANK, pos + 1)
        return self._value(pos, path, parts[-1][1], depth)

    def _value(self, pos: int, path: Path, word: Span, depth: int) -> int:
        text, start = self._text, pos
        if depth > MAX_DEPTH:
            raise TooDeep(self._span(pos, pos + 1))
        mark = text[pos : pos + 1]
        if mark and mark in "\"'":
            pos = self._skip(_STRING, pos)
        elif mark == "[":
            pos = self._array(pos + 1, path, word, depth)
        elif mark == "{":
            pos = self._inline(pos + 1, path, depth)
        else:
            pos = self._skip(_BARE, pos)
        self._at[path] = Place(word, self._span(start, max(pos, start + 1)))
        self._ranges[path] = (start, pos)
        return pos

    def _array(self, pos: int, path: Path, word: Span, depth: int) -> int:
        text, count = self._text, 0
        while True:
            pos = self._skip(_SPACE, pos)
            mark = text[pos : pos + 1]
            if mark in {"", "]"}:
                return pos + len(mark)
            if mark == ",":
                pos += 1
                continue
            pos = max(pos + 1, self._value(pos, (*path, count), word, depth + 1))
            count += 1

    def _inline(self, pos: int, path: Path, depth: int) -> int:
        text = self._text
        while True:
            pos = self._skip(_BLANK, pos)
            mark = text[pos : pos + 1]
            if mark in {"", "\n"}:
                return pos
            if mark == "}":
                return pos + 1
            pos = pos + 1 if mark == "," else max(pos + 1, self._pair(pos, path, depth + 1))

    def _keys(self, pos: int) -> tuple[int, list[tuple[str, Span]]]:
        parts: list[tuple[str, Span]] = []
        while True:
            pos = self._skip(_BLANK, pos)
            match = _KEY.match(self._text, pos)
            if match is None:
                return pos, parts
            if len(parts) == MAX_DEPTH:
                raise TooDeep(self._span(*match.span()))
            parts.append((match[match.lastgroup or 0], self._span(*match.span())))
            pos = self._skip(_BLANK, match.end())
            if not self._text.startswith(".", pos):
                return pos, parts
            pos += 1

    # -- positions

    def _skip(self, what: re.Pattern[str], pos: int) -> int:
        match = what.match(self._text, pos)
        return match.end() if match else pos

    def _line(self, pos: int) -> int:
        return bisect_right(self._starts, pos)

    def _span(self, start: int, end: int) -> Span:
        line = self._line(start)
        line_end = self._starts[line] - 1 if line < len(self._starts) else len(self._text)
        return Span(line, start - self._starts[line - 1] + 1, max(1, min(end, line_end) - start))
