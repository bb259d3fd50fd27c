"""`diff`, `reload`, `confirm`, `rollback`, `history`, `save`: the running configuration, changed without fear."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bngtui.command.check import read
from bngtui.command.spec import (
    DONE,
    FAILED,
    Argument,
    Call,
    Command,
    CommandError,
    Option,
    UsageError,
    positive,
)
from bngtui.render.printed import changes
from bngtui.render.printed.history import history as history_table
from bngtui.render.units import clock
from bngtui.render.zone import label, of_seconds
from engine.api.messages import MAX_FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.command.session import Session
    from engine.api.messages import Applied, ConfigDiff, Pending, Revision, RunningConfig
    from engine.config.finding import Finding

PATIENCE_S = 60.0
"""For which a change is waited for: a large one while the host is busy, not a hung engine."""

CONFIRM_WITHIN = Option(
    "--confirm-within", "S", positive, None, "go back by itself unless confirmed within S seconds"
)
BASE = Option("--base", "N", positive, None, "refuse if another revision than N runs by now")
OVERWRITE = Option(
    "--overwrite", "", str, False, "also where somebody else has changed the engine's file on the disk"
)
KEEP_TRIAL = Option(
    "--keep-trial", "N", positive, None, "keep revision N, which somebody else has on trial, with this change"
)


def consent(call: Call) -> dict[str, object]:
    """Return what an op is given of OVERWRITE and KEEP_TRIAL."""
    agreed = {"overwrite": call.options["--overwrite"], "keep_trial": call.options.get("--keep-trial")}
    return {name: value for name, value in agreed.items() if value}


async def diff(session: Session, call: Call) -> int:
    """Print what a file would change, or what lies between two revisions."""
    name, other = call.args["FILE|N"], call.args.get("M")
    answer: ConfigDiff
    if other is not None:
        answer = await session.ask("revision-diff", old=revision(name), new=revision(other))
    else:
        answer = await session.ask("diff", text=candidate(name), file=name, timeout_s=PATIENCE_S)
    invalid = any(finding.severity == "error" for finding in answer.findings)
    if session.as_json:
        session.say_json(answer)
    elif not invalid:
        session.say(changes.changes(answer.changes, session.style))
        if not answer.unified:
            session.say(["no difference"])
        elif not answer.changes:
            session.say(["nothing that runs would change"])
    warn(session, answer.findings)
    if invalid:
        return FAILED
    if answer.unified and not session.as_json:
        session.say(["", *changes.unified(answer.unified, session.style)])
    return DONE


async def reload(session: Session, call: Call) -> int:
    """Run a file, or the engine's own file as it is now, and print what changed."""
    name = call.args.get("FILE")
    if name is None:
        running: RunningConfig = await session.ask("running")
        name = running.file
    answer: Applied = await session.ask(
        "apply",
        text=candidate(name),
        file=name,
        base=call.options["--base"],
        confirm_within_s=call.options["--confirm-within"],
        note=call.options["--note"],
        timeout_s=PATIENCE_S,
        **consent(call),
    )
    return done(session, answer, changes.runs(answer))


async def confirm(session: Session, call: Call) -> int:
    """Keep the change under trial."""
    answer: Applied = await session.ask("confirm", timeout_s=PATIENCE_S, **consent(call))
    return done(session, answer, f"revision {answer.revision} is confirmed")


async def rollback(session: Session, call: Call) -> int:
    """Run an earlier revision again."""
    number = call.args.get("REVISION")
    answer: Applied = await session.ask(
        "rollback",
        revision=None if number is None else revision(number),
        confirm_within_s=call.options["--confirm-within"],
        timeout_s=PATIENCE_S,
        **consent(call),
    )
    return done(session, answer, f"rolled back: {changes.runs(answer)}")


async def history(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
    """Print the revisions that are kept."""
    kept: list[Revision] = await session.ask("history")
    if session.as_json:
        session.say_json(kept)
    else:
        session.say(history_table(kept, session.style))
    return DONE


async def save(session: Session, call: Call) -> int:
    """Write operational state into the configuration and its file."""
    answer: Applied = await session.ask("save", timeout_s=PATIENCE_S, **consent(call))
    return done(session, answer, f"saved: revision {answer.revision} is in the file")


def done(session: Session, answer: Applied, did: str) -> int:
    """Print the answer of an op that changed the configuration; warnings go to where errors go."""
    if session.as_json:
        session.say_json(answer)
    else:
        session.say(changes.applied(answer, did, session.style, until(answer.pending)))
    warn(session, answer.warnings)
    return DONE


def warn(session: Session, findings: Sequence[Finding]) -> None:
    """Write findings, one a line, to where errors go."""
    session.out.flush()
    session.err.write("".join(f"{finding}\n" for finding in findings))


def until(pending: Pending | None) -> str:
    """Return the time of day at which a change under trial reverts, with its zone."""
    if pending is None:
        return ""
    return f"{clock(of_seconds(time.time() + pending.seconds_left))} {label()}"


def revision(text: str) -> int:
    """Read the number of a revision. Raises UsageError."""
    try:
        return positive(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a revision number; history lists them") from None


def candidate(name: str) -> str:
    """Return the text of a file that the engine shall judge. Raises CommandError where no text can be sent."""
    data = read(name)
    findings: list[Finding]
    if isinstance(data, bytes):
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = None
        # Such a file is refused by what it is, and would fit in no frame: the same words as of `check`.
        if text is not None and len(data) < MAX_FRAME_BYTES:
            return text
        from engine.config.load import load  # noqa: PLC0415 - only for a file that is none

        findings = [finding for finding in load(data, name).findings if finding.severity == "error"]
    else:
        findings = [data]
    raise CommandError(f"{name} is not a configuration", findings)


COMMANDS: tuple[Command, ...] = (
    Command(
        ("diff",),
        "what a file would change in what runs, or revision M in N",
        diff,
        (Argument("FILE|N", "file"), Argument("M", optional=True)),
        details="First what each difference does to traffic, then the texts. Nothing is changed. FILE - is standard "
        "input. Exit: 0 shown, or no difference; 1 FILE has errors, which stand on standard error.",
    ),
    Command(
        ("reload",),
        "run a configuration file",
        reload,
        (Argument("FILE", "file", optional=True),),
        (
            CONFIRM_WITHIN,
            Option("--note", "TEXT", str, "", "what history shall say of it"),
            BASE,
            OVERWRITE,
            KEEP_TRIAL,
        ),
        details="Without FILE the engine's own file is read again. What does not change keeps its flows, checks and "
        "counters. A file with errors changes nothing. FILE - is standard input.",
    ),
    Command(
        ("confirm",),
        "keep a change that waits to be confirmed",
        confirm,
        options=(OVERWRITE,),
        details="Any operator may confirm. Only now the change is written to the engine's file.",
    ),
    Command(
        ("rollback",),
        "run an earlier revision again",
        rollback,
        (Argument("REVISION", optional=True),),
        (CONFIRM_WITHIN, OVERWRITE, KEEP_TRIAL),
        details="Without REVISION: take back a change that waits to be confirmed, else go one revision back.",
    ),
    Command(
        ("history",),
        "the revisions that are kept, the newest first",
        history,
        details="show revision N prints one, diff N M compares two, rollback N runs one again.",
    ),
    Command(
        ("save",),
        "write enable and disable of targets and servers into the file",
        save,
        options=(OVERWRITE, KEEP_TRIAL),
        details="Comments and the order of the file stay as they are.",
    ),
)
