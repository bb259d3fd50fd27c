import asyncio
import logging
import os
import shutil
import socket
import stat
import struct
import time

import pytest

from engine.api.listening import SocketUnavailableError
from engine.api.messages import MAX_FRAME_BYTES
from engine.api.ops import OPS
from engine.api.server import Server
from tests.helpers import states


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens inside the server
            await asyncio.sleep(0.01)


async def test_the_engine_speaks_first(server, raw):
    for role in ("operator", "monitor"):
        async with raw(role) as peer:
            assert await peer.frame() == {
                "type": "hello",
                "protocol": 1,
                "engine_version": "0.1.0",
                "boot_id": "b-1",
                "role": role,
                "hostname": "lb1",
            }


async def test_sockets_have_mode_0660_whatever_the_umask(backend, tmp_path):
    mask = os.umask(0)
    try:
        server = Server(backend, tmp_path / "a/b/run")
        await server.start()
    finally:
        os.umask(mask)
    for name in ("operator.sock", "monitor.sock"):
        assert stat.S_IMODE((tmp_path / "a/b/run" / name).stat().st_mode) == 0o660
    await server.close()
    assert list((tmp_path / "a/b/run").iterdir()) == []


async def test_a_socket_belongs_to_the_group_of_its_role(backend, tmp_path):
    """To a group that this process is a member of, a file's owner may give it without any capability (chown(2))."""
    mine = max({os.getegid(), *os.getgroups()})
    server = Server(backend, tmp_path / "run", groups={"monitor": mine})
    await server.start()
    found = {path.name: path.stat() for path in (tmp_path / "run").iterdir()}
    await server.close()
    assert found["monitor.sock"].st_gid == mine
    assert found["operator.sock"].st_gid == os.getegid()
    assert {stat.S_IMODE(one.st_mode) for one in found.values()} == {0o660}


async def test_a_group_that_a_socket_cannot_have_is_told(backend, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    server = Server(backend, tmp_path / "run", groups={"operator": 4242})
    with pytest.raises(SocketUnavailableError, match=r"operator\.sock: operation not permitted"):
        await server.start()


@pytest.mark.parametrize("what", ["a socket", "the folder", "a socket by another file"])
async def test_a_socket_that_somebody_removes_is_made_again(backend, tmp_path, raw, what):
    run = tmp_path / "run"
    server = Server(backend, run)
    await server.start()
    assert await server.keep_listening() == []
    async with raw() as before:
        assert (await before.frame())["type"] == "hello"
        if what == "the folder":
            shutil.rmtree(run)
        else:
            (run / "operator.sock").unlink()
        if what == "a socket by another file":
            (run / "operator.sock").write_text("mine")
            with pytest.raises(SocketUnavailableError, match="in the way"):
                await server.keep_listening()
            (run / "operator.sock").unlink()
        told = await server.keep_listening()
        names = ["operator.sock", "monitor.sock"] if what == "the folder" else ["operator.sock"]
        assert told == [f"{run / name} was removed, and is there again" for name in names]
        assert await server.keep_listening() == []
        for role in ("operator", "monitor"):
            async with raw(role) as peer:
                assert (await peer.frame())["role"] == role
        assert stat.S_IMODE((run / "operator.sock").stat().st_mode) == 0o660
        assert (await before.ask({"id": 1, "op": "version"}))["ok"]
    await server.close()
    assert list(run.iterdir()) == []


async def test_a_dead_engines_socket_is_replaced(backend, tmp_path, raw):
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "run/operator.sock"))
    server = Server(backend, tmp_path / "run")
    await server.start()
    async with raw() as peer:
        assert (await peer.frame())["type"] == "hello"
    await server.close()


async def test_a_living_engines_socket_is_left_alone(server, backend, tmp_path, raw):
    with pytest.raises(SocketUnavailableError, match="another engine listens here"):
        await Server(backend, tmp_path / "run").start()
    async with raw() as peer:
        assert (await peer.frame())["type"] == "hello"


