"""Real connections over the loopback interface."""

import asyncio
import errno
import os
import resource
import socket
import time

import pytest

from engine.domain.address import Address
from engine.domain.checks import ProbeKey, ProbeStart
from engine.health import tcpopen

HERE = "127.0.0.1"


def once(address, port, source, timeout_s):
    """One attempt of a check."""
    key = ProbeKey(1, "tcpopen", Address.parse(address), port, timeout_s, timeout_s)
    return tcpopen.run(ProbeStart(key, Address.parse(source)))


def closed_port():
    with socket.socket() as sock:
        sock.bind((HERE, 0))
        return sock.getsockname()[1]


async def test_an_established_connection_is_ok_and_comes_from_the_source():
    seen = []

    async def serve(reader, writer):
        seen.append(writer.get_extra_info("peername")[0])
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, HERE, 0)
    async with server:
        answer = await once(HERE, server.sockets[0].getsockname()[1], "127.0.0.2", 1)
        await asyncio.sleep(0.05)
    assert answer.ok
    assert answer.error is None
    assert 0 < answer.rtt_ms < 500
    assert seen == ["127.0.0.2"]


async def test_a_service_that_speaks_first_sees_a_normal_close_and_no_reset():
    ended: asyncio.Future[bytes | Exception] = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        writer.write(b"220 a banner\r\n" * 100)
        try:
            await writer.drain()
            got = await reader.read()
            writer.write(b"more after the FIN")
            await asyncio.sleep(0.05)
            await writer.drain()
            ended.set_result(got)
        except OSError as error:
            ended.set_result(error)
        writer.close()

    server = await asyncio.start_server(serve, HERE, 0)
    async with server:
        answer = await once(HERE, server.sockets[0].getsockname()[1], HERE, 1)
        assert answer.ok
        assert await asyncio.wait_for(ended, 2) == b""
        await asyncio.sleep(0.02)


async def test_a_service_that_never_closes_is_left_after_a_while(monkeypatch):
    monkeypatch.setattr(tcpopen, "LINGER_S", 0.1)
    with socket.create_server((HERE, 0)) as listener:
        answer = await once(HERE, listener.getsockname()[1], HERE, 1)
        assert answer.ok
        conn, _ = listener.accept()
        with conn:
            conn.setblocking(False)
            await asyncio.sleep(0.2)
            assert conn.recv(10) == b""
            conn.send(b"x")  # the other side is gone: this draws the reset
            await asyncio.sleep(0.05)
            with pytest.raises(ConnectionError):
                conn.send(b"x")


async def test_a_refused_connection_is_certain():
    port = closed_port()
    answer = await once(HERE, port, HERE, 1)
    assert not answer.ok
    assert answer.certain
    assert answer.error == f"connection refused on {HERE}:{port}"


async def test_a_service_that_does_not_accept_is_not_answering():
    """A listener whose queue is full drops the SYN, as a hung service does."""
    with socket.create_server((HERE, 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fill = [socket.socket() for _ in range(3)]
        for sock in fill:
            sock.setblocking(False)
            sock.connect_ex((HERE, port))
        begun = time.monotonic()
        answer = await once(HERE, port, HERE, 0.2)
        assert 0.19 < time.monotonic() - begun < 1
        for sock in fill:
            sock.close()
    assert not answer.ok
    assert not answer.certain
    assert answer.error == f"no answer from {HERE}:{port} within 0.2 s"


async def test_an_address_that_is_not_ours_says_so():
    answer = await once(HERE, 80, "192.0.2.1", 1)
    assert not answer.ok
    assert not answer.certain
    assert answer.error == "cannot send from 192.0.2.1: Cannot assign requested address"


@pytest.mark.parametrize(
    ("code", "certain", "words"),
    [
        (errno.EHOSTUNREACH, True, "no route to host 1.2.3.4"),
        (errno.ENETUNREACH, False, "network unreachable: 1.2.3.4"),
        (errno.ECONNREFUSED, True, "connection refused on 1.2.3.4:80"),
        (errno.ETIMEDOUT, False, "no answer from 1.2.3.4:80 within 3 s"),
        (errno.EPERM, False, "Operation not permitted on 1.2.3.4:80"),
    ],
)
def test_what_is_certain(code, certain, words):
    answer = tcpopen._failed(code, "1.2.3.4", 80, 3)
    assert (answer.ok, answer.certain, answer.error) == (False, certain, words)


async def test_a_cancelled_probe_leaves_no_socket():
    with socket.create_server((HERE, 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fill = [socket.socket() for _ in range(3)]
        for sock in fill:
            sock.setblocking(False)
            sock.connect_ex((HERE, port))
        task = asyncio.get_running_loop().create_task(once(HERE, port, HERE, 5))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for sock in fill:
            sock.close()


async def test_a_thousand_at_once_all_answer():
    async def serve(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, HERE, 0, backlog=2048)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answers = []
        for _ in range(10):
            answers += await asyncio.gather(*(once(HERE, port, HERE, 2) for _ in range(100)))
        await asyncio.sleep(0.05)
    assert [a.error for a in answers if not a.ok] == []


async def test_that_there_is_no_descriptor_left_is_an_answer():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        answer = await once(HERE, 80, HERE, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not answer.ok
    assert not answer.certain
    assert answer.error == f"Too many open files on {HERE}:80"
