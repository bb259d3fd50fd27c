"""What Tab offers: drawn from the registry, and from the names and numbers that the engine has."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bngtui.command.registry import COMMANDS, match
from bngtui.command.spec import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bngtui.command.spec import Command, Completes
    from engine.api.messages import State

_LEAVING = ("exit", "quit")
_WORDS = {word for command in COMMANDS for word in command.words if command.args or command.words[-1] != word}


def candidates(
    before: Sequence[str], partial: str, state: Callable[[], State | None], waiting: str = ""
) -> list[str]:
    """Return what `partial` may become after the words `before`.

    `state` is asked only where a target or a server is wanted; None: the engine does not answer. `waiting` are the
    lines of a block that is open.
    """
    if waiting:
        return _of_language(f"{waiting}\n{' '.join(before)}", partial, state)
    if not before:
        first = dict.fromkeys(command.words[0] for command in COMMANDS)
        return _fitting([*first, *_LEAVING], partial)
    try:
        command, given = match(before)
    except UsageError:
        return _fitting(_next_words(before), partial)
    if command.language and not partial.startswith("-"):
        return _of_language(" ".join([*command.words, *given]), partial, state)
    if partial.startswith("-"):
        return _fitting(["--json", *(option.name for option in command.options)], partial)
    kind = _kind(command, given)
    if kind == "file":
        return _files(partial)
    if kind == "command":
        return candidates(given, partial, state) if given else _fitting(_firsts(), partial)
    if kind in {"target", "server"}:
        return _members(kind, partial, state())
    return []


def is_whole(word: str) -> bool:
    """Whether a word of a command is complete, so that a blank may follow it; a list or a path may go on."""
    return word in _WORDS or word in _language_words()


def _of_language(text: str, partial: str, state: Callable[[], State | None]) -> list[str]:
    # Its tables are for those who write a configuration; the others start without them.
    from bngtui.command import complete_language  # noqa: PLC0415 - as said

    return complete_language.candidates(text, partial, state)


@cache
def _language_words() -> frozenset[str]:
    from bngtui.command import complete_language  # noqa: PLC0415 - as above

    return complete_language.words()


def _kind(command: Command, given: Sequence[str]) -> Completes:
    values = [word for word in given if not word.startswith("-")]
    if not command.args:
        return ""
    argument = command.args[min(len(values), len(command.args) - 1)]
    if len(values) >= len(command.args) and not argument.many:
        return ""
    return argument.completes


def _firsts() -> Iterable[str]:
    return dict.fromkeys(command.words[0] for command in COMMANDS)


def _next_words(before: Sequence[str]) -> list[str]:
    # The words so far may be cut short; those commands that they can still become have the next one.
    found: dict[str, None] = {}
    for command in COMMANDS:
        if len(command.words) > len(before) and all(
            word.startswith(said) for said, word in zip(before, command.words, strict=False)
        ):
            found[command.words[len(before)]] = None
    return list(found)


def _members(kind: Completes, partial: str, state: State | None) -> list[str]:
    if state is None:
        return []
    things = state.targets if kind == "target" else state.servers
    # The part of a list that is being written: of `1,2,w` it is `w`.
    head, comma, last = partial.rpartition(",")
    names = [str(thing.number) for thing in things]
    names += [thing.name for thing in things if thing.name and not any(c in thing.name for c in " ,\"'")]
    return [head + comma + name for name in _fitting(names, last)]


def _files(partial: str) -> list[str]:
    folder, name = (
        (partial.rpartition("/")[0] + "/", partial.rpartition("/")[2]) if "/" in partial else ("", partial)
    )
    try:
        entries = sorted(Path(folder or ".").expanduser().iterdir())
    except (
        OSError,
        RuntimeError,
        ValueError,
    ):  # RuntimeError: ~x of an unknown user, ValueError: a character no name has
        return []
    return [
        folder + entry.name + ("/" if entry.is_dir() else "")
        for entry in entries
        if entry.name.startswith(name) and (name or not entry.name.startswith("."))
    ]


def _fitting(words: Iterable[str], partial: str) -> list[str]:
    return [word for word in words if word.startswith(partial)]
