import asyncio
import socket
import struct

import msgspec
import pytest
import pytest_asyncio

from engine.api import client as client_module
from engine.api.client import AnswerMissing, Client, EngineUnreachable, RequestError
from engine.api.codec import read_frame
from engine.api.messages import AdminResult, Event, EventFrame, Response, State, StateFrame, Version
from engine.api.server import Server
from engine.config.finding import Finding
from tests.helpers import states


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run/operator.sock"


async def test_answers_come_as_their_types(server, path, backend):
    async with await Client.connect(path) as client:
        assert client.hello.role == "operator"
        assert client.connected
        assert await client.request("state") == backend.now
        assert isinstance(await client.request("version"), Version)
        events = await client.request("events", since=1, limit=1)
        assert [type(event) for event in events] == [Event]
        assert events[0].id == 3
        result = await client.request("admin", what="target", action="disable", numbers=[1, 2])
        assert result == AdminResult(changed=[1, 2], unchanged=[])
        assert "server 1 {" in await client.request("conf")
        findings = await client.request("check", text="a\nb\n")
        assert [(f.file, f.line) for f in findings] == [("candidate", 2)]


async def test_a_refusal_is_an_error_with_its_code(server, tmp_path):
    async with await Client.connect(tmp_path / "run/monitor.sock") as client:
        with pytest.raises(RequestError, match=r"monitor\.sock") as caught:
            await client.request("admin", what="target", action="disable", numbers=[1])
        assert caught.value.code == "read-only"


async def test_a_request_too_large_is_refused_here(server, path):
    async with await Client.connect(path) as client:
        with pytest.raises(RequestError) as caught:
            await client.request("check", text="x" * 5_000_000)
        assert caught.value.code == "too-large"
        assert await client.request("conf")


async def test_many_requests_at_once_find_their_answers(server, path):
    async with await Client.connect(path) as client:
        answers = await asyncio.gather(
            *(client.request("conf" if number % 2 else "version") for number in range(50))
        )
        assert [isinstance(answer, str) for answer in answers] == [bool(n % 2) for n in range(50)]


async def test_a_missing_socket_says_so(tmp_path):
    with pytest.raises(EngineUnreachable, match="is the engine running") as caught:
        await Client.connect(tmp_path / "none.sock")
    assert caught.value.path == tmp_path / "none.sock"


async def test_a_socket_that_cannot_be_reached_says_why(tmp_path):
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale"))
    for path, reason in (
        (tmp_path / "file", "this is not a socket; the engine's are in its --run-dir"),
        (tmp_path, "this is not a socket; the engine's are in its --run-dir"),
        (tmp_path / "stale", "nobody listens there; is the engine running?"),
        (tmp_path / "file" / "operator.sock", "not a directory"),
        (tmp_path / ("x" * 200), "AF_UNIX path too long"),
    ):
        with pytest.raises(EngineUnreachable) as caught:
            await Client.connect(path)
        assert (caught.value.reason, str(caught.value)) == (reason, f"{path}: {reason}")


@pytest_asyncio.fixture
async def impostor(path):
    """Something else that listens where the engine should, and says `greeting`."""
    opened = []

    async def listen(greeting):
        def greet(reader, writer):
            opened.append(writer)
            writer.write(greeting)

        path.parent.mkdir()
        opened.append(await asyncio.start_unix_server(greet, path))

    yield listen
    for server_or_writer in opened:
        server_or_writer.close()
    for server_or_writer in reversed(opened):  # a server waits for its connections (Python 3.12)
        await server_or_writer.wait_closed()


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "not the engine"),
        (b"\x00\x00\x00\x01\xc1", "not the engine"),
        (struct.pack(">I", 2**31), "not the engine"),
        (b"", "no answer within 0.2 s"),
    ],
)
async def test_whatever_else_answers_is_not_taken_for_the_engine(impostor, path, greeting, says):
    await impostor(greeting)
    with pytest.raises(EngineUnreachable, match=says):
        await Client.connect(path, timeout_s=0.2)


async def test_another_protocol_is_refused_with_both_versions(impostor, path):
    body = msgspec.msgpack.encode(
        {
            "type": "hello",
            "protocol": 7,
            "engine_version": "9.9",
            "boot_id": "b",
            "role": "operator",
            "hostname": "h",
        }
    )
    await impostor(struct.pack(">I", len(body)) + body)
    with pytest.raises(EngineUnreachable, match=r"\(9.9\) speaks protocol 7, this console 1"):
        await Client.connect(path)


async def test_a_full_engine_says_so(backend, tmp_path, path):
    server = Server(backend, tmp_path / "run", max_clients=1)
    await server.start()
    async with await Client.connect(path):
        with pytest.raises(EngineUnreachable, match="1 consoles are connected already"):
            await Client.connect(path)
    await server.close()


async def test_no_answer_in_time_is_unreachable_and_the_connection_goes_on(server, path, backend):
    backend.hold = asyncio.Event()
    async with await Client.connect(path) as client:
        with pytest.raises(EngineUnreachable, match=r"no answer to version within 0.05 s"):
            await client.request("version", timeout_s=0.05)
        backend.hold.set()
        assert await client.request("conf")


