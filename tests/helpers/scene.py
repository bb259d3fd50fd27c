"""A running balancer in the lab, as its operator and its clients see it: what the acceptance tests share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.api.messages import Event, Sessions, State
from engine.lab import addressing, httpd, processes, traffic
from engine.lab.balancer import Balancer, sample_config
from engine.lab.namespaces import inside

SEED = sample_config("dsr.conf")
LB_MAC = addressing.mac_of(addressing.LB)
STEP_S = 0.03


class Refused(Exception):  # noqa: N818 - it names what the engine did
    """The engine declined a request; `code` is of messages.ErrorCode."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]


def until(true, timeout_s, what):
    """Ask `true()` again and again until it is; returns what it gave, fails with `what` after the time."""
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout_s
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(STEP_S)
    return found


class Console:
    """A connection to one of the engine's sockets, in bare bytes, independent of the product's client."""

    def __init__(self, path, timeout_s=5):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout_s)
        self.last_id = 0
        try:
            self.sock.connect(str(path))
            self.hello = self.receive()
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def receive(self):
        """Return the next frame as plain Python objects; EOFError where the engine has closed."""
        size = int.from_bytes(self._exactly(4), "big")
        return msgspec.msgpack.decode(self._exactly(size))

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def send(self, message):
        data = msgspec.msgpack.encode(message)
        self.sock.sendall(struct.pack(">I", len(data)) + data)

    def ask(self, op, **args):
        self.last_id += 1
        self.send({"id": self.last_id, "op": op, "args": args})
        while (answer := self.receive()).get("id") != self.last_id:
            pass
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer.get("result")


@dataclass
class Answer:
    """What a client got: the target that answered, and the SHA-256 of the body."""

    target: str
    sha256: str
    length: int
    text: str  # the start of the body


def sha256_of(count):
    """Return the hash of what `/bytes/COUNT` answers."""
    total = hashlib.sha256()
    for piece in httpd.deterministic_bytes(count):
        total.update(piece)
    return total.hexdigest()


