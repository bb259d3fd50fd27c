"""A target's web server: small, real HTTP/1.1 over asyncio, run by its path with the standard library alone.

    python -I httpd.py --name target1 --log FILE [--port 80]

`GET /` answers the target's name and the client's address; `GET /bytes/N[?rate=BYTES_PER_S]` streams N bytes that
`deterministic_bytes` also gives; `POST` or `PUT /upload` answers the length and SHA-256 of what came. Every answer
carries `X-Target`. The log has a line per answered request in the Common Log Format, client address first.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import signal
import sys
import time
from typing import TYPE_CHECKING, TextIO
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 64 * 1024
BACKLOG = 1024
"""Connections the kernel may hold while a burst is being accepted."""

IDLE_S = 60
"""A connection on which nothing arrives for this long is closed."""

_BLOCK = hashlib.shake_256(b"bng-lab").digest(65_521)
"""A prime length, so that a lost, doubled or swapped segment never falls on an equal one."""


def deterministic_bytes(count: int) -> Iterator[bytes]:
    """Yield the `count` bytes of `/bytes/COUNT` in pieces, so that a test can hash what it should get."""
    whole, rest = divmod(count, len(_BLOCK))
    for _ in range(whole):
        yield _BLOCK
    if rest:
        yield _BLOCK[:rest]


class BadRequestError(Exception):
    """The request is not one this server can answer; the text says which status."""


class Server:
    """Answers requests as one target, and logs who asked."""

    def __init__(self, name: str, log: TextIO) -> None:
        self.name = name
        self.log = log

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer request after request until the client closes or breaks the rules of RFC 9112."""
        client = writer.get_extra_info("peername")[0]
        with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            while await self.request(client, reader, writer):
                pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def request(self, client: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read and answer one request; returns whether the connection stays open."""
        try:
            async with asyncio.timeout(IDLE_S):
                head = await reader.readuntil(b"\r\n\r\n")
            line, *lines = head[:-4].decode("latin-1").split("\r\n")
            method, url, version = line.split(" ")
            headers = {k.strip().lower(): v.strip() for k, _, v in (text.partition(":") for text in lines)}
            length = int(headers.get("content-length", "0"))
        except (ValueError, asyncio.LimitOverrunError):
            await self.answer(client, writer, "?", "400 Bad Request", b"not a request\n", keep=False)
            return False
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        what = f"{method} {url} {version}"
        parts = urlsplit(url)
        try:
            if method == "GET" and parts.path == "/":
                await self.answer(
                    client, writer, what, "200 OK", f"{self.name}\n{client}\n".encode(), keep=keep
                )
            elif method == "GET" and parts.path.startswith("/bytes/"):
                rate = float(parse_qs(parts.query).get("rate", ["0"])[0])
                await self.stream(client, writer, what, int(parts.path[7:]), rate, keep=keep)
            elif method in {"POST", "PUT"} and parts.path == "/upload":
                if headers.get("expect", "").lower() == "100-continue":
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = f"{length} {await self.digest(reader, length)}\n".encode()
                await self.answer(client, writer, what, "200 OK", body, keep=keep)
            else:
                await self.answer(client, writer, what, "404 Not Found", b"not found\n", keep=False)
                return False
        except ValueError:
            await self.answer(client, writer, what, "400 Bad Request", b"not a number\n", keep=False)
            return False
        return keep

    def head(self, status: str, length: int, *, keep: bool) -> bytes:
        """Make the status line and headers."""
        connection = "keep-alive" if keep else "close"
        return (
            f"HTTP/1.1 {status}\r\nX-Target: {self.name}\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {length}\r\nConnection: {connection}\r\n\r\n"
        ).encode()

    async def answer(
        self, client: str, writer: asyncio.StreamWriter, what: str, status: str, body: bytes, *, keep: bool
    ) -> None:
        """Send a short answer and log it."""
        writer.write(self.head(status, len(body), keep=keep) + body)
        await writer.drain()
        self.note(client, what, status, len(body))

    async def stream(
        self, client: str, writer: asyncio.StreamWriter, what: str, count: int, rate: float, *, keep: bool
    ) -> None:
        """Send `count` bytes, at `rate` bytes a second where it is above zero."""
        if count < 0:
            raise ValueError
        writer.write(self.head("200 OK", count, keep=keep))
        start = time.monotonic()
        sent = 0
        size = (
            max(1, min(CHUNK_BYTES, int(rate / 20))) if rate > 0 else CHUNK_BYTES
        )  # a slow stream flows evenly
        for block in deterministic_bytes(count):
            for at in range(0, len(block), size):
                piece = block[at : at + size]
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
                if rate > 0 and (ahead_s := sent / rate - (time.monotonic() - start)) > 0:
                    await asyncio.sleep(ahead_s)
        self.note(client, what, "200 OK", count)

    async def digest(self, reader: asyncio.StreamReader, length: int) -> str:
        """Read a body of `length` bytes and return its SHA-256."""
        total = hashlib.sha256()
        left = length
        while left:
            piece = await reader.read(min(left, 16 * CHUNK_BYTES))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            total.update(piece)
            left -= len(piece)
        return total.hexdigest()

    def note(self, client: str, what: str, status: str, length: int) -> None:
        """Log one answered request."""
        when = time.strftime("%d/%b/%Y:%H:%M:%S %z")
        self.log.write(f'{client} - - [{when}] "{what}" {status[:3]} {length}\n')


async def serve(name: str, port: int, log: TextIO) -> None:
    """Serve on every address of the node until SIGTERM; says `ready` on standard output when it listens."""
    server = await asyncio.start_server(
        Server(name, log).connection,
        "0.0.0.0",  # noqa: S104 - the alias on the loopback interface too
        port,
        backlog=BACKLOG,
        limit=CHUNK_BYTES,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description="web server of a lab target")
    parser.add_argument("--name", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--port", type=int, default=80)
    args = parser.parse_args()
    with open(args.log, "a", buffering=1, encoding="utf-8") as log:  # noqa: PTH123 - line by line for readers
        asyncio.run(serve(args.name, args.port, log))


if __name__ == "__main__":
    main()
