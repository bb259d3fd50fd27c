"""One server in a temporary directory; raw connections beside proper clients."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager

import msgspec
import pytest
import pytest_asyncio

from engine.api.server import Server
from tests.helpers import canned as canned_engine


@pytest.fixture(scope="session")
def canned():
    return canned_engine


@pytest.fixture
def backend(canned):
    return canned.CannedBackend()


@pytest_asyncio.fixture
async def server(backend, tmp_path):
    server = Server(backend, tmp_path / "run", stall_s=1.0, frame_s=0.5)
    await server.start()
    yield server
    await server.close()


class Raw:
    """A connection that may send anything."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def frame(self):
        (size,) = struct.unpack(">I", await self.reader.readexactly(4))
        return msgspec.msgpack.decode(await self.reader.readexactly(size))

    async def ask(self, message):
        await self.send(framed(message))
        return await self.frame()


def framed(message):
    body = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    return struct.pack(">I", len(body)) + body


@pytest.fixture
def raw(tmp_path):
    @asynccontextmanager
    async def connect(name="operator"):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "run" / f"{name}.sock")
        try:
            yield Raw(reader, writer)
        finally:
            writer.close()

    connect.framed = framed
    return connect
