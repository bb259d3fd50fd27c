"""A user of the host with the right to look, who means harm: every kind of it on one socket, at full speed.

    python -m tests.helpers.attacker SOCKET SECONDS

Prints as JSON how often each kind did what it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
from collections import Counter

import msgspec

EACH = 20
MOST_BYTES = 4 * 1024 * 1024
done: Counter[str] = Counter()


def framed(op, **args):
    body = msgspec.msgpack.encode({"id": 1, "op": op, "args": args})
    return struct.pack(">I", len(body)) + body


MESH = "".join(
    f"target {n} {{\nipaddr 10.0.{n // 250}.{n % 250 + 1}\n}}\n" for n in range(1, 1025)
) + "".join(
    f"server {n} {{\nipaddr 10.1.{n // 250}.{n % 250 + 1}\ntargets 1-1024\n}}\n" for n in range(1, 513)
)
LISTS = ("register targets " + ",".join(["1-1024"] * 2300) + "\n") * 120
CHECKS = [framed("check", text=text, file="x.conf") for text in (MESH, LISTS)]
LARGE = framed("check", text="x" * (MOST_BYTES - 200), file="x.conf")
REFUSED = framed("save") * 64
ASKS = framed("running") + framed("state") + framed("events", limit=1000) + framed("history")


async def frame(reader):
    (size,) = struct.unpack(">I", await reader.readexactly(4))
    return await reader.readexactly(size)


async def loris(_reader, writer):
    writer.write(struct.pack(">I", MOST_BYTES))
    while True:
        writer.write(b"\0" * 4096)
        await writer.drain()
        done["loris"] += 1
        await asyncio.sleep(0.2)


async def deaf(_reader, writer):
    writer.transport.pause_reading()
    writer.write(framed("subscribe"))
    while True:
        writer.write(ASKS)
        await writer.drain()
        done["deaf"] += 1


async def large(reader, writer):
    while True:
        writer.write(LARGE)
        await writer.drain()
        await frame(reader)
        done["large"] += 1


async def expensive(reader, writer):
    while True:
        writer.write(CHECKS[done["expensive"] % 2])
        await frame(reader)
        done["expensive"] += 1


async def refused(reader, writer):
    while True:
        writer.write(REFUSED)
        await writer.drain()
        for _ in range(64):
            await frame(reader)
            done["refused"] += 1


async def client(path, kind):
    while True:
        with contextlib.suppress(OSError, EOFError):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                await frame(reader)
                await kind(reader, writer)
            finally:
                writer.transport.abort()
        done["connections ended"] += 1
        await asyncio.sleep(0.1)


async def main(path, seconds):
    kinds = (loris, deaf, large, expensive, refused)
    async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
        for kind in kinds * EACH:
            group.create_task(client(path, kind))


def told(path, seconds):
    with contextlib.suppress(TimeoutError):
        asyncio.run(main(path, seconds))
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    told(sys.argv[1], float(sys.argv[2]))
