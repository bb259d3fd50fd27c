"""Where a place in a configuration text is: the block it is in and the words before it. Pure; never the whole text.

An editor asks this at every key, so lines are looked at backwards from the place, and only as many as it takes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from engine.config.language import lexer
from engine.config.language.keywords import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.config.language.keywords import BlockName
    from engine.config.language.lexer import Token

Language = Literal["balanceng", "toml"]

MAX_BACK = 2_000
"""Lines looked back for the head of a block; blocks have a dozen."""

_TABLE = re.compile(r"\s*\[\s*([A-Za-z]+)\s*(?:\.\s*\"?(\w+)\"?\s*)?\]")
_KEY = re.compile(r"\s*(?P<key>[\w-]+)\s*=\s*")


class Place(NamedTuple):
    """A place in a text: the block, its number where it has one, and the words of the statement before the place.

    `block` is "" at the top and None in a block that the language does not know.
    """

    block: BlockName | None
    number: int | None
    words: tuple[str, ...]


def tokens_of(line: str) -> list[Token]:
    """Return the tokens of one line."""
    return next(iter(lexer.lines(line)), [])


def as_block(word: str) -> BlockName | None:
    """Return the block that a head names, None for an unknown one."""
    name = word.lower()
    return next((block for block in BLOCKS if block and block == name), None)


def block_at(lines: Sequence[str], row: int, language: Language) -> tuple[BlockName | None, int | None]:
    """Return the block that is open where line `row` begins, and its number."""
    return _table_at(lines, row) if language == "toml" else _braces_at(lines, row)


def _table_at(lines: Sequence[str], row: int) -> tuple[BlockName | None, int | None]:
    for index in _back(lines, row):
        found = _TABLE.match(lines[index])
        if found:
            number = found[2]
            return as_block(found[1]), int(number) if number and number.isdecimal() else None
    return "", None


def _braces_at(lines: Sequence[str], row: int) -> tuple[BlockName | None, int | None]:
    for index in _back(lines, row):
        if "{" not in lines[index] and "}" not in lines[index]:
            continue
        tokens = tokens_of(lines[index])
        last = next((i for i in reversed(range(len(tokens))) if tokens[i].kind in {"{", "}"}), None)
        if last is None:
            continue
        if tokens[last].kind == "}":
            return "", None
        head: list[Token] = []
        for token in reversed(tokens[:last]):
            if token.kind in {"{", "}"}:
                break
            head.insert(0, token)
        above = index - 1
        while not head and above >= max(0, index - MAX_BACK):
            head = tokens_of(lines[above])  # the brace may stand on a line of its own
            above -= 1
        if not head:
            return None, None
        number = head[1].value if len(head) > 1 else ""
        return as_block(head[0].value), int(number) if number.isdecimal() else None
    return "", None


def _back(lines: Sequence[str], row: int) -> Iterator[int]:
    first = min(row, len(lines)) - 1
    return iter(range(first, max(-1, first - MAX_BACK), -1))


def place(lines: Sequence[str], row: int, column: int, language: Language) -> Place:
    """Return the place before `column` (from 0) of line `row`."""
    block, number = block_at(lines, row, language)
    before = lines[row][:column]
    if language == "toml":
        table = _TABLE.match(before)
        if table:
            return Place(as_block(table[1]), None, ())
        key = _KEY.match(before)
        return Place(block, number, (key["key"],) if key else ())
    words: list[str] = []
    for token in tokens_of(before):
        if token.kind == "{":
            block = as_block(words[0]) if words else None
            number = int(words[1]) if len(words) > 1 and words[1].isdecimal() else None
            words = []
        elif token.kind == "}":
            block, number, words = "", None, []
        else:
            words.append(token.value)
    return Place(block, number, tuple(words))


def statement_word(lines: Sequence[str], row: int, column: int, language: Language) -> Place:
    """Return the place with the statement's own word, though the cursor is in it or before it."""
    line = lines[row]
    if language == "toml":
        block, number = block_at(lines, row, language)
        table = _TABLE.match(line)
        if table:
            return Place("", None, (table[1],))
        key = _KEY.match(line)
        return Place(block, number, (key["key"],) if key else ())
    end = column
    while end < len(line) and not line[end].isspace() and line[end] not in "{}":
        end += 1
    found = place(lines, row, end, language)
    if found.words or line[:end].strip():
        return found
    # In the blanks before the first word: that word is what the line is about.
    first = len(line) - len(line.lstrip())
    while first < len(line) and not line[first].isspace() and line[first] not in "{}":
        first += 1
    return place(lines, row, first, language)
