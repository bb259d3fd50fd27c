"""The targets' web server over loopback, in this process."""

import asyncio
import contextlib
import hashlib
import io

import pytest

from engine.lab import httpd


@pytest.fixture
async def served():
    """A server on a free port; returns (ask, log)."""
    log = io.StringIO()
    server = await asyncio.start_server(
        httpd.Server("target9", log).connection, "127.0.0.1", 0, limit=httpd.CHUNK_BYTES
    )
    port = server.sockets[0].getsockname()[1]

    async def ask(data):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read(-1)
        writer.close()
        await writer.wait_closed()
        return answer

    yield ask, log
    server.close()
    await server.wait_closed()


async def test_root_names_target_and_client(served):
    ask, log = served
    answer = await ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nX-Target: target9\r\n")
    assert body == b"target9\n127.0.0.1\n"
    assert log.getvalue().startswith("127.0.0.1 - - [")
    assert log.getvalue().endswith('"GET / HTTP/1.1" 200 18\n')


async def test_several_requests_on_one_connection(served):
    ask, _ = served
    answer = await ask(
        b"GET / HTTP/1.1\r\n\r\nGET /bytes/3 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"Connection: keep-alive") == 2


@pytest.mark.parametrize("count", [0, 1, 65_521, 65_522, 200_000])
async def test_bytes_are_deterministic_and_counted(served, count):
    ask, _ = served
    answer = await ask(f"GET /bytes/{count} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {count}".encode() in head
    assert body == b"".join(httpd.deterministic_bytes(count))
    assert len(body) == count


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_upload_is_answered_with_length_and_hash(served, method):
    ask, _ = served
    body = bytes(range(256)) * 1000
    answer = await ask(f"{method} /upload HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert answer.endswith(f"\r\n\r\n{len(body)} {hashlib.sha256(body).hexdigest()}\n".encode())


async def test_upload_cut_short_is_not_answered(served):
    ask, log = served
    assert await ask(b"PUT /upload HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf") == b""
    assert log.getvalue() == ""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"GET /bytes/some HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /bytes/-1 HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /bytes/1?rate=fast HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /secret HTTP/1.1\r\n\r\n", b"404"),
        (b"DELETE / HTTP/1.1\r\n\r\n", b"404"),
    ],
)
async def test_bad_requests_are_answered_and_the_server_goes_on(served, request_, status):
    ask, _ = served
    assert (await ask(request_)).startswith(b"HTTP/1.1 " + status)
    assert b"200 OK" in await ask(b"GET / HTTP/1.1\r\n\r\n")


async def test_endless_head_is_cut_off_and_the_server_goes_on(served):
    ask, _ = served
    with contextlib.suppress(ConnectionResetError):  # what it did not read may reset the connection
        assert (await ask(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000)).startswith(b"HTTP/1.1 400")
    assert b"200 OK" in await ask(b"GET / HTTP/1.1\r\n\r\n")
