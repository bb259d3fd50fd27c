"""`wait-ready`, `explain`, `watch`: asking the engine about now and what comes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from bngtui.command import lists
from bngtui.command.spec import (
    DONE,
    FAILED,
    UNREACHABLE,
    Argument,
    Call,
    Command,
    Option,
    UsageError,
    seconds,
)
from bngtui.engine_socket import Access
from bngtui.render.printed.events import event_line
from bngtui.render.printed.explanation import explanation
from engine.api.client import EngineUnreachable
from engine.api.messages import EventFrame

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bngtui.command.session import Session
    from engine.api.messages import Event, Explanation, State

READY_TIMEOUT_S = 60.0
"""Default of `wait-ready`: several rounds of the slowest checks that people write."""

_POLL_S = 0.1
_KNOWN_EVENTS = 1000  # as many as an engine keeps


async def wait_ready(session: Session, call: Call) -> int:
    """Return when the engine answers and its first round of checks is over, or the time is."""
    started = time.monotonic()
    deadline = started + call.options["--timeout"]
    reached = False
    reason = ""
    while True:
        # At least one honest attempt, even with --timeout 0.
        left = max(deadline - time.monotonic(), 1.0)
        try:
            async with await session.engine.open(Access.LOOK, timeout_s=left) as client:
                state: State = await client.request("state", timeout_s=left)
        except EngineUnreachable as error:
            reason = reason if reached else str(error)
        else:
            reached = True
            reason = f"{client.path}: the first round of checks is not over"
            if state.first_round_done:
                return _ready(session, state, time.monotonic() - started)
        left = deadline - time.monotonic()
        if left <= 0:
            session.note(f"not ready after {call.options['--timeout']:g} s: {reason}")
            return FAILED if reached else UNREACHABLE
        await asyncio.sleep(min(_POLL_S, left))


def _ready(session: Session, state: State, waited_s: float) -> int:
    up = sum(target.operational for target in state.targets)
    if session.as_json:
        session.say_json({"ready": True, "waited_s": round(waited_s, 3), "boot_id": state.boot_id})
    else:
        session.say([f"ready: {state.hostname}, {up} of {len(state.targets)} targets operational"])
    return DONE


async def explain(session: Session, call: Call) -> int:
    """Print which target a flow gets, and why."""
    host, client_port = lists.endpoint(call.args["CLIENT[:PORT]"], "client")
    server, server_port = lists.endpoint(call.args["SERVER[:PORT]"], "server")
    client = lists.address(host, "client")
    if not server.isdigit():
        try:
            server = lists.address(server, "server")
        except UsageError:
            state: State = await session.ask("state")
            if all(one.name != server for one in state.servers):
                raise
            server = str(lists.numbers(server, state.servers, "server")[0])
    answer: Explanation = await session.ask(
        "explain", client=client, client_port=client_port, server=server, server_port=server_port
    )
    if session.as_json:
        session.say_json(answer)
    else:
        session.say(explanation(answer, session.style))
    return DONE


async def watch(session: Session, call: Call) -> int:
    """Print events as they happen until interrupted; without --follow until the engine goes away."""
    async with contextlib.aclosing(_events(session, follow=call.options["--follow"])) as frames:
        async for frame in frames:
            if frame.gap:
                session.note(f"{frame.gap} events were missed here")
            if session.as_json:
                session.out.write(msgspec.json.encode(frame.event).decode() + "\n")
            else:
                session.say([event_line(frame.event, session.style)])
            session.out.flush()
    return DONE


async def _events(session: Session, *, follow: bool) -> AsyncGenerator[EventFrame, None]:
    """Yield what happens from now on; with `follow` over restarts of the engine, without what was yielded before."""
    known: deque[tuple[int, str]] = deque(maxlen=_KNOWN_EVENTS)
    since: int | None = None
    while True:
        try:
            async with await session.engine.open(Access.LOOK) as client:
                if since is None:
                    before: list[Event] = await client.request("events", limit=_KNOWN_EVENTS)
                    known.extend((event.id, event.time) for event in before)
                    since = before[-1].id if before else 0
                await client.request("subscribe", state=False, events=True, since=since)
                since = 0  # the numbers of another engine may begin anew
                async for frame in client.frames():
                    if isinstance(frame, EventFrame) and (frame.event.id, frame.event.time) not in known:
                        known.append((frame.event.id, frame.event.time))
                        yield frame
        except EngineUnreachable as error:
            if not follow or isinstance(error.__cause__, PermissionError):
                raise
            session.note(f"{error}; waiting for the engine")
        await _answering(session)


async def _answering(session: Session) -> None:
    """Return when the engine answers."""
    while True:
        await asyncio.sleep(_POLL_S)
        with contextlib.suppress(EngineUnreachable):
            async with await session.engine.open(Access.LOOK):
                session.note("the engine answers")
                return


COMMANDS: tuple[Command, ...] = (
    Command(
        ("wait-ready",),
        "return when the engine answers and its first round of checks is over",
        wait_ready,
        options=(Option("--timeout", "S", seconds, READY_TIMEOUT_S, "give up after S seconds (60)"),),
        details="Exit: 1 when the engine answers and is not ready in time, 3 when it never answered.",
    ),
    Command(
        ("explain",),
        "which target this flow gets, and why",
        explain,
        (Argument("CLIENT[:PORT]"), Argument("SERVER[:PORT]", "server")),
        details="SERVER is a virtual address, or the number or name of a server.",
    ),
    Command(
        ("watch",),
        "events as they happen, one line each",
        watch,
        options=(
            Option(
                "--follow",
                "",
                bool,
                False,
                help="go on when the engine restarts, and wait for it where it does not run",
            ),
        ),
        details="Ends with Ctrl-C; without --follow with exit code 3 when the engine goes away.",
    ),
)
