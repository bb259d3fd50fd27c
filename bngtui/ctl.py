"""The command `bngctl`: one command, a prompt, or commands from standard input. Exit codes are the contract's.

Starts fast: Textual is never imported, prompt_toolkit only for the prompt.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bngtui.command import language, line
from bngtui.command.batch import Batch
from bngtui.command.helping import USAGE_LINE, asked
from bngtui.command.lines import Lines, Step
from bngtui.command.registry import match, parse
from bngtui.command.session import Session, style_of
from bngtui.command.spec import DONE, FAILED, UNREACHABLE, USAGE, Call, CommandError, UsageError
from bngtui.engine_socket import EngineSocket
from bngtui.render import zone
from engine import __version__, streams
from engine.api.client import AnswerMissing, EngineUnreachable, RequestError
from engine.options import RUN_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.config.finding import Finding

_WORD_FOR: dict[str, str] = {
    "file-differs": " (reload without a file takes it; save --overwrite and reload FILE --overwrite overwrite it)",
    "on-trial": " (reload FILE --keep-trial N keeps it; rollback takes it back, confirm keeps it as it is)",
}
"""How what the engine refuses is asked for in earnest, by the code of the refusal."""

_LEAVING = frozenset({"exit", "quit"})


@dataclass(frozen=True)
class _Invocation:
    """The command line, or one of several lines: options of bngctl itself, and the words of the command."""

    run_dir: Path = RUN_DIR
    socket: Path | None = None
    as_json: bool = False
    version: bool = False
    local_time: bool = False
    words: tuple[str, ...] = ()
    raw: str = ""  # instead of words: a command of the configuration language as it was typed
    first: int = 1  # the line it began in
    batch: Batch | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Carry a command line out and return its exit code."""
    return streams.run("bngctl", lambda: _main(sys.argv[1:] if argv is None else argv), interrupted=FAILED)


def _main(argv: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        if (reconfigure := getattr(stream, "reconfigure", None)) is None:
            continue
        reconfigure(errors="replace" if stream is sys.stdin else "backslashreplace")
    try:
        invocation = _read(argv)
    except UsageError as error:
        print(f"bngctl: {error}\nusage: {USAGE_LINE}", file=sys.stderr)
        return USAGE
    zone.use_local(on=invocation.local_time)
    if invocation.version:
        print(f"bngctl {__version__}")
        return DONE
    if invocation.words:
        return _run(invocation, "bngctl: ")
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _interactive(invocation)
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
        elif token == "--local-time":  # noqa: S105 - an option
            found = replace(found, local_time=True)
        elif token == "--version":  # noqa: S105 - an option
            found = replace(found, version=True)
        elif token.startswith("-") and not words and token not in {"-h", "--help"}:
            raise UsageError(f"unknown option {token}")
        else:
            words.append(token)
    return replace(found, words=_spelled_out(words))


def _spelled_out(words: list[str]) -> tuple[str, ...]:
    """Return the words of a command as they are meant: a question is `help`."""
    question = asked(words)
    return tuple(words if question is None else ["help", *question])


def _interactive(invocation: _Invocation) -> int:
    from bngtui.command.prompt import interact

    batch = Batch()
    invocation = replace(invocation, batch=batch)
    lines = Lines(lambda: batch.open)

    def typed(text: str) -> int | None:
        # What is pasted comes as one text of many lines, and is taken as what is piped.
        several = text.split("\n")
        lines.joined = len(several) > 1
        for one in several:
            for step in lines.take(one):
                if _step(step, invocation, "") is None:
                    return None
        if not lines.open:
            for step in lines.end():
                _step(step, invocation, "")
        return DONE

    print("// bngctl; help says what there is, exit leaves")
    code = interact(typed, _session(invocation).engine, lines)
    if batch.lines:
        print("begin without commit: nothing was changed", file=sys.stderr)
    return code


def _piped(source: TextIO, invocation: _Invocation) -> int:
    """Run every line, whatever became of those before; the exit code is that of the last one that failed."""
    code = DONE
    batch = Batch(source="stdin", keeps=False)
    invocation = replace(invocation, batch=batch)
    lines = Lines(lambda: batch.open, joined=True)

    def steps() -> Iterator[Step]:
        for number, text in enumerate(source, 1):
            yield from lines.take(text, number)
        yield from lines.end()

    for step in steps():
        place = f"line {step.first}" if step.first == step.last else f"lines {step.first}-{step.last}"
        result = _step(step, invocation, f"bngctl: {place}: ")
        sys.stdout.flush()
        if result is None:
            break
        code = result or code
    if batch.open:
        print("bngctl: begin without commit: nothing was changed", file=sys.stderr)
        return code or FAILED
    return code


def _step(step: Step, invocation: _Invocation, prefix: str) -> int | None:
    """Run one step of a prompt or a file; None where it says to leave."""
    if step.raw:
        return _run(replace(invocation, raw=step.text, first=step.first), prefix)
    try:
        words = line.words(step.text)
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
    return _run(replace(invocation, words=_spelled_out(words), first=step.first), prefix)


def _run(invocation: _Invocation, prefix: str) -> int:
    findings: Sequence[Finding] = ()
    try:
        return asyncio.run(_call(invocation))
    except UsageError as error:
        reason, code = str(error), USAGE
    except CommandError as error:
        reason, code, findings = str(error), FAILED, error.findings
    except RequestError as error:
        reason, code, findings = error.message + _WORD_FOR.get(error.code, ""), FAILED, error.findings
    except AnswerMissing as error:
        reason, code = f"unknown, it may have been done: {error}; show events tells whether", UNREACHABLE
    except EngineUnreachable as error:
        reason, code = f"the engine is not reachable: {error}", UNREACHABLE
    except KeyboardInterrupt:
        # Ctrl-C is how one leaves `watch`; anything else was not done.
        return DONE if invocation.words and match(invocation.words)[0].name == "watch" else FAILED
    sys.stdout.flush()
    if findings:
        # The message of an answer quotes the first of them, so it would say it twice.
        count = sum(finding.severity == "error" for finding in findings)
        reason = f"{count} error{'s' * (count != 1)}; nothing was changed"
        if invocation.as_json:
            _session(invocation).say_json({"error": reason, "findings": findings})
            sys.stdout.flush()
        print("\n".join(map(str, findings)), file=sys.stderr)
    print(f"{prefix}{reason}", file=sys.stderr)
    return code


async def _call(invocation: _Invocation) -> int:
    if invocation.raw:
        call = Call(language.ANY, raw=invocation.raw, first=invocation.first)
    else:
        call = replace(parse(invocation.words), first=invocation.first)
    async with _session(invocation) as session:
        code = await call.command.run(session, call)
    with contextlib.suppress(ValueError):
        sys.stdout.flush()
    return code


def _session(invocation: _Invocation) -> Session:
    return Session(
        out=sys.stdout,
        err=sys.stderr,
        engine=EngineSocket(invocation.run_dir, invocation.socket),
        as_json=invocation.as_json,
        style=style_of(sys.stdout),
        batch=invocation.batch,
    )


if __name__ == "__main__":
    sys.exit(main())
