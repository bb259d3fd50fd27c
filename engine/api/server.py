"""The engine's side of its local sockets: operator.sock may change things, monitor.sock never may.

Here they are opened and closed, and states and events are published to whoever subscribed; console.py talks with one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from engine.api.codec import encode_frame
from engine.api.console import Console, refuse
from engine.api.limits import OUTGOING_BYTES, Costs
from engine.api.listening import SocketUnavailableError, bind, peer
from engine.api.messages import SOCKETS, EventFrame, SocketState
from engine.api.outbox import STALL_S, Outbox
from engine.api.state_frames import StateFrames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from engine.api.backend import Backend
    from engine.api.messages import Event, Role, State

__all__ = ("Server", "SocketUnavailableError")


MAX_CLIENTS = 64
"""Consoles on one socket. Counted per socket, so that monitors cannot shut the operator out."""

IDLE_S = 1.0
"""A console that has taken nothing for so long may be disconnected where too much waits for its role."""

FRAME_S = 10.0
"""Time for one frame from its first byte to its last."""

log = logging.getLogger("engine.api")


class Server:
    """Both sockets in `run_dir`, answering from `backend`. `stall_s`, `frame_s`: see the constants.

    `groups` are the ids of the groups that may use a socket; a role without one: that of the engine's user.
    """

    def __init__(
        self,
        backend: Backend,
        run_dir: Path,
        *,
        groups: Mapping[Role, int] | None = None,
        max_clients: int = MAX_CLIENTS,
        stall_s: float = STALL_S,
        frame_s: float = FRAME_S,
    ) -> None:
        self._backend = backend
        self._run_dir = run_dir
        self._groups = groups or {}
        self._max_clients = max_clients
        self._stall_s = stall_s
        self._frame_s = frame_s
        self._listeners: dict[Role, tuple[asyncio.Server, Path, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._consoles: set[Console] = set()
        self._states = StateFrames()
        self._costs: dict[Role, Costs] = {role: Costs(role) for role in SOCKETS}

    @property
    def consoles(self) -> int:
        """How many consoles are connected, on both sockets."""
        return len(self._consoles)

    async def start(self) -> None:
        """Make the directory if missing, and both sockets (mode 0660). Raises SocketUnavailableError, OSError.

        A socket that a dead engine left behind is replaced; one that somebody listens on is not.
        """
        try:
            for role in SOCKETS:
                self._listeners[role] = await self._listen(role)
        except BaseException:
            await self.close()
            raise

    async def _listen(self, role: Role) -> tuple[asyncio.Server, Path, int]:
        self._run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        path = self._run_dir / SOCKETS[role]
        listening = bind(path, self._groups.get(role))
        inode = path.stat().st_ino
        return await asyncio.start_unix_server(self._acceptor(role), sock=listening), path, inode

    async def keep_listening(self) -> list[str]:
        """Make a socket again that somebody removed, or whose folder; returns what there is to tell.

        Consoles that are connected stay so. Raises SocketUnavailableError, OSError, to be tried again.
        """
        told = []
        for role, (server, path, inode) in list(self._listeners.items()):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                if path.stat().st_ino == inode:
                    continue
            self._listeners[role] = await self._listen(role)
            server.close()
            told.append(f"{path} was removed, and is there again")
        return told

    async def close(self) -> None:
        """Stop listening, disconnect every console, remove the sockets."""
        for server, path, inode in self._listeners.values():
            server.close()
            # Another engine may have replaced the file meanwhile; then it is not ours to remove.
            with contextlib.suppress(OSError):
                if path.stat().st_ino == inode:
                    path.unlink()
        self._listeners.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def publish_state(self, state: State) -> None:
        """Give every subscriber this state, encoded once; one that has not taken the last gets only this."""
        takers = [console for console in self._consoles if console.wants_state]
        if takers and (frame := self._states.frame(state)) is not None:
            for console in takers:
                console.outbox.offer_state(frame)
        self.keep_within_bounds()

    def publish_event(self, event: Event) -> None:
        """Give every subscriber this event, encoded once."""
        takers = [console for console in self._consoles if console.wants_events]
        if takers:
            frame = encode_frame(EventFrame(event=event))
            for console in takers:
                console.outbox.offer_event(event, frame)

    def keep_within_bounds(self) -> None:
        """Disconnect consoles that take nothing, the slowest first, where too much waits for those of a role together."""
        for role, most in OUTGOING_BYTES.items():
            boxes = [console.outbox for console in self._consoles if console.role == role]
            waiting = sum(box.waiting_bytes for box in boxes)
            for box in sorted(boxes, key=lambda box: -box.idle_s):
                if waiting <= most or box.idle_s < IDLE_S:
                    break
                waiting -= box.waiting_bytes
                self._costs[role].disconnected += 1
                log.warning("%s: a console that takes nothing is disconnected: too much waits", SOCKETS[role])
                box.end()

    def sockets(self) -> list[SocketState]:
        """Return what the state of every console shows."""
        return [
            SocketState(
                role=role,
                consoles=sum(console.role == role for console in self._consoles),
                requests=costs.requests,
                refused=dict(costs.refused),
                disconnected=costs.disconnected,
            )
            for role, costs in self._costs.items()
        ]

    def _acceptor(self, role: Role) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if sum(console.role == role for console in self._consoles) >= self._max_clients:
                log.warning("%s: refused, %d consoles are connected", SOCKETS[role], self._max_clients)
                self._costs[role].refused["refused"] += 1
                writer.write(refuse(0, "refused", f"{self._max_clients} consoles are connected already"))
                writer.close()
                return
            console = Console(
                role,
                peer(writer.get_extra_info("socket"), monitor=role == "monitor"),
                Outbox(writer, stall_s=self._stall_s),
                self._backend,
                self._states,
                frame_s=self._frame_s,
                costs=self._costs[role],
            )
            self._consoles.add(console)
            task = asyncio.create_task(console.converse(reader), name=f"engine-api {console.actor}")
            self._tasks.add(task)

            def ended(task: asyncio.Task[None]) -> None:
                self._tasks.discard(task)
                self._consoles.discard(console)
                writer.transport.abort()

            task.add_done_callback(ended)

        return accept