class Scene:
    """A lab and an engine in its balancer's node. One engine at a time; it may be stopped and started again."""

    def __init__(self, lab, directory, config=None, options=()):
        self.lab = lab
        self.directory = directory
        self.options = options
        if config is None:
            self.config = SEED
        else:
            self.config = directory / "engine.conf"
            self.config.write_text(config)
        self.balancer = None
        self.started_at = 0.0

    # -- the engine -----------------------------------------------------------------------------------------------

    def start(self, *, wait=True):
        """Start the engine; in the same run and state directories as the one before."""
        self.started_at = time.monotonic()
        self.balancer = Balancer(self.lab, self.directory / "engine", self.config, options=self.options)
        if wait:
            until(self.ready, 20, "the engine is ready")
        return self

    def ready(self):
        assert self.balancer.process.poll() is None, self.balancer.log_tail()
        try:
            return self.state().first_round_done
        except (OSError, EOFError):
            return False

    def stop(self):
        """End the engine as a service manager would; returns its exit status."""
        return self.balancer.stop()

    @property
    def pid(self):
        return self.balancer.process.pid

    @property
    def running(self):
        return self.balancer is not None and self.balancer.process.poll() is None

    def workers(self):
        """Process ids of the forwarding processes."""
        return children(self.pid)

    @contextlib.contextmanager
    def workers_held(self):
        """Stop the workers for a moment, so that what is sent meanwhile waits for them as one batch."""
        pids = self.workers()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: all(state_of(pid) == "T" for pid in pids), 2, "the workers stand still")
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    # -- what an operator sees ------------------------------------------------------------------------------------

    def console(self, role="operator"):
        return Console(self.balancer.run_dir / f"{role}.sock")

    def ask(self, op, **args):
        with self.console() as console:
            return console.ask(op, **args)

    def state(self):
        return msgspec.convert(self.ask("state"), State)

    def target(self, number):
        return next(t for t in self.state().targets if t.number == number)

    def server(self, number):
        return next(s for s in self.state().servers if s.number == number)

    def admin(self, action, *numbers, what="target", **more):
        return self.ask("admin", what=what, action=action, numbers=list(numbers), **more)

    def events(self, since=0):
        return [msgspec.convert(e, Event) for e in self.ask("events", since=since, limit=1000)]

    def event(self, since, *words):
        """Return the first event after `since` whose message has all the words, or None."""
        return next((e for e in self.events(since) if all(word in e.message for word in words)), None)

    def last_event(self):
        return self.state().last_event_id

    def sessions(self, **filters):
        """Return {(client, client's port or None, server): target} of the flow table."""
        found = msgspec.convert(self.ask("sessions", limit=10_000, **filters), Sessions).sessions
        return {(s.client, s.port, s.server): s.target for s in found}

    def alarms(self):
        return [alarm.message for alarm in self.state().alarms]

    def dropped(self):
        return self.state().datapath.dropped

    # -- what a client sees ---------------------------------------------------------------------------------------

    def connect(self, source, host=addressing.VIP, port=addressing.HTTP_PORT, timeout=10, node="client"):
        """Open a TCP connection from one of the client's addresses."""
        with inside(self.lab.netns_path(node)):
            return socket.create_connection((host, port), timeout=timeout, source_address=(source, 0))

    def get(self, path="/", source=addressing.CLIENT_SOURCES[0], timeout=10, **where):
        """Fetch over a connection of its own."""
        with self.connect(source, timeout=timeout, **where) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return read_answer(connection)

    def put(self, length, source=addressing.CLIENT_SOURCES[0], timeout=30, **where):
        """Upload `length` bytes of what `/bytes` answers; the text of the answer is what the server counted."""
        with self.connect(source, timeout=timeout, **where) as connection:
            head = f"PUT /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode())
            for piece in httpd.deterministic_bytes(length):
                connection.sendall(piece)
            return read_answer(connection)

    def background(self, action, *args, **kwargs):
        """Run a client's action in a thread; the returned object's `result(timeout)` gives its outcome."""
        return Background(action, *args, **kwargs)

    def _traffic_command(self, sources, requests=None, seconds=None, rate=0, host=addressing.VIP):
        command = [sys.executable, "-I", traffic.__file__, "--json", "--host", host, "--rate", str(rate)]
        command += [] if requests is None else ["--requests", str(requests)]
        command += [] if seconds is None else ["--seconds", str(seconds)]
        return command + [part for source in sources for part in ("--source", source)]

    def traffic(self, requests, sources=addressing.CLIENT_SOURCES, timeout_s=60, **options):
        """Make HTTP requests from many addresses; returns the tally."""
        command = self._traffic_command(sources, requests, **options)
        done = self.lab.run("client", command, timeout_s=timeout_s)
        assert done.stdout, done.stderr
        return traffic.Tally.parse(done.stdout)

    @contextlib.contextmanager
    def traffic_meanwhile(self, rate=200, sources=addressing.CLIENT_SOURCES):
        """Make HTTP requests for the length of the block; its value has a `tally` afterwards."""
        command = self._traffic_command(sources, seconds=120, rate=rate)
        child = self.lab.popen("client", command, stdout=-1, text=True)
        meanwhile = Meanwhile()
        try:
            time.sleep(0.4)  # until Python has started and the first requests are on their way
            yield meanwhile
        finally:
            child.terminate()
            with child:
                out, _ = child.communicate(timeout=30)
        meanwhile.tally = traffic.Tally.parse(out)

    # -- putting things right -------------------------------------------------------------------------------------

    def forget_flows(self):
        """Have every known flow forgotten: a target that is disabled loses its flows."""
        numbers = [t.number for t in self.state().targets]
        self.admin("disable", *numbers)
        self.admin("enable", *numbers)

    def repair(self):
        """Undo what a test may have done to the network and to the operational state."""
        for node in addressing.TARGETS:
            self.lab.set_cable(node, up=True)
            self.lab.set_arp(node, ignore=1, announce=2)
            self.lab.alias(node, present=True)
            if not self.serving(node):
                self.lab.start_server(node)
        self.lab.set_cable("lb", up=True)
        if not self.running:
            return
        self.forget_flows()
        until(
            lambda: all(t.operational or t.backup_of for t in self.state().targets), 15, "all are well again"
        )

    def serving(self, node):
        inode = self.lab.netns_path(node).stat().st_ino
        mark = httpd.__file__.encode()
        return any(
            mark in Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
            for process in processes.in_namespaces({inode})
        )


class Meanwhile:
    """What traffic in the background came to."""

    tally: traffic.Tally


class Background(threading.Thread):
    """One action in a thread."""

    def __init__(self, action, *args, **kwargs):
        super().__init__(daemon=True)
        self._call = (action, args, kwargs)
        self._outcome = None
        self._error = None
        self.start()

    def run(self):
        action, args, kwargs = self._call
        try:
            self._outcome = action(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - handed to whoever asks for the result
            self._error = error

    def result(self, timeout_s=30):
        self.join(timeout_s)
        assert not self.is_alive(), f"still running after {timeout_s} s"
        if self._error is not None:
            raise self._error
        return self._outcome


def read_answer(connection):
    """Read an HTTP answer to its end, hashing the body as it comes."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            raise OSError("no answer")
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert head.startswith(b"HTTP/1.1 200"), head
    total, length, start = hashlib.sha256(body), len(body), body[:200]
    while length < int(headers["Content-Length"]):
        piece = connection.recv(1 << 20)
        if not piece:
            raise OSError(f"cut short after {length} bytes")
        total.update(piece)
        length += len(piece)
        start = start if len(start) >= 200 else (start + piece)[:200]
    return Answer(headers["X-Target"], total.hexdigest(), length, start.decode("latin-1"))


def children(pid):
    """Return the pids of a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state_of(pid):
    """Return a process's state letter of proc(5), or None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None
