"""Fuzz the engine's sockets: a real engine in a lab, many hostile consoles, and one that has to be served all the time.

Needs root, or user namespaces. A finding is an answer `internal`, a traceback in the engine's log, a well-behaved
console that waits longer than a second, a request without its answer, an engine that ends, and memory or descriptors
that grow.

    python -m tests.fuzz.fuzz_socket --seconds 600
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import random
import resource
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import msgspec

from engine.api.client import Client, EngineUnreachable, RequestError, ask
from engine.api.codec import HEADER
from engine.api.messages import SOCKETS
from engine.api.ops import OPS
from engine.lab import namespaces
from engine.lab.balancer import Balancer
from engine.lab.topology import Lab
from tests.fuzz.loop import CORPUS, GROWTH, SLACK_KIB, options, rss_kib
from tests.fuzz.streams import stream
from tests.helpers.paths import SAMPLES

STATE_S = 1.0
"""Most processor time that the engine may take, all threads together, until a well-behaved console has the state. Not
wall time: the fuzzers saturate the host, and how it shares its processors is no promise of the engine's."""

HUNG_S = 3.0
"""Longest it may wait for other reasons than a processor: disks, and grace periods of the kernel's (closing a packet
socket waits for one)."""

ANSWER_S = 20.0
"""Longest an answer may take; a frame that never completes is given up by the engine after 10 s."""

HOSTILE = 12
"""Connections that fuzz at a time."""

FLOOD = 90
"""Connections of a flood: more than a socket takes."""

CALM_S = 12.0
"""Quiet time before memory and descriptors are read: unfinished frames have been given up by then."""

RESTORE_S = 5.0
"""The seed's configuration is applied anew so often: what fuzzing made of it is not what is tested."""

MOST_KEPT = 256 * 1024
"""Bytes kept of what was sent before a finding."""

TRACEBACK = "Traceback (most recent call last)"


@dataclass
class Scene:
    """One run against one engine."""

    balancer: Balancer
    rng: random.Random
    connections: int = 0
    frames: int = 0
    answers: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    states: int = 0
    slowest_s: float = 0.0
    most_s: float = 0.0
    findings: dict[str, str] = field(default_factory=dict)
    recent: list[bytes] = field(default_factory=list)
    keep: bool = True

    @property
    def pid(self) -> int:
        """The engine's main process."""
        return self.balancer.process.pid

    def socket(self, role: str) -> Path:
        """Path of a role's socket."""
        return self.balancer.run_dir / SOCKETS[role]

    def found(self, what: str, sent: bytes, detail: str = "") -> None:
        """Tell a finding, and keep what was sent."""
        if what in self.findings:
            return
        sent = sent[-MOST_KEPT:]
        path = CORPUS / "socket" / f"{sha256(sent).hexdigest()[:12]}.bin"
        if self.keep and sent:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sent)
        self.findings[what] = path.name if sent else "-"
        print(f"\nFOUND {what} -> {self.findings[what]} {detail}\n{sent[:800]!r}", flush=True)

    def usage(self) -> tuple[int, int, int]:
        """Memory of the engine and of its workers, without what is shared, in KiB; and the engine's open descriptors."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        own = rss_kib(self.pid, "RssAnon")
        return (
            own,
            sum(rss_kib(child, "RssAnon") for child in children),
            len(list(Path(f"/proc/{self.pid}/fd").iterdir())),
        )


# -- a hostile console ----------------------------------------------------------------------------------------------


async def hostile(scene: Scene, pieces: list[bytes], *, role: str, manner: str) -> None:
    """Send `pieces` on a connection of their own; `manner`: read, leave (at once), deaf (never read), slow."""
    try:
        reader, writer = await asyncio.open_unix_connection(scene.socket(role))
    except BlockingIOError:
        return  # the queue of connections is full
    scene.connections += 1
    sent = b"".join(pieces)
    scene.recent = [*scene.recent[-20:], sent]
    reading = asyncio.create_task(_answers(scene, reader, sent)) if manner in {"read", "slow"} else None
    try:
        for piece in pieces:
            writer.write(piece)
            scene.frames += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(writer.drain(), 1)
            if manner == "slow":
                await asyncio.sleep(scene.rng.random() * 0.05)
        if manner == "deaf":
            await asyncio.sleep(scene.rng.random() * 2)
        if reading is not None and not reading.done():
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
            await asyncio.wait_for(reading, ANSWER_S)
    except TimeoutError:
        scene.found("no end of a connection that has sent all", sent)
    except OSError:
        pass  # the engine has closed it; what it said first is being read
    finally:
        if reading is not None:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
                await reading
        writer.transport.abort()


async def _answers(scene: Scene, reader: asyncio.StreamReader, sent: bytes) -> None:
    """Read until the engine closes; every frame has to be one of the protocol's."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            (size,) = HEADER.unpack(await reader.readexactly(HEADER.size))
            frame = msgspec.msgpack.decode(await reader.readexactly(size))
            scene.answers += 1
            if frame["type"] == "response":
                code = "ok" if frame["ok"] else frame["error"]["code"]
                scene.codes[code] = scene.codes.get(code, 0) + 1
                if code == "internal":
                    scene.found(f"internal: {frame['error']['message']}", sent)


