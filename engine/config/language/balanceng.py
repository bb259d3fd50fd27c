"""From BalanceNG text to the model and back.

A file is a sequence of commands: definitions, `register` and `enable`, in any order and with forward references, as
in the examples on BalanceNG's pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.config.language import syntax, values
from engine.config.language.builder import ConfigBuilder, ranges
from engine.config.language.command_reader import CommandReader
from engine.config.language.keywords import BLOCKS
from engine.config.language.lexer import quote
from engine.config.model import default_of, get_word
from engine.domain.checks import CHECK_KINDS

if TYPE_CHECKING:
    from engine.config.finding import Findings
    from engine.config.language.syntax import Document
    from engine.config.model import Config


def parse(text: str, findings: Findings) -> tuple[ConfigBuilder, Document]:
    """Read BalanceNG text into a builder; never raises. The document keeps every token's place, for editing."""
    document = syntax.parse(text, findings)
    reader = CommandReader(text, findings, ConfigBuilder(findings))
    for statement in document.statements:
        if findings.full:
            break
        reader.top(statement)
    return reader.builder, document


def dump(config: Config) -> str:
    """Write the model as BalanceNG text; `parse` of it gives an equal model. What has its default is left out.

    Raises ValueError for a text that no file can hold, which no file can have given.
    """
    out = [f"modules   {','.join(config.modules) or quote('')}"]
    out += [f"set       {name} {_text(value)}" for name, value in config.settings.items()]
    for kind in ("interface", "network"):
        _items(out, kind, getattr(config, f"{kind}s"))
    for name, holder in (("gateway", config.gateway), ("vrrp", config.vrrp)):
        if holder is not None:
            _block(out, name, name, holder)
    for kind in ("server", "target"):
        _items(out, kind, getattr(config, f"{kind}s"))
    return "\n".join(out) + "\n"


def _items(out: list[str], kind: str, items: list[Any]) -> None:
    for item in items:
        _block(out, kind, f"{kind:<9} {item.number}", item)
        if kind != "target":
            _flags(out, kind, [item])
    if kind == "target":  # as BalanceNG does: targets come last, and are registered together
        _flags(out, kind, items)


def _flags(out: list[str], kind: str, items: list[Any]) -> None:
    for action, numbers in (
        ("register", [item.number for item in items if item.registered]),
        ("enable", [item.number for item in items if item.enabled]),
    ):
        if numbers:
            out.append(f"{action:<9} {kind if len(numbers) == 1 else kind + 's'} {ranges(numbers)}")


def _block(out: list[str], block: str, head: str, holder: Any) -> None:
    out.append(f"{head} {{")
    for word in BLOCKS[block]:  # type: ignore[index]
        value = get_word(holder, word)
        if value != default_of(holder, word) or (word in values.ALWAYS_WRITTEN and value is not None):
            out.append(f"          {word} {written(word, value)}")
    out.append("}")


def written(word: str, value: Any) -> str:
    """Write one value as BalanceNG does; `word` decides how, since 0 is `any` for a port only."""
    if word == "port":
        return str(value or "any")
    if word == "dsr":
        return "enable" if value else "disable"
    if word in CHECK_KINDS:
        return ",".join(map(str, CHECK_KINDS[word].values(value).values()))
    if isinstance(value, list):
        return ",".join(map(str, value))
    return _text(str(value))


def _text(value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"cannot be written in a configuration: {value!r}")
    return quote(value)
