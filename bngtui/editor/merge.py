"""Two changes of one text, put together object by object: servers, targets, networks, and the settings between them.

The text is cut into pieces that have a name: a block (``target 1 { … }``, ``[target.1]``) or a statement. What only one
side has changed is taken from that side. In a block that both have changed the same is done word by word, and where
both have changed the same word that is a clash. Comments and blank lines belong to the piece that follows them. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.config.load import Language

Key = tuple[str, ...]

_ACTS = frozenset({"register", "enable", "disable", "no"})
"""Statements that may stand any number of times: each is a piece by itself, named by all its words."""

_HEADER = re.compile(r"\[\[?([^\]]+)\]\]?")
_END: Key = ("end",)


class Clash(NamedTuple):
    """Something that both have changed, each in another way. "" stands for a side that has removed it."""

    where: str  # "target 1", or for a statement between the blocks its name
    mine: str  # "weight 3"
    theirs: str


class Merged(NamedTuple):
    """The text that both changes lead to: with `mine` or `theirs` where they clash; the same where they do not."""

    mine: str
    theirs: str
    clashes: tuple[Clash, ...]


def merge(base: str, mine: str, theirs: str, language: Language) -> Merged:
    """Put together what `mine` and `theirs` have changed in `base`; all three are in `language`."""
    cut = [_pieces(text, language) for text in (base, mine, theirs)]
    clashes: list[Clash] = []
    with_mine = _merged(cut, "", clashes, prefer_mine=True)
    with_theirs = _merged(cut, "", [], prefer_mine=False)
    return Merged(_text(with_mine), _text(with_theirs), tuple(clashes))


@dataclass(frozen=True)
class _Piece:
    """Lines that belong together; `inside` are those of a block, the first of them its opening, each a piece itself."""

    key: Key
    lines: tuple[str, ...]
    inside: tuple[_Piece, ...] = field(default=(), compare=False)

    @property
    def said(self) -> str:
        """The statement on one line, without the comments before it."""
        return " ".join(" ".join(_bare(line).split()) for line in self.lines).strip()


# -- cutting ----------------------------------------------------------------------------------------------------------


def _pieces(text: str, language: Language) -> list[_Piece]:
    statements = _statements(text.split("\n"), language)
    return _of_toml(statements) if language == "toml" else _of_balanceng(statements)


def _statements(lines: Iterable[str], language: Language) -> list[_Piece]:
    """Cut into statements, each with the comments and blank lines before it; one of TOML goes on to its last bracket."""
    found: list[_Piece] = []
    held: list[str] = []
    depth = 0
    first = ""
    for line in lines:
        held.append(line)
        bare = _bare(line)
        if not bare and not depth:
            continue
        first = first if depth else bare
        if language == "toml":
            depth = max(0, depth + sum(map(bare.count, "[{")) - sum(map(bare.count, "]}")))
        if not depth:
            found.append(_Piece((first,), tuple(held)))
            held = []
    if held:
        found.append(_Piece(_END, tuple(held)))
    return found


def _bare(line: str) -> str:
    """Return a line without its comment and the blanks around it; what is in quotes is no comment."""
    quoted = ""
    for place, char in enumerate(line):
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "\"'":
            quoted = char
        elif char == "#" or line.startswith("//", place):
            return line[:place].strip()
    return line.strip()


def _of_balanceng(statements: Sequence[_Piece]) -> list[_Piece]:
    found: list[_Piece] = []
    block: list[_Piece] = []
    for one in statements:
        bare = one.key[0]
        if block:
            block.append(_named(one, bare))
            if bare.startswith("}"):
                found.append(_block(tuple(block[0].key[1:]), block))
                block = []
        elif bare.endswith("{"):
            block = [_Piece(("{", *bare.rstrip("{").split()), one.lines)]
        else:
            found.append(_named(one, bare))
    return _numbered(found + block)  # an unfinished block stays as it is: the check tells


def _of_toml(statements: Sequence[_Piece]) -> list[_Piece]:
    found: list[_Piece] = []
    block: list[_Piece] = []
    for one in statements:
        header = _HEADER.fullmatch(one.key[0])
        if header is None and block and one.key != _END:
            block.append(_Piece((one.key[0].partition("=")[0].strip(),), one.lines))
            continue
        if block:
            found.append(_block(block[0].key[1:], block))
            block = []
        if header is not None:
            block = [_Piece(("{", *header[1].replace(" ", "").split(".")), one.lines)]
        else:
            found.append(
                _Piece((one.key[0].partition("=")[0].strip(),), one.lines) if one.key != _END else one
            )
    if block:
        found.append(_block(block[0].key[1:], block))
    return _numbered(found)


def _named(one: _Piece, bare: str) -> _Piece:
    """Name a statement of BalanceNG's language by what it sets, or by all of it."""
    if one.key == _END:
        return one
    words = bare.partition("{")[0].split() or [bare]
    if words[0] in _ACTS:
        return _Piece(("act", *words), one.lines)
    if "{" in bare:  # a block on one line
        return _Piece(("block", *words), one.lines)
    if len(words) > 2 and words[1].isdecimal():  # target 1 weight 3
        return _Piece(tuple(words[:3]), one.lines)
    return _Piece(tuple(words[:2]) if words[0] == "set" else (words[0],), one.lines)