@pytest.mark.parametrize(
    ("op", "args", "missing"),
    [
        ("version", {}, False),
        ("admin", {"what": "target", "action": "disable", "numbers": [1]}, True),
    ],
)
async def test_a_change_without_an_answer_may_have_been_done(server, path, backend, op, args, missing):
    backend.hold = asyncio.Event()
    async with await Client.connect(path) as client:
        with pytest.raises(EngineUnreachable) as caught:
            await client.request(op, timeout_s=0.05, **args)
        assert isinstance(caught.value, AnswerMissing) is missing
        waiting = asyncio.create_task(client.request(op, **args))
        await asyncio.sleep(0.05)
        await server.close()
        with pytest.raises(EngineUnreachable) as caught:
            await waiting
        assert isinstance(caught.value, AnswerMissing) is missing
        with pytest.raises(EngineUnreachable) as caught:
            await client.request(op, **args)
        assert not isinstance(caught.value, AnswerMissing), "it was not sent"


async def test_an_engine_that_goes_away_ends_requests_and_frames_and_can_be_found_again(
    server, backend, tmp_path, path
):
    client = await Client.connect(path)
    await client.request("subscribe")
    frames = client.frames()
    assert isinstance(await anext(frames), StateFrame)
    backend.hold = asyncio.Event()
    pending = asyncio.create_task(client.request("version"))
    await asyncio.sleep(0.05)
    await server.close()
    with pytest.raises(EngineUnreachable, match="closed the connection"):
        await pending
    with pytest.raises(EngineUnreachable, match="closed the connection"):
        await anext(frames)
    assert not client.connected
    with pytest.raises(EngineUnreachable):
        await client.request("conf")
    await client.close()
    again = Server(backend, tmp_path / "run")
    await again.start()
    async with await Client.connect(path) as client:
        assert await client.request("conf")
    await again.close()


async def test_closing_ends_the_frames_quietly(server, path):
    client = await Client.connect(path)
    await client.request("subscribe", state=False)

    async def take():
        return [frame async for frame in client.frames()]

    taking = asyncio.create_task(take())
    await asyncio.sleep(0.02)
    await client.close()
    assert await taking == []
    await client.close()


async def test_a_slow_consumer_gets_the_latest_state_and_a_counted_gap(server, path, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_EVENTS_WAITING", 10)
    async with await Client.connect(path) as client:
        await client.request("subscribe")
        for number in range(100, 130):
            server.publish_event(states.event(number))
            server.publish_state(states.state(uptime_s=float(number)))
            await asyncio.sleep(0.002)
        await client.request("conf")
        found = []
        async for frame in client.frames():
            found.append(frame)
            if isinstance(frame, StateFrame):
                break
        events = [frame for frame in found if isinstance(frame, EventFrame)]
        assert [frame.event.id for frame in events] == list(range(120, 130))
        assert events[0].gap == 20
        assert sum(frame.gap for frame in events) == 20
        assert found[-1].state.uptime_s == 129.0
        assert isinstance(found[-1].state, State)


HELLO = {
    "type": "hello",
    "protocol": 1,
    "engine_version": "1",
    "boot_id": "b",
    "role": "operator",
    "hostname": "h",
}


def framed(message):
    body = msgspec.msgpack.encode(message)
    return struct.pack(">I", len(body)) + body


async def test_what_the_engine_left_out_before_an_event_that_is_left_out_here_is_counted_too(
    impostor, path, canned, monkeypatch
):
    monkeypatch.setattr(client_module, "MAX_EVENTS_WAITING", 2)
    sent = [
        EventFrame(event=states.event(number), gap=gap) for number, gap in ((8, 7), (9, 0), (12, 2), (13, 0))
    ]
    await impostor(framed(HELLO) + b"".join(map(framed, sent)))
    async with await Client.connect(path) as client:
        await asyncio.sleep(0.05)
        frames = client.frames()
        taken = [await anext(frames) for _ in range(2)]
    assert [(frame.event.id, frame.gap) for frame in taken] == [(12, 11), (13, 0)]


async def test_requests_are_numbered_from_one(path):
    numbers, ended = [], asyncio.Event()

    async def answer(reader, writer):
        writer.write(framed(HELLO))
        while (data := await read_frame(reader)) is not None:
            numbers.append(msgspec.msgpack.decode(data)["id"])
            writer.write(framed(Response(id=numbers[-1], ok=True)))
        writer.close()
        await writer.wait_closed()
        ended.set()

    path.parent.mkdir()
    engine = await asyncio.start_unix_server(answer, path)
    async with await Client.connect(path) as client:
        for _ in range(3):
            await client.request("unsubscribe")
    await ended.wait()
    engine.close()
    await engine.wait_closed()
    assert numbers == [1, 2, 3]


def test_a_refusal_has_the_findings_that_came_with_it():
    one = Finding(file="x", line=1, column=1, severity="error", code="c", message="wrong")
    assert RequestError("invalid", "not valid", [one]).findings == [one]
    assert RequestError("refused", "no").findings == []


async def test_frames_of_a_kind_unknown_here_are_skipped(impostor, path):
    stream = (
        framed(HELLO)
        + framed({"type": "weather", "sun": True})
        + framed(EventFrame(event=states.event(1)))
        + framed({"type": "event", "event": 3})
    )
    await impostor(stream)
    async with await Client.connect(path) as client:
        frames = client.frames()
        assert (await anext(frames)).event.id == 1
        with pytest.raises(EngineUnreachable, match="not understood"):
            await anext(frames)


def test_ask_is_one_blocking_question(canned, tmp_path):
    async def scene():
        server = Server(canned.CannedBackend(), tmp_path / "run")
        await server.start()
        answer = await asyncio.to_thread(client_module.ask, tmp_path / "run/monitor.sock", "version")
        await server.close()
        return answer

    assert asyncio.run(scene()).pid == 4711
