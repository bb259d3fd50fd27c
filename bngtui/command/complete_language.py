"""What Tab offers in the configuration language: drawn from engine.config.language.keywords, and from what the engine has."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from engine.config.language import lexer
from engine.config.language.keywords import BLOCKS, KINDS, PLURALS, TOP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.api.messages import State
    from engine.config.language.keywords import BlockName

    States = Callable[[], State | None]

_LISTS = {"targets": "target", "backup": "target", "interface": "interface", "network": "network"}
_NUMBERED = frozenset(KINDS)


def candidates(text: str, partial: str, state: States) -> list[str]:
    """Return what `partial` may become after `text`, which may be several lines with a block open.

    `state` is asked only where numbers are wanted; None: the engine does not answer.
    """
    owner, words = place(text)
    if owner is None:
        return _top(words, partial, state)
    block = owner[0].lower() if owner else ""
    if block not in BLOCKS or not block:
        return []
    return _in_block(block, words, "}", partial, state)


def place(text: str) -> tuple[list[str] | None, list[str]]:
    """Return the head of the block that is open at the end, None where none is, and the words of the last line."""
    owner: list[str] | None = None
    head: list[str] = []
    said: list[str] = []
    for line in text.split("\n"):
        # A brace may stand on the line after its head.
        head, said = said or head, []
        for tokens in lexer.lines(line):
            for token in tokens:
                if token.kind == "{":
                    owner, said = said or head, []
                elif token.kind == "}":
                    owner, said = None, []
                else:
                    said.append(token.value)
    return owner, said


def words() -> frozenset[str]:
    """Return the words that a blank may follow."""
    return frozenset(word for block in BLOCKS.values() for word in block) | _NUMBERED | frozenset(PLURALS)


def _in_block(block: str, said: Sequence[str], brace: str, partial: str, state: States) -> list[str]:
    known = BLOCKS[cast("BlockName", block)]
    if not said:
        return _fitting([*known, *brace], partial)
    word = said[0].lower()
    if word not in known or len(said) > 1:
        return []
    if word in _LISTS:
        return _numbers(_LISTS[word], partial, state)
    return _fitting(known[word].values, partial)


def _top(words: Sequence[str], partial: str, state: States) -> list[str]:
    if not words:
        return _fitting(TOP, partial)
    word, *said = [word.lower() for word in words]
    if word in _NUMBERED:
        # `target 1 weight 3` says of what exists what `target 1 { weight 3 }` does.
        return _in_block(word, said[1:], "{", partial, state) if said else _numbers(word, partial, state)
    if word in {"gateway", "vrrp", "set"}:
        return _in_block(word, said, "{", partial, state)
    if word == "modules":
        return _listed(TOP["modules"].values, partial) if not said else []
    single = word == "no"
    if single and not said:
        return _fitting(["register", "enable", *KINDS], partial)
    if single and said[0] in {"register", "enable"}:
        single, said = False, said[1:]
    if not said:
        return _fitting(KINDS, partial)
    kind = PLURALS.get(said[0], said[0])
    if kind not in _NUMBERED:
        return []
    if single and len(said) == 2:
        return _in_block(kind, [], "", partial, state)
    return _numbers(kind, partial, state) if len(said) == 1 else []


def _numbers(kind: str, partial: str, state: States) -> list[str]:
    now = state()
    things: Iterable[object] = getattr(now, f"{kind}s", ()) if now is not None else ()
    return _listed([str(getattr(thing, "number", "")) for thing in things], partial)


def _listed(names: Iterable[str], partial: str) -> list[str]:
    head, comma, last = partial.rpartition(",")
    there = set(head.split(","))
    return [head + comma + name for name in _fitting(names, last) if name not in there]


def _fitting(words: Iterable[str], partial: str) -> list[str]:
    return [word for word in words if word.startswith(partial)]
