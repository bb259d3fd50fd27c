"""The console's connection to the engine: connect, subscribe, fill the store; and again when it breaks."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from engine.api.client import AnswerMissing, EngineUnreachable, RequestError
from engine.api.messages import StateFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.options import Options
    from bngtui.store import Store
    from engine.api.client import Client

FIRST_WAIT_S = 0.25
"""Pause before the second attempt; it doubles with each failure."""

LONGEST_WAIT_S = 5.0
"""The longest pause: an operator who restarted the engine should not wait for the console."""


def trouble_of(error: EngineUnreachable | RequestError) -> str:
    """Say why a question to the engine has no answer."""
    if isinstance(error, RequestError):
        return f"Refused: {error.message}"
    return f"The engine is not reachable: {error.reason}"


def outcome_of(error: EngineUnreachable | RequestError) -> str:
    """Say what became of a change that the engine did not answer with its result: refused, not done, or not known."""
    if isinstance(error, RequestError):
        return f"Refused: {error.message}"
    if isinstance(error, AnswerMissing):
        return f"Unknown, it may have been done: {error.reason}. Look at the events before you do it again."
    return f"Not done, the engine is not reachable: {error.reason}"


class Connection:
    """One engine, followed for ever. `changed` is called whenever the store has something new."""

    def __init__(
        self,
        store: Store,
        options: Options,
        changed: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._options = options
        self._changed = changed
        self._clock = clock
        self._client: Client | None = None
        self._told_not_permitted = False

    async def run(self) -> None:
        """Follow the engine until cancelled."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async with await self._connect() as client:
                    wait_s = FIRST_WAIT_S
                    await self._follow(client)
            except EngineUnreachable as error:
                self._store.trouble = f"{error.path}: {error.reason}"
            except RequestError as error:
                self._store.trouble = f"the engine declined: {error.message}"
            finally:
                self._client = None
            self._store.connection = "down"
            self._changed()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def ask(self, op: str, **args: Any) -> Any:
        """Do one op. Raises EngineUnreachable or RequestError."""
        if self._client is None:
            path = self._options.engine_socket.paths(self._options.access)[0]
            raise EngineUnreachable(path, "there is no connection at the moment")
        return await self._client.request(op, **args)

    async def _connect(self) -> Client:
        """Connect to the first socket that this user may open."""
        sockets, access = self._options.engine_socket, self._options.access
        client = await sockets.open(access)
        first = sockets.paths(access)[0]
        if client.path != first and not self._told_not_permitted:
            self._told_not_permitted = True
            self._store.notes.append(
                f"{first} is not permitted to you: READ-ONLY. To change things, be root or in the socket's group."
            )
        return client

    async def _follow(self, client: Client) -> None:
        store = self._store
        if store.live is not None and store.live.boot_id != client.hello.boot_id:
            store.restarted()
        store.read_only = self._options.read_only or client.hello.role == "monitor"
        await client.request("subscribe", state=True, events=True, since=store.last_event_id)
        self._client = client
        store.connection = "up"
        store.trouble = ""
        self._changed()
        async for frame in client.frames():
            if isinstance(frame, StateFrame):
                store.take_state(frame.state, self._clock())
            else:
                store.take_event(frame)
            self._changed()
