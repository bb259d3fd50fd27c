"""A console's side of the engine's socket: connect, ask, subscribe.

One task reads; requests are matched to answers by id, so several may be under way at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import msgspec

from engine.api.codec import FrameTooLargeError, encode_frame, read_frame
from engine.api.messages import PROTOCOL, ErrorInfo, EventFrame, Hello, Request, Response, StateFrame
from engine.api.ops import OPS
from engine.domain.encoding import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType

    from engine.config.finding import Finding
    from engine.domain.errors import ErrorCode

MAX_EVENTS_WAITING = 1000
"""Events kept for a console that does not take them; older ones are dropped and counted in the next one's `gap`."""

_READ_LIMIT_BYTES = 1024 * 1024  # a state frame in one or two reads instead of a dozen
_KNOWN_TYPES = frozenset({"hello", "response", "state", "event"})

_decoder = msgspec.msgpack.Decoder(Hello | Response | StateFrame | EventFrame)


class EngineUnreachable(Exception):  # noqa: N818 - it names what is the case, and reads so where it is caught
    """No engine answers on `path`: the socket is missing, refuses, was closed or fell silent; `reason` says which."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class AnswerMissing(EngineUnreachable):
    """A request to change something went out, and no answer came: it may have been done, or may be done yet."""


class RequestError(Exception):
    """The engine answered and declined; `code` is one of messages.ErrorCode, `message` a plain sentence.

    `findings` go with code "invalid".
    """

    def __init__(self, code: ErrorCode, message: str, findings: list[Finding] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.findings = findings or []


class Client:
    """One connection to the engine. Made by `connect`; an async context manager that closes itself.

    >>> async with await Client.connect(path) as client:
    ...     state = await client.request("state")
    """

    def __init__(
        self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: Hello
    ) -> None:
        self.path = path
        self.hello = hello
        self._reader = reader
        self._writer = writer
        self._last_id = 0
        self._pending: dict[int, asyncio.Future[Response | None]] = {}  # None: the connection ended
        self._events: deque[EventFrame] = deque()
        self._gap = 0
        self._state: StateFrame | None = None
        self._news = asyncio.Event()
        self._end: EngineUnreachable | None = None
        self._closing = False
        self._task = asyncio.create_task(self._read(), name="engine-api-client")

    @classmethod
    async def connect(cls, path: Path, *, timeout_s: float = 5) -> Client:
        """Connect, and read and check the engine's `hello`. Raises EngineUnreachable."""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_unix_connection(path, limit=_READ_LIMIT_BYTES)
                hello = _check_hello(path, await read_frame(reader))
        except TimeoutError as error:
            unreachable = EngineUnreachable(path, f"no answer within {timeout_s:g} s")
            unreachable.__cause__ = error
        except (OSError, EOFError, FrameTooLargeError) as error:
            unreachable = EngineUnreachable(path, _connect_reason(error, path))
            unreachable.__cause__ = error
        except EngineUnreachable as error:
            unreachable = error
        else:
            return cls(path, reader, writer, hello)
        if writer is not None:
            writer.close()
        raise unreachable

    @property
    def connected(self) -> bool:
        """Whether requests can still be answered."""
        return self._end is None and not self._closing

    async def request(self, op: str, *, timeout_s: float = 10, **args: Any) -> Any:
        """Do one op of ops.OPS; the answer comes as the type its `result` names.

        Raises RequestError where the engine declines, EngineUnreachable where it is gone or does not answer within
        `timeout_s` (the connection stays; a late answer is dropped), and of that AnswerMissing where the op changes
        something and was sent.
        """
        if self._end is not None:
            raise EngineUnreachable(self.path, self._end.reason)
        if self._closing:
            raise EngineUnreachable(self.path, "this connection was closed")
        self._last_id += 1
        number = self._last_id
        try:
            frame = encode_frame(Request(id=number, op=op, args=args))
        except FrameTooLargeError as error:
            raise RequestError("too-large", str(error)) from None
        future: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(frame)
                # An engine that refuses the frame closes while we still write; its reason is in what we read.
                with contextlib.suppress(ConnectionError):
                    await self._writer.drain()
                response = await future
        except TimeoutError:
            raise self._unanswered(op, f"no answer to {op} within {timeout_s:g} s") from None
        finally:
            self._pending.pop(number, None)
        if response is None:
            raise self._unanswered(op, self._end.reason if self._end else "the connection ended")
        return self._result(op, response)

    async def frames(self) -> AsyncIterator[StateFrame | EventFrame]:
        """Yield what a `subscribe` brought, events before the state they led to.

        Whoever takes them slowly gets the latest state only; of events at most MAX_EVENTS_WAITING wait, then the
        oldest go and the next one's `gap` counts them. Ends after `close()`; raises EngineUnreachable where the
        engine goes away. One consumer at a time.
        """
        while True:
            if self._events:
                frame = self._events.popleft()
                if self._gap:
                    frame = EventFrame(event=frame.event, gap=frame.gap + self._gap)
                    self._gap = 0
                yield frame
            elif self._state is not None:
                state, self._state = self._state, None
                yield state
            elif self._closing:
                return
            elif self._end is not None:
                raise EngineUnreachable(self.path, self._end.reason)
            else:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        """Close the connection; requests under way end as unreachable. Safe to call twice."""
        self._closing = True
        self._news.set()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _result(self, op: str, response: Response) -> Any:
        if not response.ok:
            error = response.error or ErrorInfo(code="internal", message="the engine gave no reason")
            raise RequestError(error.code, error.message, error.findings)
        wanted = OPS[op].result if op in OPS else None
        if wanted is None:
            return response.result
        try:
            return msgspec.convert(response.result, type=wanted)
        except msgspec.ValidationError as error:
            raise self._unanswered(op, f"the answer to {op} is not understood: {error}") from error

    def _unanswered(self, op: str, reason: str) -> EngineUnreachable:
        """Return the error of a request that was sent."""
        changes = op in OPS and OPS[op].changes
        return AnswerMissing(self.path, reason) if changes else EngineUnreachable(self.path, reason)

    async def _read(self) -> None:
        reason = "the engine closed the connection"
        try:
            while (data := await read_frame(self._reader)) is not None:
                self._take(data)
        except (OSError, EOFError, FrameTooLargeError) as error:
            reason = _connect_reason(error, self.path)
        except UNREADABLE as error:
            reason = f"a frame is not understood: {error}"
        except asyncio.CancelledError:
            reason = "this connection was closed"
            raise
        finally:
            self._end = EngineUnreachable(self.path, reason)
            for future in self._pending.values():
                if not future.done():
                    future.set_result(None)
            self._news.set()
            self._writer.close()

    def _take(self, data: bytes) -> None:
        try:
            frame = _decoder.decode(data)
        except UNREADABLE:
            # A frame of a kind that a newer engine has is skipped; a known kind of a wrong shape is not.
            if _frame_type(data) in _KNOWN_TYPES:
                raise
            return
        if isinstance(frame, Response):
            self._answer(frame)
        elif isinstance(frame, StateFrame):
            self._state = frame
            self._news.set()
        elif isinstance(frame, EventFrame):
            if len(self._events) >= MAX_EVENTS_WAITING:
                self._gap += 1 + self._events.popleft().gap
            self._events.append(frame)
            self._news.set()

    def _answer(self, response: Response) -> None:
        # id 0 is an error about the connection, not about one request: everything that waits gets it.
        waiting = list(self._pending) if response.id == 0 else [response.id]
        for number in waiting:
            future = self._pending.get(number)
            if future is not None and not future.done():
                future.set_result(response)