def _block(key: Key, pieces: Sequence[_Piece]) -> _Piece:
    lines = tuple(line for piece in pieces for line in piece.lines)
    return _Piece(("block", *key), lines, tuple(_numbered(pieces)))


def _numbered(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Tell apart pieces of one name by which of them they are."""
    seen: dict[Key, int] = {}
    found = []
    for piece in pieces:
        count = seen[piece.key] = seen.get(piece.key, 0) + 1
        found.append(_Piece((*piece.key, f"#{count}"), piece.lines, piece.inside) if count > 1 else piece)
    return found


# -- putting together -------------------------------------------------------------------------------------------------


def _merged(
    cut: Sequence[Sequence[_Piece]], where: str, clashes: list[Clash], *, prefer_mine: bool
) -> list[_Piece]:
    """Merge pieces (base, mine, theirs); the order is theirs, and what only I have follows what it follows with me."""
    base, mine, theirs = ({piece.key: piece for piece in pieces} for pieces in cut)
    chosen: dict[Key, _Piece | None] = {}
    for key in dict.fromkeys([*theirs, *mine]):
        sides = (base.get(key), mine.get(key), theirs.get(key))
        chosen[key] = _choose(sides, where, clashes, prefer_mine=prefer_mine)
    order = list(theirs)
    before: Key | None = None
    for key in mine:
        if key not in theirs:
            order.insert(0 if before is None else order.index(before) + 1, key)
        before = key
    return [piece for key in order if (piece := chosen[key]) is not None]


def _choose(
    sides: tuple[_Piece | None, _Piece | None, _Piece | None],
    where: str,
    clashes: list[Clash],
    *,
    prefer_mine: bool,
) -> _Piece | None:
    base, mine, theirs = sides
    if theirs in (mine, base):
        return mine
    if mine == base:
        return theirs
    if mine is not None and theirs is not None and mine.inside and theirs.inside:
        inside = [piece.inside if piece is not None else () for piece in (base, mine, theirs)]
        name = " ".join(mine.key[1:])
        return _block(mine.key[1:], _merged(inside, name, clashes, prefer_mine=prefer_mine))
    some = mine or theirs
    if some is not None:
        name = " ".join(part for part in some.key if part not in {"block", "act", "{"})
        said = ["" if one is None else "changed" if some.inside else one.said for one in (mine, theirs)]
        clashes.append(Clash(where or name, *said))
    return mine if prefer_mine else theirs


def _text(pieces: Iterable[_Piece]) -> str:
    return "\n".join(line for piece in pieces for line in piece.lines)
