"""The engine's side of its local sockets: operator.sock may change things, monitor.sock never may.

The role belongs to the socket and is enforced here, before anything else of a request is looked at. A console that is
slow, dead or hostile costs bounded memory and is never waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from engine.api.codec import UNREADABLE, FrameTooLargeError, encode_frame, read_frame
from engine.api.listening import SocketUnavailableError, bind, peer
from engine.api.messages import (
    MAX_FRAME_BYTES,
    PROTOCOL,
    ErrorInfo,
    Event,
    EventFrame,
    Hello,
    Response,
    Role,
    State,
    StateFrame,
)
from engine.api.ops import OPS, EventsArgs, SubscribeArgs
from engine.api.outbox import STALL_S, Outbox, StalledError
from engine.domain.errors import OpError
from engine.domain.notices import Alarm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.config.finding import Finding
    from engine.domain.errors import ErrorCode

__all__ = ("SOCKETS", "Backend", "Server", "SocketUnavailableError")

SOCKETS: dict[Role, str] = {"operator": "operator.sock", "monitor": "monitor.sock"}

MAX_CLIENTS = 64
"""Consoles on one socket. Counted per socket, so that monitors cannot shut the operator out."""

FRAME_S = 10.0
"""Time for one frame from its first byte to its last."""

_LINGER_S = (
    1.0  # after a refusal that ends the connection: time for the console to finish writing and read why
)
_LOGGED = 200  # characters of an accepted request
_CHECKS_KEPT = 8  # of a target, in a state that would not fit otherwise

log = logging.getLogger("engine.api")


class Backend(Protocol):
    """What the engine does for its consoles. All is called in the server's event loop."""

    @property
    def engine_version(self) -> str:
        """The version, for `hello`."""
        ...

    @property
    def boot_id(self) -> str:
        """A new text at every start of the engine."""
        ...

    @property
    def hostname(self) -> str:
        """The host's name, for `hello`."""
        ...

    def state(self) -> State:
        """Return a snapshot of now; op `state` and a new subscriber's first state."""
        ...

    def events(self, since: int, limit: int) -> list[Event]:
        """Return kept events with an id over `since`, the newest `limit` of them, oldest first."""
        ...

    async def call(self, op: str, args: msgspec.Struct, actor: str) -> Any:
        """Do any other op of ops.OPS; `args` is of that op's type, `actor` like "root(0) pid 812".

        Raises OpError to decline. Anything else that is raised is logged and answered as `internal`.
        """
        ...


class _Envelope(msgspec.Struct):
    """A request whose arguments stay raw bytes: nothing is built of them before the op and the role allow it."""

    id: int
    op: str
    args: msgspec.Raw = msgspec.Raw(b"\x80")  # an empty map


class _IdOnly(msgspec.Struct):
    id: int = 0


class _Console:
    """One connection."""

    def __init__(self, role: Role, actor: str, outbox: Outbox) -> None:
        self.role = role
        self.actor = actor
        self.outbox = outbox
        self.wants_state = False
        self.wants_events = False


