"""Edits in place: a text comes to say something else, and keeps its comments, blank lines, order, quoting and line ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from engine.config import balanceng, edit_balanceng, edit_toml, toml
from engine.config.commands import replay
from engine.config.findings import START, Findings
from engine.config.splice import CannotEdit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.config.finding import Finding
    from engine.config.model import Config
    from engine.config.source import Language
    from engine.config.syntax import Document

__all__ = ["CannotEdit", "Edited", "rewrite", "run_commands", "write_states"]

_ROUNDS = 3
"""A text that takes a state back and gives it again shows what to edit next only when it is read again."""


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
    """Make a configuration say which servers and targets are enabled, and nothing else otherwise than before.

    Numbers that the text does not define are overlooked. Raises CannotEdit for a text with errors, and for TOML in a
    form that cannot be edited in place. Doing it twice changes nothing more.
    """
    config, _ = _read(_bare(text), language)
    made = {
        f"{kind}s": [
            msgspec.structs.replace(item, enabled=states.get((kind, item.number), item.enabled))
            for item in getattr(config, f"{kind}s")
        ]
        for kind in ("server", "target")
    }
    return rewrite(text, language, msgspec.structs.replace(config, **made))


def run_commands(text: str, language: Language, commands: str, file: str = "command") -> Edited:
    """Carry BalanceNG's commands out on a configuration text of either language. Never raises.

    What is wrong is told with its place in `commands`, under the name `file`: errors of the commands and of what they
    lead to, and new warnings. `text` is without errors.
    """
    findings = Findings(file)
    try:
        config, _ = _read(_bare(text), language)
        new = replay(config, commands, findings)
        if not findings.errors:
            text = rewrite(text, language, new)
    except CannotEdit as error:
        findings.error("cannot-edit", START, str(error), "edit the file, and reload it")
    return Edited(text, findings.sorted())


def rewrite(text: str, language: Language, new: Config) -> str:
    """Return `text`, edited in as few places as needed to say `new`. Raises CannotEdit.

    What is returned has been read again, and says `new`.
    """
    bare = _bare(text)
    mark = text[: len(text) - len(bare)]
    edit = _rewrite_toml if language == "toml" else _rewrite_balanceng
    return mark + edit(bare, new)


def _rewrite_balanceng(text: str, new: Config) -> str:
    start = edited = text
    try:
        for _ in range(_ROUNDS):
            draft, document = balanceng.parse(edited, findings := Findings(""))
            old = draft.finish()
            if findings.errors:
                break
            if old == new:
                return edited
            edited = edit_balanceng.edit(edited, document, draft.positions, old, new)
    except CannotEdit:
        pass  # commands at the end say the same, if not as nicely
    draft, document = balanceng.parse(start, Findings(""))
    old = draft.finish()
    ordered = msgspec.structs.replace(old, modules=new.modules)  # given once, so only where it stands
    start = edit_balanceng.edit(start, document, draft.positions, old, ordered)
    return _verified(edit_balanceng.append(start, old, new), "balanceng", new)


def _rewrite_toml(text: str, new: Config) -> str:
    old, _ = _read(text, "toml")
    if old == new:
        return text
    try:
        return _verified(edit_toml.edit(text, old, new), "toml", new)
    except CannotEdit:
        return _verified(edit_toml.edit_by_tables(text, old, new), "toml", new)


def _verified(text: str, language: Language, new: Config) -> str:
    if _read(text, language)[0] != new:
        raise CannotEdit("this text cannot be edited in place")
    return text


def _read(text: str, language: Language) -> tuple[Config, Document | None]:
    findings = Findings("")
    if language == "toml":
        draft, _ = toml.parse(text, findings)
        document = None
    else:
        draft, document = balanceng.parse(text, findings)
    config = draft.finish()
    if findings.errors:
        raise CannotEdit("the configuration has errors")
    return config, document


def _bare(text: str) -> str:
    return text.removeprefix("\ufeff")
