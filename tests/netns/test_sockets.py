"""Whatever is written to either socket: refused, and forwarding goes on undisturbed."""

import contextlib
import os
import socket
import struct
import time
from pathlib import Path

import msgspec
import pytest

from tests.helpers.scene import Console, Refused, until

ROLES = ("operator", "monitor")


def framed(data):
    return struct.pack(">I", len(data)) + data


def request(**fields):
    return framed(msgspec.msgpack.encode(fields))


MALFORMED = {
    "one byte too long": struct.pack(">I", 4 * 1024 * 1024 + 1) + bytes(1000),
    "four gigabytes": b"\xff\xff\xff\xff" + bytes(1000),
    "empty frame": framed(b""),
    "garbage": framed(os.urandom(5000)),
    "unframed garbage": os.urandom(5000),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no map": framed(msgspec.msgpack.encode([1, "state", {}])),
    "no op": request(id=1),
    "id is text": request(id="x", op="state"),
    "id of 64 bits": request(id=2**64 - 1, op="nonsense"),
    "op is a number": request(id=1, op=7),
    "unknown op": request(id=1, op="format-disk"),
    "unknown argument": request(id=1, op="sessions", args={"colour": "red"}),
    "argument of another type": request(id=1, op="sessions", args={"limit": "all"}),
    "args is a list": request(id=1, op="state", args=[1, 2]),
    "cut in the middle": framed(msgspec.msgpack.encode({"id": 1, "op": "state"})[:-3]),
    "more behind the map": framed(msgspec.msgpack.encode({"id": 1, "op": "state"}) + b"\x01\x02"),
    "a hundred thousand lists": framed(b"\x91" * 100_000 + b"\xc0"),
    "an array of four milliards": framed(b"\x83\xa2id\x01\xa2op\xa5state\xa4args\xdd\xff\xff\xff\xff"),
    "a text that is no utf-8": framed(b"\x82\xa2id\x01\xa2op\xa5\xff\xfe\xfd\xfc\xfb"),
}


def outcome(console):
    """Return the code of the error frame that comes, or "closed" where the engine closes instead."""
    try:
        answer = console.receive()
    except (EOFError, ConnectionError):
        return "closed"
    assert answer["type"] == "response"
    assert not answer["ok"], answer
    assert answer["error"]["message"]
    return answer["error"]["code"]


def resident_mib(pid):
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


@pytest.fixture(scope="module", autouse=True)
def traffic(module_scene):
    """Requests all the while, every one of which has to be answered; the same engine and workers to the end."""
    processes = module_scene.pid, module_scene.workers()
    module_scene.traffic(64)
    with module_scene.traffic_meanwhile(rate=300) as meanwhile:
        yield meanwhile
    assert meanwhile.tally.asked > 100
    assert dict(meanwhile.tally.failed) == {}
    assert set(meanwhile.tally.answered) == {"target1", "target2"}
    assert (module_scene.pid, module_scene.workers()) == processes
    assert "Traceback" not in module_scene.balancer.log_text()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_frame_gets_an_error_or_a_closed_connection_and_nobody_else_notices(
    module_scene, role, kind
):
    with module_scene.console() as bystander, module_scene.console(role) as console:
        with contextlib.suppress(BrokenPipeError):  # closed before all of it was written
            console.sock.sendall(MALFORMED[kind])
        code = outcome(console)
        assert code in {"malformed", "too-large", "unknown-op", "bad-args", "closed"}
        start = time.monotonic()
        assert bystander.ask("version")["pid"] == module_scene.pid
        assert time.monotonic() - start < 1


def test_what_is_wrong_is_named(module_scene):
    expected = {
        "one byte too long": {"too-large"},
        "unknown op": {"unknown-op"},
        "unknown argument": {"bad-args"},
        "argument of another type": {"bad-args"},
        "garbage": {"malformed"},
        "no op": {"malformed"},
    }
    for kind, codes in expected.items():
        with module_scene.console() as console:
            console.sock.sendall(MALFORMED[kind])
            assert outcome(console) in codes, kind


def test_a_connection_goes_on_after_a_request_that_was_declined(module_scene):
    with module_scene.console() as console:
        for kind in ("unknown op", "unknown argument"):
            console.sock.sendall(MALFORMED[kind])
            assert outcome(console) != "closed"
        assert console.ask("version")["pid"] == module_scene.pid


@pytest.mark.parametrize("role", ROLES)
def test_half_frames_hang_nobody(module_scene, role):
    with contextlib.ExitStack() as stack:
        for cut in (1, 3, 4, 5, 12):
            half = stack.enter_context(module_scene.console(role))
            half.sock.sendall(request(id=1, op="state")[:cut])
        gone = stack.enter_context(module_scene.console(role))
        gone.sock.sendall(b"\0\0")
        gone.sock.close()
        with module_scene.console(role) as console:
            assert len(console.ask("state")["targets"]) == 2


@pytest.mark.parametrize("role", ROLES)
def test_a_crowd_of_connections_is_bounded_and_leaves_the_other_socket_free(module_scene, role):
    path = module_scene.balancer.run_dir / f"{role}.sock"
    other = next(r for r in ROLES if r != role)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(str(path))
        with module_scene.console(other) as console:
            assert console.ask("version")["pid"] == module_scene.pid

    def answers():
        try:
            with Console(path, timeout_s=1) as console:
                return console.ask("version")["pid"] == module_scene.pid
        except (OSError, EOFError, Refused, KeyError):
            return False

    until(answers, 5, "there is room again")


@pytest.mark.parametrize("role", ROLES)
def test_a_console_that_asks_and_never_reads_costs_little_and_delays_nobody(module_scene, role):
    before = resident_mib(module_scene.pid)
    with module_scene.console(role) as deaf, module_scene.console() as bystander:
        deaf.send({"id": 1, "op": "subscribe", "args": {}})
        deaf.sock.setblocking(False)
        data = request(id=2, op="state") * 50
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(400):
                deaf.sock.send(data)
        for _ in range(5):
            start = time.monotonic()
            bystander.ask("state")
            assert time.monotonic() - start < 1
            time.sleep(0.1)
    assert resident_mib(module_scene.pid) - before < 64
