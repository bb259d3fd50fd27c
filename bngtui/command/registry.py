"""Every command of bngctl, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.command import change, check, config, language, look, matching, show
from bngtui.command.helping import help_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.command.spec import Call, Command

_OTHERS: tuple[Command, ...] = (
    *show.COMMANDS,
    *change.COMMANDS,
    *look.COMMANDS,
    *check.COMMANDS,
    *config.COMMANDS,
    *language.COMMANDS,
)

COMMANDS: tuple[Command, ...] = (*_OTHERS, help_command(_OTHERS))


def match(tokens: Sequence[str]) -> tuple[Command, list[str]]:
    """Find the command that the first tokens name, and what is left of them. Raises UsageError."""
    return matching.match(COMMANDS, tokens)


def parse(tokens: Sequence[str]) -> Call:
    """Make a call of a line's words. Raises UsageError."""
    return matching.parse(COMMANDS, tokens)
