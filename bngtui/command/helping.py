"""`help`: drawn from the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.command.matching import match
from bngtui.command.spec import DONE, Argument, Call, Command
from bngtui.render.printed.table import Style, facts, wrapped
from engine.options import RUN_DIR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.command.session import Session

USAGE_LINE = "bngctl [--run-dir DIR | --socket PATH] [--json] [--local-time] COMMAND"

_OPTIONS = (
    ("--run-dir DIR", f"where the engine's sockets are ({RUN_DIR})"),
    ("--socket PATH", "one socket, operator's or monitor's"),
    ("--json", "JSON instead of tables; before or after the command"),
    ("--local-time", "times in this host's zone instead of UTC; before or after the command"),
    ("--help", "what a command does, as help COMMAND and COMMAND ? do"),
    ("--version", "the version of this console"),
)

_CLOSING = (
    "Words may be cut short while one command remains: sh serv. Without a command: on a terminal a prompt, "
    "otherwise one command a line from standard input (// begins a comment), all of them, and the exit code is that "
    "of the last one that failed."
)
_LANGUAGE = (
    "Commands of the configuration language change what runs, each through the same checks as reload. At the prompt a "
    "line that leaves a { open goes on until it is closed. Between begin and commit several are collected and run as "
    "one change: a new target, say, and the server that uses it. In a pipe such lines that follow one another are one "
    "change by themselves, so that whole configuration files can be piped in. enable, disable and drain of targets and "
    "servers are operational state, apart from the configuration, except between begin and commit and, in a pipe, "
    "directly after other lines of the language."
)
_HELP = frozenset({"-h", "--help"})
_EXIT = "Exit: 0 done, 1 refused or failed, 2 usage, 3 engine not reachable (check: 4 valid with warnings)."


def overview(commands: Sequence[Command], style: Style) -> list[str]:
    """Return every command with its summary, the options and the exit codes."""
    return [
        f"usage: {USAGE_LINE}",
        "",
        *facts([short(command) for command in commands if not command.language], style),
        "",
        *facts([short(command) for command in commands if command.language], style),
        "",
        *wrapped(_LANGUAGE, style.width or 80, ""),
        "",
        *facts(_OPTIONS, style),
        "",
        *wrapped(_CLOSING, style.width or 80, ""),
        _EXIT,
    ]


def short(command: Command) -> tuple[str, str]:
    """Return how a command is written, its options left out, and what it does."""
    return command.usage.split(" [--")[0], command.summary


def asked(words: Sequence[str]) -> list[str] | None:
    """Return the words that `help` gets where a line asks for it (`drain ?`, `drain --help`), None where it does not."""
    options = words[: words.index("--")] if "--" in words else words
    if words and words[-1] == "?":
        return list(words[:-1])
    if _HELP.isdisjoint(options):
        return None
    return [word for word in words if word not in _HELP]


def about(command: Command, style: Style, given: Sequence[str] = ()) -> list[str]:
    """Return all there is to say of one command; of the words of its block only the one in `given`, if there is one."""
    lines = [f"usage: bngctl {command.usage}", "", *wrapped(command.summary, style.width, "")]
    if command.details:
        lines += wrapped(command.details, style.width or 80, "")
    if command.options:
        pairs = [(option.form, option.help) for option in command.options]
        lines += ["", *facts(pairs, style)]
    if command.language and (words := _words_of(command.words[0], given)):
        lines += ["", *facts(words, style)]
    return lines


def _words_of(block: str, given: Sequence[str]) -> list[tuple[str, str]]:
    from engine.config.language.keywords import BLOCKS, TOP  # noqa: PLC0415 - only help needs the language's words

    if block not in BLOCKS:
        return [("", TOP[block].explained)] if block in TOP and TOP[block].values else []
    words = BLOCKS[block]
    named = [word for word in given if word in words]
    return [(f"{word} {words[word].form}", words[word].explained) for word in named or words]


def help_command(others: Sequence[Command]) -> Command:
    """Make the command `help`, which explains the other commands and itself."""

    async def run(session: Session, call: Call) -> int:
        words = call.args.get("COMMAND", "").split()
        if not words:
            session.say(overview(commands, session.style))
            return DONE
        group = [command for command in commands if command.words[0].startswith(words[0])]
        if len(words) == 1 and len(group) == 1:
            session.say(about(group[0], session.style))
        elif len(words) == 1 and len({command.words[0] for command in group}) == 1:
            session.say(facts([short(command) for command in group], session.style))
        else:
            command, given = match(commands, words)
            session.say(about(command, session.style, given))
        return DONE

    this = Command(
        ("help",),
        "say what the commands do",
        run,
        (Argument("COMMAND", "command", optional=True, many=True, joint=" "),),
    )
    commands = (*others, this)
    return this
