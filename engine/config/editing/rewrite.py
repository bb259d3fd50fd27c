"""Edits in place: a text is made to mean another configuration, and keeps comments, order, quoting and line ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from engine.config.editing import appended_commands, balanceng_editor, toml_editor, toml_tables
from engine.config.editing.replay import replay
from engine.config.editing.splice import CannotEdit
from engine.config.finding import Findings
from engine.config.language import balanceng, toml
from engine.config.positions import START

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.config.finding import Finding
    from engine.config.language.syntax import Document
    from engine.config.load import Language
    from engine.config.model import Config
    from engine.config.positions import Positions

__all__ = ["CannotEdit", "Edited", "rewrite", "run_commands", "write_states"]

_ROUNDS = 3
"""A text that undoes a state and sets it again shows what to edit next only when it is parsed again."""


@dataclass(frozen=True)
class Edited:
    """A text after commands; where there is an error among the findings, the text as it was."""

    text: str
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether the commands were carried out, warnings aside."""
        return not any(finding.severity == "error" for finding in self.findings)


def write_states(
    text: str, language: Language, states: Mapping[tuple[Literal["target", "server"], int], bool]
) -> str:
    """Return the text with these servers and targets enabled or disabled, and everything else as it was.

    Numbers that the text does not define are ignored. Raises CannotEdit for a text with errors, and for TOML in a
    form that cannot be edited in place. Doing it twice changes nothing more.
    """
    parsed = _parse(_bare(text), language)
    config = parsed.config
    made = {
        f"{kind}s": [
            msgspec.structs.replace(item, enabled=states.get((kind, item.number), item.enabled))
            for item in getattr(config, f"{kind}s")
        ]
        for kind in ("server", "target")
    }
    return _rewrite(text, language, parsed, msgspec.structs.replace(config, **made))


def run_commands(text: str, language: Language, commands: str, file: str = "command") -> Edited:
    """Carry out BalanceNG's commands on a configuration text of either language. Never raises.

    Findings have their places in `commands`, under the name `file`: errors of the commands and of what they lead to,
    and new warnings. `text` is without errors.
    """
    findings = Findings(file)
    try:
        parsed = _parse(_bare(text), language)
        new = replay(parsed.config, commands, findings)
        if not findings.errors:
            text = _rewrite(text, language, parsed, new)
    except CannotEdit as error:
        findings.error("cannot-edit", START, str(error), "edit the file, and reload it")
    return Edited(text, findings.sorted())


def rewrite(text: str, language: Language, new: Config) -> str:
    """Return `text`, edited in as few places as needed to mean `new`. Raises CannotEdit.

    What is returned has been parsed again, and means `new`. Takes about half a second for the largest configuration.
    """
    return _rewrite(text, language, _parse(_bare(text), language), new)


class _Parsed(NamedTuple):
    """A text without errors; `document` is None for TOML."""

    config: Config
    positions: Positions
    document: Document | None


def _rewrite(text: str, language: Language, parsed: _Parsed, new: Config) -> str:
    bare = _bare(text)
    if parsed.config == new:
        return text
    edit = _rewrite_toml if language == "toml" else _rewrite_balanceng
    return text[: len(text) - len(bare)] + edit(bare, parsed, new)


def _rewrite_balanceng(text: str, parsed: _Parsed, new: Config) -> str:
    edited, now = text, parsed
    try:
        for _ in range(_ROUNDS):
            edited = _edit(edited, now, new)
            now = _parse(edited, "balanceng")
            if now.config == new:
                return edited
    except CannotEdit:
        pass  # commands at the end do the same, if less neatly
    # The modules are given once, so only where they stand.
    edited = _edit(text, parsed, msgspec.structs.replace(parsed.config, modules=new.modules))
    return _verified(appended_commands.append(edited, parsed.config, new), "balanceng", new)


def _edit(text: str, parsed: _Parsed, new: Config) -> str:
    if parsed.document is None:
        raise CannotEdit("this is not BalanceNG text")
    return balanceng_editor.edit(text, parsed.document, parsed.positions, parsed.config, new)


def _rewrite_toml(text: str, parsed: _Parsed, new: Config) -> str:
    try:
        return _verified(toml_editor.edit(text, parsed.config, new), "toml", new)
    except CannotEdit:
        return _verified(toml_tables.edit(text, parsed.config, new), "toml", new)


def _verified(text: str, language: Language, new: Config) -> str:
    if _parse(text, language).config != new:
        raise CannotEdit("this text cannot be edited in place")
    return text


def _parse(text: str, language: Language) -> _Parsed:
    findings = Findings("")
    document: Document | None = None
    if language == "toml":
        builder, _ = toml.parse(text, findings)
    else:
        builder, document = balanceng.parse(text, findings)
    config = builder.finish()
    if findings.errors:
        raise CannotEdit("the configuration has errors")
    return _Parsed(config, builder.positions, document)


def _bare(text: str) -> str:
    return text.removeprefix("\ufeff")