async def one(scene: Scene, pieces: list[bytes] | None = None) -> None:
    """One connection of a random manner."""
    manner = scene.rng.choice(("read",) * 10 + ("slow", "leave", "leave", "deaf"))
    role = scene.rng.choice(("operator", "operator", "operator", "monitor"))
    try:
        await hostile(scene, pieces or stream(scene.rng), role=role, manner=manner)
    except (ConnectionError, FileNotFoundError) as error:
        scene.found(f"not reachable: {type(error).__name__}", b"".join(scene.recent))


async def _flood(scene: Scene) -> None:
    """More connections than a socket takes, on the monitors' one; then all are gone."""
    pieces = [stream(scene.rng)[0][:1000] for _ in range(FLOOD)]
    await asyncio.gather(*(hostile(scene, [p], role="monitor", manner="leave") for p in pieces))


# -- well-behaved consoles -------------------------------------------------------------------------------------------


class Operator:
    """A console in a process of its own, which asks for the state all the time and applies the seed now and then.

    Of its own, since making hostile texts keeps this one busy for longer than a state may take.
    """

    def __init__(self, path: Path, pid: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_operate, args=(path, pid, there), daemon=True)
        self._process.start()
        there.close()

    def news(self) -> list[tuple[str, str]]:
        """What it has found since the last call: (what, detail)."""
        found = []
        with contextlib.suppress(EOFError):
            while self._here.poll():
                found.append(self._here.recv())
        return found

    def end(self) -> tuple[int, float, float, list[tuple[str, str]]]:
        """End it; returns how many states it got, the longest wait, the engine's most CPU in one, and the last news."""
        self._here.send("end")
        self._process.join(60)
        news = self.news()
        states, slowest, most = next((detail for what, detail in news if what == "figures"), (0, 0.0, 0.0))
        found = [entry for entry in news if entry[0] != "figures"]
        if not states:
            found.append(("a well-behaved console got no state", ""))
        return states, slowest, most, found


def _clocks(pid: int) -> dict[int | str, tuple[float, float]]:
    """Return how long each thread of a process, and we, ran, and was ready to run and did not; and the wall time; seconds.

    (Documentation/scheduler/sched-stats.rst.) Each thread, since one that waits may hold the interpreter's lock.
    """
    clocks: dict[int | str, tuple[float, float]] = {"wall": (time.monotonic(), 0.0)}
    for task in (*Path(f"/proc/{pid}/task").iterdir(), Path("/proc/self/task") / str(os.getpid())):
        with contextlib.suppress(OSError):
            ran, queued, _ = map(int, (task / "schedstat").read_text().split())
            clocks[int(task.name)] = ran / 1e9, queued / 1e9
    return clocks


def _spent(
    before: dict[int | str, tuple[float, float]], after: dict[int | str, tuple[float, float]]
) -> tuple[float, float, float]:
    """Wall time, processor time of the engine, and time that nobody waited for a processor, between two readings."""
    passed = {
        name: (ran - before.get(name, (0, 0))[0], queued - before.get(name, (0, 0))[1])
        for name, (ran, queued) in after.items()
    }
    wall, _ = passed.pop("wall")
    _, own = passed.pop(os.getpid())
    return (
        wall,
        sum(ran for ran, _ in passed.values()),
        wall - own - max(queued for _, queued in passed.values()),
    )


def _operate(path: Path, pid: int, pipe: multiprocessing.connection.Connection) -> None:
    states, slowest, most = 0, 0.0, 0.0
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, os.getpid(), 0)

    async def ask() -> None:
        nonlocal states, slowest, most
        seed = (SAMPLES / "dsr.conf").read_text()
        restored = time.monotonic()
        async with await Client.connect(path) as client:
            while not pipe.poll():
                before = _clocks(pid)
                state = await client.request("state", timeout_s=30)
                wall, ran, took = _spent(before, _clocks(pid))
                states, slowest, most = states + 1, max(slowest, wall), max(most, ran)
                if ran > STATE_S or took > HUNG_S:
                    checks = sum(len(target.checks) for target in state.targets)
                    detail = f"{wall:.2f} s, {ran:.2f} s of CPU, {took:.2f} s in no queue; {checks} checks"
                    pipe.send(("the state took too long", detail))
                if time.monotonic() - restored > RESTORE_S:
                    restored = time.monotonic()
                    with contextlib.suppress(RequestError):
                        await client.request("apply", text=seed, file="seed.conf", timeout_s=30)
                await asyncio.sleep(0.1)

    try:
        asyncio.run(ask())
    except (EngineUnreachable, RequestError) as error:
        pipe.send(("a well-behaved console was not served", str(error)))
    pipe.send(("figures", (states, slowest, most)))
    with contextlib.suppress(EOFError):  # the news have to be read before the pipe goes
        pipe.recv()