class Server:
    """Both sockets in `run_dir`, answering from `backend`. `stall_s`, `frame_s`: see the constants."""

    def __init__(
        self,
        backend: Backend,
        run_dir: Path,
        *,
        max_clients: int = MAX_CLIENTS,
        stall_s: float = STALL_S,
        frame_s: float = FRAME_S,
    ) -> None:
        self._backend = backend
        self._run_dir = run_dir
        self._max_clients = max_clients
        self._stall_s = stall_s
        self._frame_s = frame_s
        self._listeners: list[tuple[asyncio.Server, Path, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._consoles: set[_Console] = set()
        self._told_too_large = False
        self._args: dict[str, msgspec.msgpack.Decoder[Any]] = {
            name: msgspec.msgpack.Decoder(op.args) for name, op in OPS.items()
        }

    @property
    def consoles(self) -> int:
        """How many consoles are connected, on both sockets."""
        return len(self._consoles)

    async def start(self) -> None:
        """Make the directory if missing, and both sockets (mode 0660). Raises SocketUnavailableError, OSError.

        A socket that a dead engine left behind is replaced; one that somebody listens on is not.
        """
        self._run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            for role, name in SOCKETS.items():
                path = self._run_dir / name
                listening = bind(path)
                inode = path.stat().st_ino
                server = await asyncio.start_unix_server(self._acceptor(role), sock=listening)
                self._listeners.append((server, path, inode))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening, disconnect every console, remove the sockets."""
        for server, path, inode in self._listeners:
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
        if takers and (frame := self._state_frame(state)) is not None:
            for console in takers:
                console.outbox.offer_state(frame)

    def publish_event(self, event: Event) -> None:
        """Give every subscriber this event, encoded once."""
        takers = [console for console in self._consoles if console.wants_events]
        if takers:
            frame = encode_frame(EventFrame(event=event))
            for console in takers:
                console.outbox.offer_event(event, frame)

    def _acceptor(self, role: Role) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if sum(console.role == role for console in self._consoles) >= self._max_clients:
                log.warning("%s: refused, %d consoles are connected", SOCKETS[role], self._max_clients)
                writer.write(
                    encode_frame(_error(0, "refused", f"{self._max_clients} consoles are connected already"))
                )
                writer.close()
                return
            console = _Console(
                role, peer(writer.get_extra_info("socket")), Outbox(writer, stall_s=self._stall_s)
            )
            self._consoles.add(console)
            task = asyncio.create_task(self._converse(console, reader), name=f"engine-api {console.actor}")
            self._tasks.add(task)

            def ended(task: asyncio.Task[None]) -> None:
                self._tasks.discard(task)
                self._consoles.discard(console)
                writer.transport.abort()

            task.add_done_callback(ended)

        return accept

    async def _converse(self, console: _Console, reader: asyncio.StreamReader) -> None:
        pump = asyncio.create_task(console.outbox.run(), name=f"engine-api-outbox {console.actor}")
        try:
            with contextlib.suppress(OSError, EOFError):
                await console.outbox.answer(encode_frame(self._hello(console.role)))
                await self._answer_all(console, reader)
        finally:
            pump.cancel()
            (ending,) = await asyncio.gather(pump, return_exceptions=True)
            if isinstance(ending, StalledError):
                log.warning("%s took nothing for %g s, disconnected", console.actor, self._stall_s)
            elif isinstance(ending, Exception) and not isinstance(ending, OSError):
                log.error("%s: the writer failed", console.actor, exc_info=ending)

    async def _answer_all(self, console: _Console, reader: asyncio.StreamReader) -> None:
        try:
            while (data := await read_frame(reader, timeout_s=self._frame_s)) is not None:
                # One at a time: a console that asks faster than it reads waits in its own socket.
                await console.outbox.answer(await self._answer(console, data))
        except FrameTooLargeError as error:
            refusal = _error(0, "too-large", str(error))
        except TimeoutError:
            refusal = _error(0, "malformed", f"a frame was not complete within {self._frame_s:g} s")
        else:
            return
        await console.outbox.answer(encode_frame(refusal))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while await reader.read(65536):
                    pass

    async def _answer(self, console: _Console, data: bytes) -> bytes:
        try:
            envelope = msgspec.msgpack.decode(data, type=_Envelope)
        except UNREADABLE as error:
            return encode_frame(_error(_readable_id(data), "malformed", f"not a request: {error}"))
        op = OPS.get(envelope.op)
        if op is None:
            return encode_frame(_error(envelope.id, "unknown-op", f"no op {envelope.op[:80]!r}"))
        if op.changes and console.role == "monitor":
            log.info("%s: %s refused on %s", console.actor, envelope.op, SOCKETS["monitor"])
            return encode_frame(
                _error(
                    envelope.id,
                    "read-only",
                    "this is monitor.sock, where nothing can be changed; use operator.sock",
                )
            )
        try:
            args = self._args[envelope.op].decode(envelope.args)
        except UNREADABLE as error:
            return encode_frame(_error(envelope.id, "bad-args", f"{envelope.op}: {error}"))
        try:
            result = await self._do(console, envelope.op, args)
            answer = encode_frame(Response(id=envelope.id, ok=True, result=result))
        except OpError as error:
            return encode_frame(_error(envelope.id, error.code, error.message, error.findings))
        except FrameTooLargeError as error:
            return encode_frame(_error(envelope.id, "too-large", f"the answer to {envelope.op} is {error}"))
        except Exception:
            log.exception("%s: %s failed", console.actor, envelope.op)
            return encode_frame(
                _error(envelope.id, "internal", f"{envelope.op} failed; the engine's log says how")
            )
        if op.changes:
            log.info("%s: %s %s", console.actor, envelope.op, _shown(args))
        return answer

    async def _do(self, console: _Console, op: str, args: Any) -> Any:
        match args:
            case SubscribeArgs():
                self._subscribe(console, args)
                return None
            case EventsArgs():
                return self._backend.events(args.since, args.limit)
        if op == "unsubscribe":
            console.wants_state = console.wants_events = False
            console.outbox.forget_state()
            console.outbox.forget_events()
            return None
        if op == "state":
            state = self._backend.state()
            return state if _fits(state) else _trimmed(state)
        return await self._backend.call(op, args, console.actor)

    def _subscribe(self, console: _Console, args: SubscribeArgs) -> None:
        # No await from here to the end: no event is published between what was kept and what comes.
        console.wants_state, console.wants_events = args.state, args.events
        console.outbox.forget_state()
        console.outbox.forget_events()
        if args.events and args.since is not None:
            for event in self._backend.events(args.since, 1 << 31):
                console.outbox.offer_event(event, encode_frame(EventFrame(event=event)))
        if args.state and (frame := self._state_frame(self._backend.state())) is not None:
            console.outbox.offer_state(frame)

    def _hello(self, role: Role) -> Hello:
        backend = self._backend
        return Hello(
            protocol=PROTOCOL,
            engine_version=backend.engine_version,
            boot_id=backend.boot_id,
            role=role,
            hostname=backend.hostname,
        )

    def _state_frame(self, state: State) -> bytes | None:
        try:
            return encode_frame(StateFrame(state=state))
        except FrameTooLargeError as error:
            if not self._told_too_large:
                self._told_too_large = True
                log.warning("the state is %s; consoles see part of every target's checks", error)
        try:
            return encode_frame(StateFrame(state=_trimmed(state)))
        except FrameTooLargeError:
            return None


def _error(number: int, code: ErrorCode, message: str, findings: list[Finding] | None = None) -> Response:
    return Response(id=number, ok=False, error=ErrorInfo(code=code, message=message, findings=findings or []))


def _shown(args: Any) -> str:
    """Arguments for the log; a configuration text is not repeated there, its revision keeps it."""
    text = msgspec.json.encode(args).decode()
    return text if len(text) <= _LOGGED else f"{text[:_LOGGED]}… ({len(text)} characters)"


def _readable_id(data: bytes) -> int:
    try:
        return msgspec.msgpack.decode(data, type=_IdOnly).id
    except UNREADABLE:
        return 0


def _fits(state: State) -> bool:
    # Every check takes at least 30 bytes; only a state that may be too large is encoded to see.
    if sum(len(target.checks) for target in state.targets) < 8 * 1024:
        return True
    return len(msgspec.msgpack.encode(state)) < MAX_FRAME_BYTES - 64


def _trimmed(state: State) -> State:
    """Return the state with at most `_CHECKS_KEPT` checks a target, the failing ones first, and an alarm saying so.

    A target in hundreds of servers has a VIP check for each; all of them together may exceed a frame.
    """
    targets = [
        msgspec.structs.replace(
            target, checks=sorted(target.checks, key=lambda check: check.state == "up")[:_CHECKS_KEPT]
        )
        for target in state.targets
    ]
    alarm = Alarm(
        severity="warning",
        subject="console",
        message=f"too many checks for one reading; of a target at most {_CHECKS_KEPT} are shown, failing ones first",
    )
    return msgspec.structs.replace(state, targets=targets, alarms=[*state.alarms, alarm])
