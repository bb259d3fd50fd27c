"""Edits of TOML by tomlkit's tables: for forms whose tables have no header of their own (`target.1.weight = 5`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
import tomlkit.exceptions

from engine.config.editing.parts import STATES, unwritten
from engine.config.editing.splice import CannotEdit
from engine.config.language import values
from engine.config.language.keywords import BLOCKS, KINDS
from engine.config.model import get_word
from engine.domain.checks import CHECK_KINDS, CheckSettings

if TYPE_CHECKING:
    from engine.config.model import Config


def edit(text: str, old: Config, new: Config) -> str:
    """Return the text with what differs between the models edited, by tomlkit. Raises CannotEdit."""
    try:
        document = tomlkit.parse(text)
        _set_tables(document, old, new)
        return tomlkit.dumps(document)
    except (
        tomlkit.exceptions.TOMLKitError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
    ) as error:
        raise CannotEdit("this form of TOML cannot be edited in place") from error


def _set_tables(document: Any, old: Config, new: Config) -> None:
    if old.modules != new.modules:
        document["modules"] = list(new.modules)
    for name in old.settings.keys() - new.settings.keys():
        del document["set"][name]
    for name, value in new.settings.items():
        if old.settings.get(name) != value:
            _sub(document, "set")[name] = value
    for name in ("gateway", "vrrp"):
        before, after = getattr(old, name), getattr(new, name)
        if before is not None and after is None:
            del document[name]
        elif after is not None and before != after:
            _set_words(_sub(document, name), name, before or type(after)(), after)
    for kind in KINDS:
        was = {item.number: item for item in getattr(old, f"{kind}s")}
        items = {item.number: item for item in getattr(new, f"{kind}s")}
        for number in was.keys() - items.keys():
            del document[kind][str(number)]
        for number, item in items.items():
            if was.get(number) == item:
                continue
            before = was.get(number) or type(item)(number=number)
            table = _sub(_sub(document, kind), str(number))
            _set_words(table, kind, before, item)
            for word in STATES:
                if number not in was or getattr(was[number], word) != getattr(item, word):
                    table[word] = getattr(item, word)


def _sub(table: Any, name: str) -> Any:
    if name not in table:
        table[name] = tomlkit.table()
    return table[name]


def _set_words(table: Any, block: str, old: Any, new: Any) -> None:
    for word in BLOCKS[block]:  # type: ignore[index]
        before, after = get_word(old, word), get_word(new, word)
        if before == after and not (word in values.ALWAYS_WRITTEN and word not in table):
            continue
        if unwritten(block, after):
            table.pop(word, None)
        elif isinstance(after, CheckSettings):
            inline = tomlkit.inline_table()
            inline.update(CHECK_KINDS[word].values(after))
            table[word] = inline
        else:
            table[word] = "any" if word == "port" and after == 0 else after
