"""From BalanceNG text to tokens with their places, so that a file can be edited in place.

Grammar: words and double-quoted texts separated by blanks, braces stand alone, `//` begins a comment, a line end ends
a statement. Time and space are linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from engine.config.finding import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

# `//` inside a word is a comment too, except after a colon: `agent http://...` is one word. These groups are not possessive,
# which CPython 3.11.0 to 3.11.2 match wrongly; nothing after them can fail, so there is no backtracking either.
_TOKEN = re.compile(
    r"""
      (?P<skip>  \s++ | //.*+ )
    | (?P<brace> [{}] )
    | "(?P<text> (?: [^"\\]++ | \\.? )* ) (?P<close>"?)
    | (?P<word>  (?: [^\s{}"/]++ | /(?!/) | (?<=:)// )+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r'\\(["\\])')
_PLAIN = re.compile(r'[^\s{}"\\/]+(?:/[^\s{}"\\/]+)*')


class Token(NamedTuple):
    """A piece of the text.

    `value` is what it means (a quoted text without its quotes), `line` and `column` count from 1, `length` is in
    characters of the source. A text whose quote is never closed ends with its line and is not `closed`.
    """

    kind: Literal["word", "text", "{", "}"]
    value: str
    line: int
    column: int
    length: int
    closed: bool = True

    @property
    def span(self) -> Span:
        """Where the token stands."""
        return Span(self.line, self.column, self.length)

    @property
    def end(self) -> int:
        """The column after its last character."""
        return self.column + self.length


def lines(text: str) -> Iterator[list[Token]]:
    """Yield the tokens of each line that has some; every token is on one line."""
    for number, line in enumerate(text.split("\n"), start=1):
        tokens: list[Token] = []
        for match in _TOKEN.finditer(line):
            kind = match.lastgroup
            start, end = match.span()
            if kind == "skip":
                continue
            if kind == "brace":
                brace: Literal["{", "}"] = "{" if match[0] == "{" else "}"
                tokens.append(Token(brace, match[0], number, start + 1, 1))
            elif kind == "word":
                tokens.append(Token("word", match[0], number, start + 1, end - start))
            else:
                value = _ESCAPE.sub(r"\1", match["text"])
                tokens.append(
                    Token("text", value, number, start + 1, end - start, closed=bool(match["close"]))
                )
        if tokens:
            yield tokens


def quote(value: str) -> str:
    """Return `value` as `lines` reads it back: unchanged where that is possible, else in double quotes."""
    if _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
