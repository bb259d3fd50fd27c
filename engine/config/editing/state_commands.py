"""Edits of the commands that register, enable and disable in a BalanceNG text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from engine.config.editing.parts import edited_list
from engine.config.language import values
from engine.config.language.keywords import KINDS, PLURALS, Kind

if TYPE_CHECKING:
    from engine.config.editing.splice import Splices
    from engine.config.language.lexer import Token
    from engine.config.language.syntax import Statement

Action = Literal["register", "enable", "disable", "unregister", "remove"]
_UNDONE: dict[str, Action] = {"register": "unregister", "enable": "disable"}
KILLERS: dict[str, frozenset[Action]] = {
    "register": frozenset({"unregister", "remove"}),
    "enable": frozenset({"disable", "unregister", "remove"}),
}
"""What undoes a state: after one of these the state must be set again."""


@dataclass(eq=False)
class StateCommand:
    """One `register targets 1,2`, `enable`, `disable`, `no register`, `no enable` or `no target 3` of a text."""

    index: int  # of the statement in the text
    statement: Statement
    action: Action
    kind: Kind
    word: Token  # "target" or "targets"
    given: list[Token]  # the list
    numbers: set[int]
    drop: set[int] = field(default_factory=set)
    add: set[int] = field(default_factory=set)

    @property
    def result(self) -> set[int]:
        """The numbers it names once edited."""
        return self.numbers - self.drop | self.add

    def write(self, splices: Splices) -> None:
        """Edit the list; a statement with an empty list is deleted."""
        result = self.result
        if result == self.numbers:
            return
        first, last = self.given[0], self.given[-1]
        if not result:
            word = self.statement.word
            splices.delete(splices.offset(word.line, word.column), splices.offset(last.line, last.end))
            return
        start, end = splices.offset(first.line, first.column), splices.offset(last.line, last.end)
        splices.replace(start, end, edited_list(splices.text[start:end], self.numbers, result))
        if self.word.value in {self.kind, f"{self.kind}s"}:
            plural = self.kind if len(result) == 1 else f"{self.kind}s"
            splices.replace(*splices.range(self.word.span), plural)


def read(statements: list[Statement]) -> list[StateCommand]:
    """Return the state commands of a text without errors."""
    found = []
    for index, statement in enumerate(statements):
        word, tokens = statement.word.value.lower(), statement.tokens
        action: Action
        if word == "no" and len(tokens) > 2 and tokens[1].value.lower() in _UNDONE:
            action, tokens = _UNDONE[tokens[1].value.lower()], tokens[1:]
        elif word == "no":
            action = "remove"
        elif word in {"register", "enable", "disable"}:
            action = word  # type: ignore[assignment]
        else:
            continue
        name = tokens[1].value.lower() if len(tokens) > 2 else ""
        kind: Kind | None = PLURALS.get(name) or (name if name in KINDS else None)
        if kind is None:  # `no gateway`
            continue
        text = ",".join(token.value for token in tokens[2:]).replace(",,", ",")
        numbers = _numbers(text, kind)
        found.append(StateCommand(index, statement, action, kind, tokens[1], tokens[2:], numbers))
    return found


def _numbers(text: str, kind: Kind) -> set[int]:
    return {n for element in values.elements(text, KINDS[kind]) for n in element.numbers}
