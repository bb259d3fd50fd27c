"""The command `bngctl`: one command, a prompt, or commands from standard input. Exit codes are the contract's.

Starts fast: Textual is never imported, prompt_toolkit only for the prompt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bngtui.command import line
from bngtui.command.helping import USAGE_LINE, about, overview
from bngtui.command.registry import COMMANDS, match, parse
from bngtui.command.session import RUN_DIR, Session, style_of
from bngtui.command.spec import DONE, FAILED, UNREACHABLE, USAGE, CommandError, UsageError
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAVING = frozenset({"exit", "quit"})


@dataclass(frozen=True)
class _Invocation:
    """The command line: options of bngctl itself, and the words of the command."""

    run_dir: Path = RUN_DIR
    socket: Path | None = None
    as_json: bool = False
    help: bool = False
    version: bool = False
    words: tuple[str, ...] = ()


def main(argv: Sequence[str] | None = None) -> int:
    """Carry a command line out and return its exit code."""
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        if (reconfigure := getattr(stream, "reconfigure", None)) is None:
            continue
        reconfigure(errors="replace" if stream is sys.stdin else "backslashreplace")
    try:
        code = _main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # `bngctl watch | head -1`: the reader has what it wanted. What is buffered must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return FAILED
    return code


def _main(argv: Sequence[str]) -> int:
    try:
        invocation = _read(argv)
    except UsageError as error:
        print(f"bngctl: {error}\nusage: {USAGE_LINE}", file=sys.stderr)
        return USAGE
    if invocation.version:
        from importlib.metadata import version

        print(f"bngctl {version('bng-dsr')}")
        return DONE
    if invocation.help:
        return _help(invocation)
    if invocation.words:
        return _run(invocation, "bngctl: ")
    if sys.stdin.isatty() and sys.stdout.isatty():
        from bngtui.command.prompt import interact

        paths = _session(invocation).paths(changes=False)
        print("// bngctl; help says what there is, exit leaves")
        return interact(lambda text: _line(text, invocation, ""), paths)
    return _piped(sys.stdin, invocation)


def _read(argv: Sequence[str]) -> _Invocation:
    """Take out bngctl's own options, which may stand anywhere before a ``--``."""
    found = _Invocation()
    words: list[str] = []
    rest = list(argv)
    while rest:
        token = rest.pop(0)
        name, equals, value = token.partition("=")
        if token == "--":  # noqa: S105 - no password: what ends the options
            words += [token, *rest]
            break
        if name in {"--run-dir", "--socket"}:
            if not equals and not rest:
                raise UsageError(f"{name}: a path is missing")
            path = Path(value if equals else rest.pop(0))
            found = replace(found, run_dir=path) if name == "--run-dir" else replace(found, socket=path)
        elif token == "--json":  # noqa: S105 - an option
            found = replace(found, as_json=True)
        elif token in {"-h", "--help"}:
            found = replace(found, help=True)
        elif token == "--version":  # noqa: S105 - an option
            found = replace(found, version=True)
        elif token.startswith("-") and not words:
            raise UsageError(f"unknown option {token}")
        else:
            words.append(token)
    return replace(found, words=tuple(words))


def _help(invocation: _Invocation) -> int:
    style = style_of(sys.stdout)
    try:
        lines = about(match(invocation.words)[0], style) if invocation.words else overview(COMMANDS, style)
    except UsageError as error:
        print(f"bngctl: {error}", file=sys.stderr)
        return USAGE
    print("\n".join(lines))
    return DONE


def _piped(source: TextIO, invocation: _Invocation) -> int:
    """Run every line, whatever became of those before; the exit code is that of the last one that failed."""
    code = DONE
    for number, text in enumerate(source, 1):
        result = _line(text, invocation, f"bngctl: line {number}: ")
        sys.stdout.flush()
        if result is None:
            break
        code = result or code
    return code


def _line(text: str, invocation: _Invocation, prefix: str) -> int | None:
    """Run one line of a prompt or a file; None where it says to leave."""
    try:
        words = line.words(text)
        if "--json" in words:
            words.remove("--json")
            invocation = replace(invocation, as_json=True)
    except UsageError as error:
        print(f"{prefix}{error}", file=sys.stderr)
        return USAGE
    if not words:
        return DONE
    if len(words) == 1 and words[0] in _LEAVING:
        return None
    if words[-1] == "?":
        words = ["help", *words[:-1]]
    return _run(replace(invocation, words=tuple(words)), prefix)


def _run(invocation: _Invocation, prefix: str) -> int:
    try:
        return asyncio.run(_call(invocation))
    except UsageError as error:
        reason, code = str(error), USAGE
    except CommandError as error:
        reason, code = str(error), FAILED
    except RequestError as error:
        reason, code = error.message, FAILED
    except EngineUnreachable as error:
        reason, code = f"the engine is not reachable: {error}", UNREACHABLE
    except KeyboardInterrupt:
        # Ctrl-C is how one leaves `watch`; anything else was not done.
        return DONE if match(invocation.words)[0].name == "watch" else FAILED
    sys.stdout.flush()
    print(f"{prefix}{reason}", file=sys.stderr)
    return code


async def _call(invocation: _Invocation) -> int:
    call = parse(invocation.words)
    async with _session(invocation) as session:
        code = await call.command.run(session, call)
    with contextlib.suppress(ValueError):
        sys.stdout.flush()
    return code


def _session(invocation: _Invocation) -> Session:
    return Session(
        out=sys.stdout,
        err=sys.stderr,
        run_dir=invocation.run_dir,
        socket=invocation.socket,
        as_json=invocation.as_json,
        style=style_of(sys.stdout),
    )


if __name__ == "__main__":
    sys.exit(main())
