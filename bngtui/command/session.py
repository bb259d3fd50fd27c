"""What a running command has: the way to the engine, and where to write."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TextIO

import msgspec

from bngtui.engine_socket import Access, EngineSocket
from bngtui.render.printed.table import Style, plain
from engine.api.ops import OPS
from engine.domain.encoding import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from bngtui.command.batch import Batch
    from engine.api.client import Client


@dataclass
class Session:
    """One command's surroundings; an async context manager that closes its connections.

    `engine`: where it listens. `as_json`: JSON instead of tables. `batch`: what is
    collected between `begin` and `commit`; None where there are no further lines to collect.
    """

    out: TextIO
    err: TextIO
    engine: EngineSocket = field(default_factory=EngineSocket)
    as_json: bool = False
    style: Style = field(default_factory=Style)
    batch: Batch | None = None
    _clients: dict[bool, Client] = field(default_factory=dict)

    async def client(self, *, changes: bool = False) -> Client:
        """Return a connection that may do what is asked. Raises EngineUnreachable."""
        if changes not in self._clients:
            self._clients[changes] = await self.engine.open(Access.CHANGE if changes else Access.LOOK)
        return self._clients[changes]

    async def ask(self, op: str, **args: Any) -> Any:
        """Do one op on the socket that fits it. Raises EngineUnreachable, RequestError."""
        client = await self.client(changes=OPS[op].changes)
        return await client.request(op, **args)

    async def close(self) -> None:
        """Close what was opened."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()

    def say(self, lines: Iterable[str]) -> None:
        """Write lines for people."""
        self.out.write("".join(line + "\n" for line in lines))

    def say_json(self, value: Any) -> None:
        """Write a value as JSON that people can read too."""
        self.out.write(msgspec.json.format(to_json(value), indent=2).decode() + "\n")

    def say_text(self, text: str) -> None:
        """Write a text byte for byte; on a terminal without what could steer it, and with its last line ended."""
        if self.out.isatty():
            self.say(plain(line.expandtabs()) for line in text.splitlines())
            return
        self.out.flush()
        # The stream's own encoding may be anything; what was accepted is UTF-8.
        self.out.buffer.write(text.encode())
        self.out.buffer.flush()

    def note(self, text: str) -> None:
        """Write what is not the answer to where errors go."""
        self.err.write(f"bngctl: {text}\n")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def style_of(out: TextIO, environ: Mapping[str, str] = os.environ) -> Style:
    """Choose how to draw on `out`.

    On a terminal: its width, colours unless NO_COLOR is set (no-color.org) or TERM is dumb, glyphs where the encoding
    has them. Into a pipe or file: plain, and as wide as the text is, unless COLUMNS says how wide.
    """
    if not out.isatty():
        columns = environ.get("COLUMNS", "")
        return Style(width=int(columns) if columns.isdecimal() and int(columns) > 0 else None)
    dumb = environ.get("TERM") == "dumb"
    return Style(
        width=shutil.get_terminal_size().columns,
        colour=not environ.get("NO_COLOR") and not dumb,
        glyphs=(out.encoding or "").lower().startswith("utf") and not dumb,
    )
