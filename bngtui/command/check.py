"""`check FILE`: here, and without an engine."""

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
)

if TYPE_CHECKING:
    from bngtui.command.session import Session
    from engine.config.finding import Finding

_FIELDS = ("file", "line", "column", "severity", "code", "message", "hint")
_MAX_FILE_BYTES = 64 * 1024 * 1024  # more than is read is refused by its size anyway


async def check(session: Session, call: Call) -> int:
    """Check a configuration file, with the output and the exit codes of `bng-engine check`."""
    # Only this command needs the language; the others start without it.
    from engine.config.load import load  # noqa: PLC0415 - as said

    name = call.args["FILE"]
    data = read(name)
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


def read(name: str) -> bytes | Finding:
    """Return what is in a file, or of standard input for ``-``; a finding where it cannot be read."""
    from engine.config.finding import Finding  # noqa: PLC0415 - as above

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


COMMANDS: tuple[Command, ...] = (
    Command(
        ("check",),
        "say what is wrong in a configuration file",
        check,
        (Argument("FILE", "file"),),
        details="Needs no engine. FILE - is standard input. Exit: 0 valid, 1 invalid, 4 valid with warnings.",
    ),
)
