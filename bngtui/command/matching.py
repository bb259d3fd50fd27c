"""Words matched against commands: which one is meant, and what was given to it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from bngtui.command.spec import Call, Command, Option, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def match(commands: Sequence[Command], tokens: Sequence[str]) -> tuple[Command, list[str]]:
    """Find the one of `commands` that the first tokens name, and what is left of them.

    Words may be cut short as long as one command remains (``sh serv``), and be singular or plural. Raises
    UsageError, with the nearest known word or the choices.
    """
    candidates = commands
    at = 0
    while at < len(candidates[0].words):
        choices = sorted({command.words[at] for command in candidates})
        said = " ".join(tokens[:at])
        if at == len(tokens):
            raise UsageError(f"{said}: what? One of {', '.join(choices)}")
        candidates = _narrow(candidates, at, tokens[at])
        words = sorted({command.words[at] for command in candidates})
        if not words:
            near = difflib.get_close_matches(tokens[at], choices, 1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(choices)}"
            what = f"{said} {tokens[at]}".strip()
            raise UsageError(f"unknown command {what!r}; {hint}")
        if len(words) > 1:
            raise UsageError(f"{tokens[at]!r} is ambiguous: {', '.join(words)}")
        at += 1
    return candidates[0], list(tokens[at:])


def parse(commands: Sequence[Command], tokens: Sequence[str]) -> Call:
    """Make a call of a line's words. Raises UsageError."""
    command, rest = match(commands, tokens)
    options = {option.name: option.default for option in command.options}
    values: list[str] = []
    at = 0
    while at < len(rest):
        token = rest[at]
        at += 1
        if token == "--":  # noqa: S105 - no password: what ends the options
            values += rest[at:]
            break
        if not token.startswith("-") or token == "-":  # noqa: S105 - standard input
            values.append(token)
            continue
        name, equals, value = token.partition("=")
        option = _option(command, name)
        if not option.value:
            if equals:
                raise UsageError(f"{name} takes no value; usage: {command.usage}")
            options[name] = True
            continue
        if not equals:
            if at == len(rest):
                raise UsageError(f"{name}: {option.value} is missing; usage: {command.usage}")
            value = rest[at]
            at += 1
        try:
            options[name] = option.read(value)
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None
    return Call(command, _arguments(command, values), options)


def _narrow(candidates: Sequence[Command], at: int, token: str) -> list[Command]:
    def names(command: Command) -> tuple[str, ...]:
        aliases = command.aliases if at == len(command.words) - 1 else ()
        return (command.words[at], *aliases)

    exact = [
        command
        for command in candidates
        if any(token in {name, name + "s"} or token + "s" == name for name in names(command))
    ]
    return exact or [
        command for command in candidates if token and any(name.startswith(token) for name in names(command))
    ]


def _option(command: Command, name: str) -> Option:
    for option in command.options:
        if option.name == name:
            return option
    raise UsageError(f"unknown option {name}; usage: {command.usage}")


def _arguments(command: Command, values: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for argument in command.args:
        if not values:
            if not argument.optional:
                raise UsageError(f"{argument.name} is missing; usage: {command.usage}")
            break
        if argument.many:
            # `1, 2` is what people type as well as `1,2`.
            parts = [value.strip(argument.joint) for value in values]
            if argument.completes == "language":
                parts = [_quoted(part) for part in parts]
            given[argument.name] = argument.joint.join(parts)
            values = []
        else:
            given[argument.name] = values.pop(0)
    if values:
        raise UsageError(f"{values[0]!r} is too much; usage: {command.usage}")
    return given


def _quoted(part: str) -> str:
    # A text lost its quotes to the shell; what has braces or quotes of its own is the language already.
    return f'"{part}"' if any(char.isspace() for char in part) and not set(part) & set('{}"') else part
