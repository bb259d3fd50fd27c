"""The BalanceNG way: commands of the configuration language, typed, change what runs; `begin` ... `commit` makes them one.

Every change goes through the same transaction as `reload`: checked as a whole, refused as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bngtui.command.batch import numbered
from bngtui.command.config import BASE, CONFIRM_WITHIN, PATIENCE_S, done
from bngtui.command.spec import DONE, Argument, Call, Command, CommandError, UsageError, positive
from bngtui.render.printed import changes
from engine.api.client import RequestError

if TYPE_CHECKING:
    from bngtui.command.batch import Batch
    from bngtui.command.session import Session
    from engine.api.messages import Applied, RunningConfig
    from engine.config.finding import Finding

SENT_AS = "command"
"""The name that the engine gives to the text of such commands in its findings."""


async def run(session: Session, call: Call) -> int:
    """Carry a command of the language out, or collect it after `begin`."""
    text = call.raw or " ".join([call.command.name, *call.args.values()])
    if session.batch is not None and session.batch.open:
        if any(value is not None for value in call.options.values()):
            raise UsageError("between begin and commit no options are taken; give them to commit")
        session.batch.add(text, call.first)
        return DONE
    base, confirm_within_s = call.options.get("--base"), call.options.get("--confirm-within")
    answer = await _send(session, numbered(text, call.first), base, confirm_within_s)
    return done(session, answer, changes.runs(answer))


async def begin(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
    """Collect commands of the language from now on."""
    batch = _batch(session)
    if batch.open:
        raise CommandError("begin was said already; commit or abort ends it")
    running: RunningConfig = await session.ask("running")
    batch.begin(running.revision)
    return DONE


async def commit(session: Session, call: Call) -> int:
    """Run what was collected as one change."""
    batch = _begun(session)
    within = call.options["--confirm-within"]
    if said := call.args.get("confirm-within S", "").split():
        if len(said) != 2 or said[0] != "confirm-within":
            raise UsageError(f"{' '.join(said)!r} is too much; usage: {call.command.usage}")
        within = _seconds(said[1])
    if not batch.lines:
        batch.clear()
        raise CommandError("nothing was said since begin; nothing was changed")
    try:
        answer = await _send(session, batch.lines, batch.base, within)
    except RequestError as error:
        if not batch.keeps:
            batch.clear()
        elif error.code == "conflict":
            # Told once who changed what; the next commit is the operator's choice.
            batch.base = None
        raise
    batch.clear()
    return done(session, answer, changes.runs(answer))


async def abort(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
    """Forget what was collected."""
    _begun(session).clear()
    session.say(["nothing was changed"])
    return DONE


async def _send(
    session: Session, lines: list[tuple[int, str]], base: int | None, confirm_within_s: int | None
) -> Applied:
    text = "".join(line + "\n" for _, line in lines)
    try:
        answer: Applied = await session.ask(
            "command", text=text, base=base, confirm_within_s=confirm_within_s, timeout_s=PATIENCE_S
        )
    except RequestError as error:
        raise RequestError(error.code, error.message, _placed(session, lines, error.findings)) from None
    return answer


def _placed(session: Session, lines: list[tuple[int, str]], findings: list[Finding]) -> list[Finding]:
    """Name the lines as they were given; those of a prompt have no numbers but among what was collected."""
    if session.batch is None or session.batch.source == SENT_AS:
        return findings
    return [
        msgspec.structs.replace(finding, file=session.batch.source, line=lines[finding.line - 1][0])
        if finding.file == SENT_AS and finding.line <= len(lines)
        else finding
        for finding in findings
    ]


def _batch(session: Session) -> Batch:
    if session.batch is None:
        raise CommandError(
            "begin, commit and abort are for the prompt and for standard input, where more lines follow"
        )
    return session.batch


def _begun(session: Session) -> Batch:
    batch = _batch(session)
    if not batch.open:
        raise CommandError("there was no begin")
    return batch


def _seconds(text: str) -> int:
    try:
        return positive(text)
    except ValueError as error:
        raise UsageError(f"confirm-within: {error}") from None


_BLOCK = (
    "Of what exists already, the words that the block names change, and the others stay; one word needs no braces: "
    "target 1 weight 3. no target 1 weight takes one back."
)

# Word, how it goes on, what it does. That none is missing is tested against engine.config.words.
_WORDS: tuple[tuple[str, str, str], ...] = (
    ("interface", "N { ... }", "define or change a Linux interface"),
    ("network", "N { ... }", "define or change an IP network"),
    ("server", "N { ... }", "define or change a virtual server"),
    ("target", "N { ... }", "define or change a real server"),
    ("gateway", "{ ... }", "define the next hop of this node"),
    ("vrrp", "{ ... }", "define the election of the master"),
    ("set", "NAME VALUE | { ... }", "a setting of the whole engine"),
    ("modules", "A,B,...", "the modules a frame visits, in this order"),
    ("register", "KIND LIST", "declare definitions complete"),
    ("no", "[register|enable] KIND LIST", "undo a definition, a registration or an enabling"),
)
_ENABLING: tuple[tuple[str, str, str], ...] = (
    ("enable", "interface", "put registered interfaces to work"),
    ("enable", "network", "put registered networks to work"),
    ("disable", "interface", "take interfaces out of work"),
    ("disable", "network", "take networks out of work"),
)

ANY = Command(("command",), "a text of the language, whatever is in it", run, language=True)
"""For what spans lines; it is not in the registry, since nobody types it."""

COMMANDS: tuple[Command, ...] = (
    *(
        Command(
            (word,),
            summary,
            run,
            (Argument(form, "language", many=True, joint=" "),),
            (CONFIRM_WITHIN, BASE),
            details=_BLOCK if form == "N { ... }" else "",
            language=True,
        )
        for word, form, summary in _WORDS
    ),
    *(
        Command(
            (word, kind),
            summary,
            run,
            (Argument("LIST", "language", many=True),),
            (CONFIRM_WITHIN, BASE),
            language=True,
        )
        for word, kind, summary in _ENABLING
    ),
    Command(
        ("begin",),
        "collect commands of the language, to be one change",
        begin,
        details="What runs stays as it is until commit. Between begin and commit, enable and disable of targets and "
        "servers are the configuration's, and not operational state.",
    ),
    Command(
        ("commit",),
        "run what was collected since begin",
        commit,
        (Argument("confirm-within S", optional=True, many=True, joint=" "),),
        (CONFIRM_WITHIN,),
        details="All of it or nothing. At the prompt what was refused is kept: add to it and commit again, or abort.",
    ),
    Command(("abort",), "forget what was collected since begin", abort),
)