def ask(path: Path, op: str, *, timeout_s: float = 10, **args: Any) -> Any:
    """Connect, do one op and close, for scripts without a loop of their own. Raises as `Client` does."""

    async def once() -> Any:
        async with await Client.connect(path, timeout_s=timeout_s) as client:
            return await client.request(op, timeout_s=timeout_s, **args)

    return asyncio.run(once())


def _check_hello(path: Path, data: bytes | None) -> Hello:
    if data is None:
        raise EngineUnreachable(path, "the engine closed the connection")
    try:
        frame = _decoder.decode(data)
    except UNREADABLE as error:
        raise EngineUnreachable(path, f"what answers is not the engine: {error}") from error
    if isinstance(frame, Response) and frame.error is not None:
        raise EngineUnreachable(path, frame.error.message)
    if not isinstance(frame, Hello):
        raise EngineUnreachable(path, "what answers is not the engine: no hello")
    if frame.protocol != PROTOCOL:
        raise EngineUnreachable(
            path,
            f"the engine ({frame.engine_version}) speaks protocol {frame.protocol}, this console {PROTOCOL}; "
            "install the same version on both sides",
        )
    return frame


def _connect_reason(error: OSError | EOFError | FrameTooLargeError, path: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such socket; is the engine running?"
    if isinstance(error, PermissionError):
        return "permission denied; run as root or as a member of the socket's group"
    if isinstance(error, ConnectionRefusedError):
        # The kernel says the same of a file and of a folder (unix(7)).
        if path.exists() and not path.is_socket():
            return "this is not a socket; the engine's are in its --run-dir"
        return "nobody listens there; is the engine running?"
    if isinstance(error, FrameTooLargeError):
        return f"what answers is not the engine: {error}"
    if isinstance(error, EOFError | ConnectionError):
        return "the engine closed the connection"
    return error.strerror.lower() if error.strerror else str(error)


def _frame_type(data: bytes) -> str | None:
    class Tagged(msgspec.Struct):
        type: str

    try:
        return msgspec.msgpack.decode(data, type=Tagged).type
    except UNREADABLE:
        return "response"  # no message at all: as wrong as a known kind of a wrong shape