async def test_a_file_that_is_no_socket_is_not_removed(backend, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/monitor.sock").write_text("precious")
    with pytest.raises(SocketUnavailableError, match="not a socket is in the way"):
        await Server(backend, tmp_path / "run").start()
    assert (tmp_path / "run/monitor.sock").read_text() == "precious"
    assert not (tmp_path / "run/operator.sock").exists()


async def test_a_path_too_long_for_a_socket_is_said(backend, tmp_path):
    with pytest.raises(SocketUnavailableError, match="too long"):
        await Server(backend, tmp_path / ("x" * 120)).start()


async def test_on_monitor_whatever_changes_is_read_only_even_with_nonsense_arguments(server, raw, backend):
    async with raw("monitor") as peer:
        await peer.frame()
        for op in (name for name, op in OPS.items() if op.changes):
            answer = await peer.ask({"id": 5, "op": op, "args": {"nonsense": 1}})
            assert answer["ok"] is False
            assert answer["id"] == 5
            assert answer["error"]["code"] == "read-only"
        assert (await peer.ask({"id": 6, "op": "version"}))["ok"] is True
    assert [op for op, _, _ in backend.calls] == ["version"]


async def test_an_accepted_change_names_its_actor_and_is_logged(server, raw, backend, caplog):
    caplog.set_level(logging.INFO, logger="engine.api")
    async with raw() as peer:
        await peer.frame()
        answer = await peer.ask(
            {"id": 1, "op": "admin", "args": {"what": "target", "action": "drain", "numbers": [1]}}
        )
    assert answer["result"] == {"changed": [1], "unchanged": [], "in_force": True}
    ((_, _, actor),) = backend.calls
    assert (actor.uid, actor.pid) == (os.getuid(), os.getpid())
    assert f'{actor}: admin {{"what":"target","action":"drain","numbers":[1],"within_s":null}}' in caplog.text


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        (b"", "malformed", "truncated"),
        (b"\xc1", "malformed", "not a request"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed", "not a request"),
        (b"\x81\xa1a" + b"\x91" * 100_000, "malformed", "recursion"),
        ({"id": 9}, "malformed", "op"),
        ({"id": 9, "op": 4}, "malformed", "op"),
        ([1, 2], "malformed", "not a request"),
        ({"id": 9, "op": "reboot"}, "unknown-op", "no op 'reboot'"),
        ({"id": 9, "op": "admin", "args": {}}, "bad-args", "missing required field `what`"),
        ({"id": 9, "op": "version", "args": {"x": 1}}, "bad-args", "unknown field `x`"),
        ({"id": 9, "op": "version", "args": [1]}, "bad-args", "Expected `object`"),
        (
            {"id": 9, "op": "admin", "args": {"what": "target", "action": "enable", "numbers": [1, 77]}},
            "not-found",
            "there is no target 77",
        ),
        ({"id": 9, "op": "sessions", "args": {"client": "0.0.0.0"}}, "internal", "the engine's log"),
    ],
)
async def test_a_bad_frame_gets_its_error_and_the_connection_lives(server, raw, message, code, says):
    async with raw() as peer:
        await peer.frame()
        answer = await peer.ask(message)
        assert answer["type"] == "response"
        assert answer["ok"] is False
        assert answer["error"]["code"] == code
        assert says in answer["error"]["message"]
        assert answer["id"] == (9 if isinstance(message, dict) else 0)
        assert (await peer.ask({"id": 10, "op": "version"}))["ok"] is True


async def test_what_breaks_inside_is_logged_and_not_told(server, raw, caplog):
    async with raw() as peer:
        await peer.frame()
        answer = await peer.ask({"id": 1, "op": "sessions", "args": {"client": "0.0.0.0"}})
    assert "broke" not in answer["error"]["message"]
    assert "this backend broke" in caplog.text


async def test_a_frame_too_long_is_refused_and_the_connection_closed(server, raw):
    async with raw() as peer:
        await peer.frame()
        answer = await peer.ask(b"")
        await peer.send(struct.pack(">I", MAX_FRAME_BYTES + 1) + b"x" * 100_000)
        answer = await peer.frame()
        assert answer["error"]["code"] == "too-large"
        assert await asyncio.wait_for(peer.reader.read(), 3) == b""


async def test_half_a_frame_is_not_awaited_for_ever(server, raw):
    async with raw() as peer:
        await peer.frame()
        await peer.send(b"\x00\x00\x00\x20half")
        answer = await peer.frame()
        assert answer["error"] == {
            "code": "malformed",
            "message": "a frame was not complete within 0.5 s",
        }
        assert await asyncio.wait_for(peer.reader.read(), 3) == b""


async def test_a_frame_in_many_pieces_is_read(server, raw):
    async with raw() as peer:
        await peer.frame()
        for byte in raw.framed({"id": 3, "op": "version"}):
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await peer.frame())["id"] == 3


async def test_a_peer_that_closes_its_side_still_gets_its_answers(server, raw):
    async with raw() as peer:
        await peer.send(raw.framed({"id": 1, "op": "version"}) + raw.framed({"id": 2, "op": "conf"}))
        peer.writer.write_eof()
        assert [(await peer.frame()).get("id") for _ in range(3)] == [None, 1, 2]
        assert await peer.reader.read() == b""


async def test_the_65th_console_is_refused_and_a_place_is_free_again_when_one_leaves(server, raw):
    async with asyncio.timeout(20):
        peers = []
        for _ in range(64):
            context = raw("monitor")
            peers.append((context, await context.__aenter__()))
        for _, peer in peers:
            assert (await peer.frame())["type"] == "hello"
        async with raw("monitor") as late:
            assert (await late.frame())["error"]["message"] == "64 consoles are connected already"
            assert await late.reader.read() == b""
        async with raw("operator") as operator:
            assert (await operator.frame())["role"] == "operator"
        context, _ = peers.pop()
        await context.__aexit__(None, None, None)
        await until(lambda: server.consoles == 63)
        async with raw("monitor") as next_one:
            assert (await next_one.frame())["type"] == "hello"
        for context, _ in peers:
            await context.__aexit__(None, None, None)


