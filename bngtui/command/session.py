"""What a running command has: the way to the engine, and where to write."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

import msgspec

from bngtui.render.grid import Style, clean
from engine.api.client import Client, EngineUnreachable
from engine.api.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from bngtui.command.batch import Batch

RUN_DIR = Path("/run/bng")
OPERATOR, MONITOR = "operator.sock", "monitor.sock"


@dataclass
class Session:
    """One command's surroundings; an async context manager that closes its connections.

    `socket`: the only one to use, else those in `run_dir`. `as_json`: JSON instead of tables. `batch`: what is
    collected between `begin` and `commit`; None where there are no further lines to collect.
    """

    out: TextIO
    err: TextIO
    run_dir: Path = RUN_DIR
    socket: Path | None = None
    as_json: bool = False
    style: Style = field(default_factory=Style)
    batch: Batch | None = None
    _clients: dict[bool, Client] = field(default_factory=dict)

    def paths(self, *, changes: bool) -> tuple[Path, ...]:
        """Return the sockets to try in order: what only looks goes to monitor.sock, which more people may open."""
        if self.socket is not None:
            return (self.socket,)
        operator, monitor = self.run_dir / OPERATOR, self.run_dir / MONITOR
        return (operator,) if changes else (monitor, operator)

    async def client(self, *, changes: bool = False) -> Client:
        """Return a connection that may do what is asked. Raises EngineUnreachable."""
        if changes not in self._clients:
            self._clients[changes] = await self._connect(self.paths(changes=changes))
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
        self.out.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")

    def say_text(self, text: str) -> None:
        """Write a text byte for byte; on a terminal without what could steer it, and with its last line ended."""
        if self.out.isatty():
            self.say(clean(line.expandtabs()) for line in text.splitlines())
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

    async def _connect(self, paths: tuple[Path, ...]) -> Client:
        first: EngineUnreachable | None = None
        for path in paths:
            try:
                return await Client.connect(path)
            except EngineUnreachable as error:
                first = first or error
        assert first is not None  # noqa: S101 - there is at least one path
        raise first


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
