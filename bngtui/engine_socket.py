"""The engine's sockets: which of them serves a purpose, and a connection to the first that answers.

Everything in this package that talks to the engine comes through here, so that a console and a script open the same
socket for the same purpose and fail with the same words.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from engine.api.client import Client, EngineUnreachable
from engine.api.messages import SOCKETS
from engine.options import RUN_DIR

if TYPE_CHECKING:
    from pathlib import Path


class Access(Enum):
    """What a connection is for. It decides which sockets are tried, in which order, and when the next one is."""

    LOOK = auto()
    """One answer: monitor.sock, which more people may open; else operator.sock."""

    CHANGE = auto()
    """A change: operator.sock alone, the only one that takes it."""

    OPERATE = auto()
    """A console: operator.sock; monitor.sock where this user is not permitted to open the first."""

    MONITOR = auto()
    """A console that may never change anything: monitor.sock alone."""


@dataclass(frozen=True)
class EngineSocket:
    """Where the engine listens: in `run_dir`, or on `socket` alone, whatever its role."""

    run_dir: Path = RUN_DIR
    socket: Path | None = None

    def paths(self, access: Access) -> tuple[Path, ...]:
        """Return the sockets to try, in order."""
        if self.socket is not None:
            return (self.socket,)
        operator, monitor = self.run_dir / SOCKETS["operator"], self.run_dir / SOCKETS["monitor"]
        match access:
            case Access.LOOK:
                return (monitor, operator)
            case Access.CHANGE:
                return (operator,)
            case Access.OPERATE:
                return (operator, monitor)
            case Access.MONITOR:
                return (monitor,)

    async def open(self, access: Access, *, timeout_s: float = 5) -> Client:
        """Connect; the client's `path` and `hello.role` say what was opened.

        `timeout_s` holds for each socket tried. Raises EngineUnreachable with the reason of the first one: that is
        the socket the operator expects to be used.
        """
        first, *others = self.paths(access)
        try:
            return await Client.connect(first, timeout_s=timeout_s)
        except EngineUnreachable as error:
            # An operator whose socket is missing or silent must hear so, not get a console that can change nothing.
            if access is Access.OPERATE and not isinstance(error.__cause__, PermissionError):
                raise
            reason = error
        for path in others:
            try:
                return await Client.connect(path, timeout_s=timeout_s)
            except EngineUnreachable:
                if access is Access.OPERATE:
                    raise
        raise reason

    def ask(self, op: str, access: Access, *, timeout_s: float = 10, **args: Any) -> Any:
        """Connect, do one op and close, for a caller without an event loop. Raises as `open` and Client.request do."""

        async def once() -> Any:
            async with await self.open(access, timeout_s=timeout_s) as client:
                return await client.request(op, timeout_s=timeout_s, **args)

        return asyncio.run(once())
