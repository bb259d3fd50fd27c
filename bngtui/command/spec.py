"""What a command is: its words, its arguments, its options, and the function that does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bngtui.command.session import Session
    from engine.config.finding import Finding

DONE, FAILED, USAGE, UNREACHABLE, WARNINGS = 0, 1, 2, 3, 4
"""Exit codes of the contract; WARNINGS is `check`'s, as of `bng-engine check`."""

Completes = Literal["", "target", "server", "file", "command", "language"]


class UsageError(Exception):
    """The line is not a command; the message says what is wrong with it. Exit code 2."""


class CommandError(Exception):
    """Understood, and not done; the message is the reason, `findings` say where in a configuration. Exit code 1."""

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = findings


@dataclass(frozen=True)
class Argument:
    """A positional argument. `many`: takes all that is left, joined by `joint`. `completes`: what Tab offers."""

    name: str
    completes: Completes = ""
    optional: bool = False
    many: bool = False
    joint: str = ","


@dataclass(frozen=True)
class Option:
    """``--name VALUE``. `read` makes the value of its text and raises ValueError with the reason.

    Without a `value` it is a flag: False, or True where it is given.
    """

    name: str
    value: str
    read: Callable[[str], Any]
    default: Any
    help: str

    @property
    def form(self) -> str:
        """How it is written."""
        return f"{self.name} {self.value}".rstrip()


@dataclass(frozen=True)
class Call:
    """A command with what was given to it. Missing optional arguments are not in `args`.

    `raw`: the text as it was typed, where the command is one of the configuration language; it began in line `first`.
    """

    command: Command
    args: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    raw: str = ""
    first: int = 1


@dataclass(frozen=True)
class Command:
    """One command. `run` returns the exit code; `aliases` stand for its last word, as in BalanceNG's own language.

    `language`: it is a command of the configuration language, carried out by the engine on the running text.
    """

    words: tuple[str, ...]
    summary: str
    run: Callable[[Session, Call], Awaitable[int]]
    args: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    aliases: tuple[str, ...] = ()
    details: str = ""
    language: bool = False

    @property
    def name(self) -> str:
        """The words, as typed."""
        return " ".join(self.words)

    @property
    def usage(self) -> str:
        """The words with arguments and options."""
        parts = [self.name]
        parts += [f"[{arg.name}]" if arg.optional else arg.name for arg in self.args]
        parts += [f"[{option.form}]" for option in self.options]
        return " ".join(parts)


def seconds(text: str) -> float:
    """Read a time of zero seconds or more. Raises ValueError."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    # Not `value < 0`: a NaN is refused as well.
    if not 0 <= value <= 1e6:
        raise ValueError(f"{text!r} is not a number of seconds")
    return value


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration(text: str) -> int:
    """Read a time such as 90, 90s, 10m, 3h or 2d, in seconds from 1 on. Raises ValueError."""
    number, unit = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1)
    try:
        return positive(number) * unit
    except ValueError:
        raise ValueError(f"{text!r} is not a time: write 90, 10m, 3h or 2d") from None


def positive(text: str) -> int:
    """Read a whole number of one or more. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 1 << 31):
        raise ValueError(f"{text!r} is not a whole number of one or more")
    return int(text)