async def test_subscribers_get_the_state_at_once_then_news(server, raw, backend):
    async with raw("monitor") as peer:
        await peer.frame()
        assert (await peer.ask({"id": 1, "op": "subscribe", "args": {"since": 1}}))["ok"] is True
        frames = [await peer.frame() for _ in range(3)]
        assert [frame["type"] for frame in frames] == ["event", "event", "state"]
        assert [frame["event"]["id"] for frame in frames[:2]] == [2, 3]
        server.publish_event(states.event(3))  # was among the kept ones
        server.publish_event(states.event(4))
        server.publish_state(states.state(uptime_s=1.0))
        assert (await peer.frame())["event"]["id"] == 4
        assert (await peer.frame())["state"]["uptime_s"] == 1.0
        assert (await peer.ask({"id": 2, "op": "unsubscribe"}))["ok"] is True
        server.publish_event(states.event(5))
        server.publish_state(states.state())
        assert (await peer.ask({"id": 3, "op": "version"}))["id"] == 3


async def test_who_has_not_subscribed_is_sent_nothing_but_answers(server, raw):
    async with raw() as peer:
        await peer.frame()
        server.publish_event(states.event(9))
        server.publish_state(states.state())
        assert [(await peer.ask({"id": number, "op": "conf"}))["id"] for number in (1, 2, 3)] == [1, 2, 3]


async def test_events_without_state_and_state_without_events(server, raw):
    async with raw() as peer:
        await peer.frame()
        await peer.ask({"id": 1, "op": "subscribe", "args": {"state": False}})
        server.publish_state(states.state())
        server.publish_event(states.event(9))
        assert (await peer.frame())["event"]["id"] == 9
        await peer.ask({"id": 2, "op": "subscribe", "args": {"events": False}})
        assert (await peer.frame())["type"] == "state"
        server.publish_event(states.event(10))
        server.publish_state(states.state(uptime_s=2.0))
        assert (await peer.frame())["state"]["uptime_s"] == 2.0


async def test_a_console_that_never_reads_is_not_waited_for_and_is_dropped(server, raw, caplog):
    big = states.large_state(512, 1024, each=1)
    async with raw() as deaf, raw("monitor") as other:
        for peer in (deaf, other):
            await peer.frame()
            await peer.send(raw.framed({"id": 1, "op": "subscribe", "args": {"events": True}}))
        assert (await other.frame())["id"] == 1
        # Nothing reads deaf's stream; its transport is told to stop too, or the test would read for it.
        deaf.writer.transport.pause_reading()

        async def listen():
            seen = 0
            while True:
                seen += (await other.frame())["type"] == "state"

        listening = asyncio.create_task(listen())
        small = states.state()
        slowest = 0.0
        for number in range(1000):
            started = time.perf_counter()
            server.publish_state(big if number % 100 == 0 else small)
            server.publish_event(states.event(10 + number))
            slowest = max(slowest, time.perf_counter() - started)
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert slowest < 0.25, f"a publish took {slowest:.3f} s"
        stuck = [console for console in server._consoles if console.role == "operator"]
        assert len(stuck) == 1
        assert len(stuck[0].outbox._events) <= 1024
        await until(lambda: server.consoles == 1)
        assert "took nothing for 1 s, disconnected" in caplog.text
        listening.cancel()
        assert server.consoles == 1


async def test_events_a_slow_console_missed_are_counted(server, raw):
    big = states.large_state(512, 1024, each=1)
    async with raw() as slow:
        await slow.frame()
        slow.writer.transport.pause_reading()
        await slow.send(raw.framed({"id": 1, "op": "subscribe", "args": {}}))
        await until(lambda: any(console.wants_events for console in server._consoles))
        for _ in range(3):  # fills the kernel's buffer and leaves the writer waiting
            server.publish_state(big)
            await asyncio.sleep(0.05)
        for number in range(10, 10 + 1024 + 40):
            server.publish_event(states.event(number))
        slow.writer.transport.resume_reading()
        events = []
        async with asyncio.timeout(10):
            while not events or events[-1]["event"]["id"] < 1073:
                frame = await slow.frame()
                if frame["type"] == "event":
                    events.append(frame)
        assert sum(frame["gap"] for frame in events) + len(events) == 1024 + 40
        assert events[0]["gap"] == 40


async def test_a_slow_op_of_one_console_does_not_hold_up_another(server, raw, backend):
    backend.hold = asyncio.Event()
    async with raw() as one, raw() as other:
        await one.frame()
        await other.frame()
        await one.send(raw.framed({"id": 1, "op": "version"}))
        assert (await asyncio.wait_for(other.ask({"id": 1, "op": "conf"}), 2))["ok"] is True
        backend.hold.set()
        assert (await one.frame())["ok"] is True


async def test_close_disconnects_everybody_and_leaves_no_file(backend, tmp_path, raw):
    server = Server(backend, tmp_path / "run")
    await server.start()
    async with raw() as peer:
        await peer.frame()
        await server.close()
        assert await peer.reader.read() == b""
    assert list((tmp_path / "run").iterdir()) == []
    await server.close()
