"""What a word in the editor may become, with what it means: a text and a place in, offers out. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bngtui.render.source_text import Place, place, statement_word
from bngtui.render.text import Line, Span, clean, fit, fit_spans
from engine.config.language.keywords import BLOCKS, KINDS, PLURALS, TOP, Keyword

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bngtui.render.source_text import Language

MOST = 60
"""Offers kept: a longer list wants another letter, not more scrolling."""

MAX_SCANNED = 40_000
"""Lines looked at for the numbers that are defined in the text."""

_PARTIAL = re.compile(r"[^\s{}\[\]=,\"]*$")
_LISTS = {"targets": "target", "backup": "target", "interface": "interface", "network": "network"}
_STATES: dict[str, Keyword] = {
    "registered": Keyword("whether the definition is complete", "true | false", ("true", "false")),
    "enabled": Keyword("whether it is at work", "true | false", ("true", "false")),
}
_CLOSE = Keyword("the end of the block", "")


class Offer(NamedTuple):
    """A word that fits, how its value is written and what it does."""

    word: str
    form: str
    help: str


class Offers(NamedTuple):
    """What may stand instead of the characters from column `start` (from 0) up to the cursor."""

    start: int
    items: tuple[Offer, ...]


def offers(lines: Sequence[str], row: int, column: int, language: Language) -> Offers:
    """Return what the word before the cursor may become, those that begin like it first."""
    before = lines[row][:column]
    found = _PARTIAL.search(before)
    partial = found[0] if found else ""
    start = column - len(partial)
    if language == "toml":
        items = _toml(lines, row, start, before[:start])
    else:
        items = _balanceng(lines, place(lines, row, start, "balanceng"))
    low = partial.lower()
    begins = [offer for offer in items if offer.word.lower().startswith(low)]
    within = [offer for offer in items if len(low) > 1 and low in offer.word.lower() and offer not in begins]
    return Offers(start, tuple([*begins, *within][:MOST]))


def _balanceng(lines: Sequence[str], where: Place) -> list[Offer]:
    if where.block is None:
        return []
    words = BLOCKS[where.block]
    if not where.words:
        items = _words(words)
        return [*items, Offer("}", "", _CLOSE.help)] if where.block else items
    first, *rest = [word.lower() for word in where.words]
    if where.block:
        if first in _LISTS:
            return _numbers(lines, _LISTS[first], "balanceng")
        return _values(words.get(first))
    if first == "modules":
        return _values(TOP["modules"])
    if first == "set" and not rest:
        return _words(BLOCKS["set"])
    if first == "no" and not rest:
        return [*_words({"register": TOP["register"], "enable": TOP["enable"]}), *_kinds()]
    if first == "no" and rest[0] in {"register", "enable"}:
        rest = rest[1:]
    if first in {"register", "enable", "disable", "no"}:
        kind = PLURALS.get(rest[0], rest[0]) if rest else ""
        return _numbers(lines, kind, "balanceng") if rest else _kinds()
    return []


def _toml(lines: Sequence[str], row: int, start: int, before: str) -> list[Offer]:
    if before.strip().startswith("[") and "=" not in before:
        tables = [
            *(Offer(f"{kind}.", "N]", TOP[kind].help) for kind in KINDS),
            *(Offer(f"{name}]", "", TOP[name].help) for name in ("gateway", "vrrp", "set")),
        ]
        return [] if "." in before else tables
    where = place(lines, row, start, "toml")
    if where.block is None:
        return []
    words = dict(BLOCKS[where.block])
    if where.block in KINDS:
        words |= _STATES
    if not where.words:
        if where.block:
            return _words(words)
        heads = [Offer(f"[{kind}.", "N]", TOP[kind].help) for kind in KINDS]
        return [*_words({"modules": TOP["modules"]}), *heads]
    first = where.words[0]
    if first in _LISTS:
        return _numbers(lines, _LISTS[first], "toml")
    word = words.get(first)
    if first == "dsr":
        word = Keyword(BLOCKS["target"]["dsr"].help, "true", ("true", "false"))
    bare = word is not None and word.values == ("true", "false")
    quote = "" if bare or before.rstrip(" ").endswith('"') else '"'
    return [Offer(f"{quote}{offer.word}{quote}", offer.form, offer.help) for offer in _values(word)]


def _words(words: dict[str, Keyword]) -> list[Offer]:
    return [Offer(name, word.form, _explained(word)) for name, word in words.items()]


def _kinds() -> list[Offer]:
    return [Offer(kind, "LIST", TOP[kind].help) for kind in KINDS]


def _values(word: Keyword | None) -> list[Offer]:
    return [Offer(value, "", _explained(word)) for value in word.values] if word is not None else []


def _explained(word: Keyword) -> str:
    return f"{word.help}; not built yet: {word.pending}" if word.pending else word.help


def _numbers(lines: Sequence[str], kind: str, language: Language) -> list[Offer]:
    """Return the numbers of a kind that the text defines, each with the first thing said in its block."""
    if kind not in KINDS:
        return []
    head = re.compile(
        rf"\s*\[\s*{kind}\s*\.\s*(\d+)\s*\]" if language == "toml" else rf"\s*{kind}\s+(\d+)\s*\{{",
        re.IGNORECASE,
    )
    found: dict[str, str] = {}
    for index, line in enumerate(lines[:MAX_SCANNED]):
        match = head.match(line)
        if match:
            about = " ".join(lines[index + 1].split()) if index + 1 < len(lines) else ""
            found.setdefault(match[1], "" if about == "}" else about)
    return [Offer(number, "", f"{kind} {number}: {about}".rstrip(": ")) for number, about in found.items()]


def explained(lines: Sequence[str], row: int, column: int, language: Language) -> tuple[str, Keyword] | None:
    """Return the word that the line at the cursor is about and what it is; None where there is none that is known."""
    if row >= len(lines):
        return None
    where = statement_word(lines, row, column, language)
    if where.block is None or not where.words:
        return None
    word = where.words[0].lower()
    known = BLOCKS[where.block]
    if where.block == "" and word == "set" and len(where.words) > 1:
        known, word = BLOCKS["set"], where.words[1].lower()
    if word in known:
        return word, known[word]
    return (word, _STATES[word]) if language == "toml" and word in _STATES else None


def explained_spans(found: tuple[str, Keyword] | None) -> list[Span]:
    """Draw what `explained` found: ``weight 1-255: share of new sessions``."""
    if found is None:
        return []
    word, about = found
    form = f" {about.form}" if about.form else ""
    return [Span(word, "accent"), Span(form, "muted"), Span(f": {_explained(about)}", "muted")]


def popup_height(count: int, room: int) -> int:
    """Return the lines that a popup of `count` offers takes where there is `room` for so many lines."""
    return min(count + 1, max(2, min(9, room)))


def paint_popup(items: Sequence[Offer], chosen: int, width: int, height: int) -> list[Line]:
    """Draw a popup: the offers, and below them what the chosen one means."""
    body = max(1, height - 1)
    top = max(0, chosen - body + 1)
    shown = items[top : top + body]
    column = min(max((len(offer.word) for offer in shown), default=1), width // 2)
    lines = []
    for index, offer in enumerate(shown, start=top):
        here = index == chosen
        spans = [
            Span("▸ " if here else "  ", "accent"),
            Span(fit(clean(offer.word), column), "accent" if here else "text"),
            Span(f"  {clean(offer.form or offer.help)}", "muted"),
        ]
        lines.append(Line(fit_spans(spans, width), "cursor" if here else "bar"))
    more = f"{chosen + 1}/{len(items)} " if len(items) > body else ""
    about = items[chosen].help if items else ""
    lines.append(Line(fit_spans([Span(f" {more}", "accent"), Span(clean(about), "text")], width), "bar"))
    return lines


def best_width(items: Iterable[Offer], room: int) -> int:
    """Return the width of a popup: what its longest line wants, and no more than `room`."""
    wanted = max((len(o.word) + len(o.form) + 6 for o in items), default=20)
    helps = max((len(o.help) + 8 for o in items), default=20)
    return max(20, min(room, max(wanted, helps)))
