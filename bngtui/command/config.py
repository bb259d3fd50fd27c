"""`check FILE`, here and without an engine; and the commands that change a running configuration."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from bngtui.command.spec import (
    DONE,
    FAILED,
    WARNINGS,
    Argument,
    Call,
    Command,
    CommandError,
    Option,
    seconds,
)

if TYPE_CHECKING:
    from bngtui.command.session import Session
    from engine.config import Finding

_FIELDS = ("file", "line", "column", "severity", "code", "message", "hint")
_MAX_FILE_BYTES = 64 * 1024 * 1024  # more than is read is refused by its size anyway


async def check(session: Session, call: Call) -> int:
    """Check a configuration file, with the output and the exit codes of `bng-engine check`."""
    # Only this command needs the language; the others start without it.
    from engine.config import load  # noqa: PLC0415 - as said

    name = call.args["FILE"]
    data = _read(name)
    if isinstance(data, bytes):
        loaded = load(data, name, host_interfaces=[interface for _, interface in socket.if_nameindex()])
        findings, ok = loaded.findings, loaded.ok
    else:
        findings, ok = [data], False
    if session.as_json:
        session.say_json([{field: getattr(finding, field) for field in _FIELDS} for finding in findings])
    else:
        session.say(map(str, findings))
    if not ok:
        return FAILED
    return WARNINGS if findings else DONE


def _read(name: str) -> bytes | Finding:
    from engine.config import Finding  # noqa: PLC0415 - as above

    try:
        if name == "-":
            return sys.stdin.buffer.read(_MAX_FILE_BYTES)
        with open(name, "rb") as file:  # noqa: PTH123 - the name is shown as it was given
            return file.read(_MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Finding(
            file=name,
            line=1,
            column=1,
            severity="error",
            code="unreadable",
            message=f"the file cannot be read: {reason}",
            hint="see that it exists and may be read",
        )


async def not_built(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
    """Refuse, and say what does it today."""
    raise CommandError(
        f"{call.command.name} is not built yet; check the file with `bngctl check FILE`, then restart the engine with it"
    )


_FILE = (Argument("FILE", "file"),)

COMMANDS: tuple[Command, ...] = (
    Command(
        ("check",),
        "say what is wrong in a configuration file",
        check,
        _FILE,
        details="Needs no engine. FILE - is standard input. Exit: 0 valid, 1 invalid, 4 valid with warnings.",
    ),
    Command(("diff",), "what a configuration file would change (not built yet)", not_built, _FILE),
    Command(
        ("reload",),
        "load a configuration file (not built yet)",
        not_built,
        _FILE,
        (Option("--confirm-within", "S", seconds, None, "roll back unless confirmed within S seconds"),),
    ),
    Command(("confirm",), "keep what was loaded (not built yet)", not_built),
    Command(
        ("rollback",),
        "go back to an earlier revision (not built yet)",
        not_built,
        (Argument("REVISION", optional=True),),
    ),
    Command(("history",), "list revisions (not built yet)", not_built),
    Command(("save",), "write the running configuration to its file (not built yet)", not_built),
)
