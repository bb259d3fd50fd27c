"""Colours for BalanceNG's language: a line and its block in, runs of ink out. Pure; drawn from the table of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from bngtui.render.source_text import as_block, tokens_of
from engine.config.language.keywords import BLOCKS, KINDS, PLURALS, TOP

if TYPE_CHECKING:
    from bngtui.render.text import Role
    from engine.config.language.keywords import BlockName
    from engine.config.language.lexer import Token

Ink = Literal["keyword", "word", "value", "number", "string", "comment", "brace"]

INKS: dict[Ink, Role] = {
    "keyword": "accent",
    "word": "strong",
    "value": "text",
    "number": "graph",
    "string": "draining",
    "comment": "muted",
    "brace": "muted",
}
"""Ink → role. States' colours are left to states: a configuration is not up or down."""

TREE_SITTER: dict[str, Ink] = {
    "toml.type": "keyword",
    "boolean": "value",
    "comment": "comment",
    "string": "string",
    "number": "number",
    "float": "number",
    "toml.datetime": "number",
    "operator": "brace",
    "punctuation.bracket": "brace",
    "punctuation.delimiter": "brace",
}
"""Names of the TOML grammar's highlight query → ink, so that both languages look alike.

The query calls the names of tables and of what is in them alike; the second are "word".
"""

_SECOND = frozenset({"register", "enable", "disable", "no"})
_KINDS = frozenset(KINDS) | frozenset(PLURALS) | {"register", "enable"}


class Run(NamedTuple):
    """Characters `start` up to `end` (counted from 0) of a line, and their ink."""

    start: int
    end: int
    ink: Ink


def highlight(line: str, block: BlockName | None) -> list[Run]:
    """Return the runs of one line, which begins in `block`. A word that the block does not know stays plain."""
    runs: list[Run] = []
    said: list[str] = []
    end = 0
    for token in tokens_of(line):
        end = token.end - 1
        ink = _ink(token, said, block)
        if token.kind == "{":
            block, said = as_block(said[0]) if said else None, []
        elif token.kind == "}":
            block, said = "", []
        else:
            said.append(token.value)
        if ink is not None:
            runs.append(Run(token.column - 1, end, ink))
    comment = line.find("//", end)
    if comment >= 0 and not line[end:comment].strip():
        runs.append(Run(comment, len(line), "comment"))
    return runs


def _ink(token: Token, said: list[str], block: BlockName | None) -> Ink | None:
    if token.kind in {"{", "}"}:
        return "brace"
    if token.kind == "text":
        return "string"
    word = token.value.lower()
    if not said:
        if block == "":
            return "keyword" if word in TOP else None
        return "word" if block is None or word in BLOCKS[block] else None
    first = said[0].lower()
    if block == "" and first in _SECOND and word in _KINDS:
        return "keyword"
    if block == "" and first == "set" and word in BLOCKS["set"]:
        return "word"
    return "number" if word[:1].isdigit() else "value"
