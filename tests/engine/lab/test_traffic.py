"""Client traffic against a server that this process is."""

import asyncio
import os
import signal
import time
from collections import Counter

import pytest

from engine.lab import traffic


@pytest.fixture
async def server():
    """Answers with the next of `answers` (None: never), the last one for ever; returns (port, answers)."""
    answers = [b"HTTP/1.1 200 OK\r\nX-Target: target1\r\nContent-Length: 3\r\n\r\nyes"]

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        saying = answers.pop(0) if len(answers) > 1 else answers[0]
        if saying is None:  # never answers
            await reader.read(-1)
        writer.write(saying or b"")
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1], answers
    listening.close()
    await listening.wait_closed()


def arguments(port, *more):
    return traffic.parser().parse_args(
        ["--host", "127.0.0.1", "--port", str(port), "--source", "127.0.0.1", *more]
    )


async def test_all_answered(server):
    port, _ = server
    tally = await traffic.run(arguments(port, "--requests", "100"))
    assert (tally.complete, tally.answered) == (True, {"target1": 100})


async def test_every_kind_of_bad_answer_is_a_failure_with_its_reason(server):
    port, answers = server
    answers[:0] = [
        b"HTTP/1.1 500 Oh\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
        b"",
        b"SSH-2.0\r\n\r\n",
    ]
    tally = await traffic.run(arguments(port, "--requests", "5"))
    assert (tally.complete, tally.answered) == (False, {"target1": 1})
    assert tally.failed == {
        "answered 'HTTP/1.1 500 Oh'": 1,
        "answer cut short": 1,
        "answered ''": 1,
        "answered 'SSH-2.0'": 1,
    }


async def test_rate_and_time_bound_the_number(server):
    port, _ = server
    start = time.monotonic()
    tally = await traffic.run(arguments(port, "--rate", "50", "--seconds", "0.5"))
    assert 0.4 < time.monotonic() - start < 1.5
    assert 20 <= tally.asked <= 26
    assert tally.complete


async def test_sigterm_ends_it_within_its_patience_and_abandoned_requests_are_not_asked(server):
    port, answers = server
    answers[:] = [None]
    start = time.monotonic()
    asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGTERM)
    tally = await traffic.run(arguments(port))
    assert time.monotonic() - start < 0.3 + traffic.STOP_PATIENCE_S + 1
    assert (tally.asked, tally.answered, tally.failed) == (0, {}, {})


async def test_nobody_listens(unused_tcp_port):
    tally = await traffic.run(arguments(unused_tcp_port, "--requests", "2"))
    assert not tally.complete
    assert sum(tally.failed.values()) == 2


def test_no_requests_are_no_success():
    assert not traffic.Tally().complete


def test_tally_reads_what_it_writes():
    tally = traffic.Tally(5, Counter(target1=3, target2=1), Counter({"timed out": 1}))
    assert traffic.Tally.parse(tally.json()) == tally
    assert tally.text() == "4 of 5 requests answered: target1 3, target2 1\n1 failed: timed out"