# -- the run --------------------------------------------------------------------------------------------------------


async def _fuzz(scene: Scene, operator: Operator, seconds: float, pieces: list[list[bytes]]) -> None:
    """Replay `pieces`, then fuzz until the time is over."""
    for given in pieces:
        await one(scene, given)
    deadline = time.monotonic() + seconds
    told = time.monotonic()

    async def work() -> None:
        while time.monotonic() < deadline and scene.balancer.process.poll() is None:
            if scene.rng.randrange(400) == 0:
                await _flood(scene)
            await one(scene)

    workers = [asyncio.create_task(work()) for _ in range(HOSTILE)]
    while not all(worker.done() for worker in workers):
        await asyncio.sleep(0.2)
        for what, detail in operator.news():
            scene.found(what, b"".join(scene.recent), detail)
        if TRACEBACK in scene.balancer.log_text():
            scene.found("a traceback in the log", b"".join(scene.recent[-6:]))
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print(
                f"{scene.connections} connections, {scene.usage()} KiB, KiB of workers and descriptors",
                flush=True,
            )
    await asyncio.gather(*workers)


def fuzz(scene: Scene, seconds: float, *, grown: bool = True) -> int:
    """Fuzz an engine that is ready; print the figures, 1 where something was found. `grown`: watch its memory, too."""
    replayed = [[path.read_bytes()] for path in sorted((CORPUS / "socket").glob("*.bin"))]
    first = scene.usage()
    operator = Operator(scene.socket("operator"), scene.pid)
    try:
        asyncio.run(_fuzz(scene, operator, seconds * 0.2, replayed))
        warm = _calm(scene) if grown else first
        asyncio.run(_fuzz(scene, operator, seconds * 0.8, []))
    finally:
        scene.states, scene.slowest_s, scene.most_s, news = operator.end()
    for what, detail in news:
        scene.found(what, b"".join(scene.recent), detail)
    last = _calm(scene) if grown else scene.usage()
    if scene.balancer.process.poll() is not None:
        scene.found("the engine ended", b"".join(scene.recent))
    elif grown:
        if any(
            now > then * GROWTH and now - then > SLACK_KIB
            for now, then in zip(last[:2], warm[:2], strict=True)
        ):
            scene.found("memory grew", b"")
        if last[2] > warm[2] + 2:
            scene.found("descriptors grew", b"")
    print(
        f"socket: {scene.connections} connections, {scene.frames} writes, {scene.answers} frames back {scene.codes}; "
        f"{scene.states} states, the slowest {scene.slowest_s:.3f} s, the most work {scene.most_s:.3f} s of CPU; {len(scene.findings)} findings; "
        f"KiB of the engine, KiB of its workers, and descriptors: {first} at the start, {warm} after the warm-up, {last} at the end",
        flush=True,
    )
    for what, kept in scene.findings.items():
        print(f"  {what} -> {kept}", flush=True)
    return 1 if scene.findings else 0


def _calm(scene: Scene) -> tuple[int, int, int]:
    """Let the seed run and wait until nothing is left of the hostile connections; then read memory and descriptors."""
    if scene.balancer.process.poll() is not None:
        return 0, 0, 0
    time.sleep(CALM_S)
    with contextlib.suppress(RequestError, EngineUnreachable):
        ask(
            scene.socket("operator"),
            "apply",
            timeout_s=30,
            text=(SAMPLES / "dsr.conf").read_text(),
            file="seed.conf",
        )
    time.sleep(CALM_S)
    return scene.usage()


def main(argv: list[str] | None = None) -> int:
    args = options(__doc__.split("\n")[0]).parse_args(argv)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}, ops {len(OPS)}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the lab is taken down on the way
    if namespaces.missing_capabilities():
        namespaces.become_namespace_root()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with Lab(f"fuzz{os.getpid()}") as lab, tempfile.TemporaryDirectory() as folder:
        balancer = Balancer(lab, Path(folder), SAMPLES / "dsr.conf", options=("--datapath", "afpacket"))
        balancer.wait_ready()
        # What is measured runs as it would anywhere; niced are those who trouble it. All of its threads: a niced one
        # that held the interpreter's lock would hold up the others.
        with contextlib.suppress(PermissionError):
            for task in Path(f"/proc/{balancer.process.pid}/task").iterdir():
                os.setpriority(os.PRIO_PROCESS, int(task.name), 0)
        try:
            status = fuzz(Scene(balancer, random.Random(seed), keep=not args.no_keep), args.seconds)
        finally:
            ended = balancer.stop() if balancer.process.poll() is None else balancer.process.returncode
            text = balancer.log_text()
            if TRACEBACK in text or ended:
                print(
                    f"the engine ended with {ended}; its log:\n{text[text.find(TRACEBACK) - 300 :][:6000]}",
                    flush=True,
                )
                status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
