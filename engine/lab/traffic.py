"""Client traffic: real HTTP requests from many source addresses, counted by the target that answered.

Run inside the client's namespace (`python -I traffic.py ...`, standard library alone). SIGTERM ends it early and it
still prints what it counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

REQUEST_TIMEOUT_S = 10.0
"""Three retransmissions of a lost SYN (1, 3, 7 s) fit: a lost frame delays a request, a black hole fails it."""

STOP_PATIENCE_S = 1.0
"""How long requests may take after SIGTERM: an answer on its way arrives within this, a lost one never."""

CONCURRENCY = 32


@dataclass
class Tally:
    """What became of the requests."""

    asked: int = 0
    answered: Counter[str] = field(default_factory=Counter)  # by target
    failed: Counter[str] = field(default_factory=Counter)  # by reason

    @property
    def complete(self) -> bool:
        """Whether there were requests and every one of them was answered."""
        return self.asked > 0 and self.answered.total() == self.asked

    def text(self) -> str:
        """Render for people: one line, and one more for each kind of failure."""
        targets = ", ".join(f"{name} {count}" for name, count in sorted(self.answered.items())) or "nobody"
        lines = [f"{self.answered.total()} of {self.asked} requests answered: {targets}"]
        lines += [f"{count} failed: {reason}" for reason, count in self.failed.most_common()]
        return "\n".join(lines)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `json` wrote; ValueError for anything else."""
        data = json.loads(text)
        return cls(data["asked"], Counter(data["answered"]), Counter(data["failed"]))

    def json(self) -> str:
        """Render for scripts: `{asked, answered: {target: n}, failed: {reason: n}}`."""
        return json.dumps({"asked": self.asked, "answered": self.answered, "failed": self.failed})


async def fetch(source: str, host: str, port: int, path: str) -> str:
    """Make one request from `source` on a connection of its own; returns who answered, raises OSError otherwise."""
    reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        answer = await reader.read(-1)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if not lines[0].startswith("HTTP/1.1 200"):
        raise OSError(f"answered {lines[0]!r}")
    if len(body) != int(headers.get("content-length", "-1")):
        raise OSError("answer cut short")
    return headers.get("x-target", "?")


async def _one(tally: Tally, args: argparse.Namespace, source: str) -> None:
    """Make one request and count it."""
    tally.asked += 1
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            target = await fetch(source, args.host, args.port, args.path)
    except TimeoutError:
        tally.failed[f"no answer within {REQUEST_TIMEOUT_S:.0f} s"] += 1
    except OSError as error:
        tally.failed[error.strerror or str(error)] += 1
    else:
        tally.answered[target] += 1


async def run(args: argparse.Namespace) -> Tally:
    """Make requests until their number, the time or a SIGTERM ends them.

    Those begun are finished, but after a SIGTERM only within STOP_PATIENCE_S: the rest then count as never asked.
    """
    tally = Tally()
    stop = asyncio.Event()
    free = asyncio.Semaphore(CONCURRENCY)
    running: set[asyncio.Task[None]] = set()

    def end() -> None:
        stop.set()
        free.release()  # lets a waiter go on that all places of unanswered requests would block

    async def begin(number: int) -> None:
        await free.acquire()
        if stop.is_set():
            return
        task = asyncio.create_task(_one(tally, args, args.source[number % len(args.source)]))
        running.add(task)
        task.add_done_callback(running.discard)
        task.add_done_callback(lambda _: free.release())

    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, end)
    start = time.monotonic()
    number = 0
    while not stop.is_set() and (args.requests is None or number < args.requests):
        now = time.monotonic() - start
        if args.seconds is not None and now >= args.seconds:
            break
        if args.rate and (wait_s := number / args.rate - now) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)
            continue
        await begin(number)
        number += 1
    if running:
        _, late = await asyncio.wait(running, timeout=STOP_PATIENCE_S if stop.is_set() else None)
        tally.asked -= len(late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    return tally


def parser() -> argparse.ArgumentParser:
    """Describe the command line; `--source` is given once for each address."""
    made = argparse.ArgumentParser(description="HTTP requests from many addresses")
    made.add_argument("--host", required=True)
    made.add_argument("--port", type=int, default=80)
    made.add_argument("--path", default="/")
    made.add_argument("--source", action="append", required=True)
    made.add_argument("--requests", type=int)
    made.add_argument(
        "--rate", type=float, default=0.0, help="requests a second; 0: as fast as they are answered"
    )
    made.add_argument("--seconds", type=float)
    made.add_argument("--json", action="store_true")
    return made


def main() -> None:
    """Make the traffic, print the tally; exit 0 only if every request was answered."""
    args = parser().parse_args()
    tally = asyncio.run(run(args))
    sys.stdout.write((tally.json() if args.json else tally.text()) + "\n")
    raise SystemExit(0 if tally.complete else 1)


if __name__ == "__main__":
    main()
