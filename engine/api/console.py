"""The engine's side of one connection: says hello, then answers requests one at a time.

The role belongs to the socket and is enforced here, before anything of a request but its op is looked at. A console
that is slow, dead or hostile costs bounded memory and is never waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api.codec import FrameTooLargeError, encode_frame, read_frame
from engine.api.limits import BYTES_S, Costs
from engine.api.messages import PROTOCOL, ErrorInfo, EventFrame, Hello, Response
from engine.api.ops import OPS, EventsArgs, NoArgs, SubscribeArgs
from engine.api.outbox import StalledError
from engine.api.state_frames import fitting
from engine.domain.encoding import UNREADABLE
from engine.domain.errors import OpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.api.backend import Backend
    from engine.api.messages import Event, Role, State
    from engine.api.outbox import Outbox
    from engine.api.state_frames import StateFrames
    from engine.config.finding import Finding
    from engine.domain.actor import Actor
    from engine.domain.errors import ErrorCode

LINGER_S = 1.0
"""After a refusal that ends the connection: time for the console to finish writing and to read why."""

_LOGGED = 200  # characters of an accepted request
_ALL = 1 << 31  # more events than are ever kept

log = logging.getLogger("engine.api")

_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    name: msgspec.msgpack.Decoder(op.args) for name, op in OPS.items()
}


class _Envelope(msgspec.Struct):
    """A request whose arguments stay raw bytes: nothing is built of them before the op and the role allow it."""

    id: int
    op: str
    args: msgspec.Raw = msgspec.Raw(b"\x80")  # an empty map


class _IdOnly(msgspec.Struct):
    id: int = 0


class Console:
    """One connection of `actor` in `role`. What it is offered waits in its outbox, if it has subscribed to that."""

    def __init__(
        self,
        role: Role,
        actor: Actor,
        outbox: Outbox,
        backend: Backend,
        states: StateFrames,
        *,
        frame_s: float,
        costs: Costs | None = None,
    ) -> None:
        """`frame_s`: seconds for one frame from its first byte to its last; `costs` are shared by a role's consoles."""
        self.role = role
        self.actor = actor
        self.outbox = outbox
        self.wants_state = False
        self.wants_events = False
        self._backend = backend
        self._states = states
        self._frame_s = frame_s
        self._costs = costs or Costs(role)
        # The ops that concern the connection itself; the backend does the rest.
        self._own: dict[str, Callable[[Any], Any]] = {
            "state": self._state,
            "events": self._events,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
        }

    async def converse(self, reader: asyncio.StreamReader) -> None:
        """Talk until the console goes, stalls, or sends what ends the connection."""
        pump = asyncio.create_task(self.outbox.run(), name=f"engine-api-outbox {self.actor}")
        try:
            with contextlib.suppress(OSError, EOFError):
                await self.outbox.answer(encode_frame(self._hello()))
                await self._answer_all(reader)
        finally:
            pump.cancel()
            (ending,) = await asyncio.gather(pump, return_exceptions=True)
            if isinstance(ending, StalledError):
                log.warning("%s %s, disconnected", self.actor, ending)
            elif isinstance(ending, Exception) and not isinstance(ending, OSError):
                log.error("%s: the writer failed", self.actor, exc_info=ending)

    def _hello(self) -> Hello:
        backend = self._backend
        return Hello(
            protocol=PROTOCOL,
            engine_version=backend.engine_version,
            boot_id=backend.boot_id,
            role=self.role,
            hostname=backend.hostname,
        )

    # -- requests ---------------------------------------------------------------------------------------------------

    async def _answer_all(self, reader: asyncio.StreamReader) -> None:
        try:
            budget, share = self._costs.incoming, self._costs.share
            while (data := await read_frame(reader, timeout_s=self._frame_s, budget=budget)) is not None:
                # One at a time: a console that asks faster than it reads waits in its own socket.
                size = len(data)
                try:
                    share.spend(size * BYTES_S)
                    await share.turn()
                    answer = await self._answer(data)
                finally:
                    budget.give_back(size)
                del data
                await self.outbox.answer(answer)
        except FrameTooLargeError as error:
            refusal = self._refuse(0, "too-large", str(error))
        except TimeoutError:
            refusal = self._refuse(0, "malformed", f"a frame was not complete within {self._frame_s:g} s")
        else:
            return
        await self.outbox.answer(refusal)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await reader.read(65536):
                    pass

    async def _answer(self, data: bytes) -> bytes:
        """Do a request, and return the frame that answers it, whatever came."""
        self._costs.requests += 1
        with self._costs.share.spending():
            try:
                request = msgspec.msgpack.decode(data, type=_Envelope)
            except UNREADABLE as error:
                return self._refuse(_readable_id(data), "malformed", f"not a request: {error}")
        return await self._answer_request(request)

    async def _answer_request(self, request: _Envelope) -> bytes:
        number, name = request.id, request.op
        op = OPS.get(name)
        if op is None:
            return self._refuse(number, "unknown-op", f"no op {name[:80]!r}")
        if not op.allows(self.role):
            log.info("%s: %s refused to a %s", self.actor, name, self.role)
            return self._refuse(
                number,
                "read-only",
                "this is monitor.sock, where nothing can be changed; use operator.sock",
            )
        share = self._costs.share
        try:
            with share.spending():
                args = _decoders[name].decode(request.args)
        except UNREADABLE as error:
            return self._refuse(number, "bad-args", f"{name}: {error}")
        if op.changes and self.actor.left():
            return self._refuse(number, "refused", "whoever asked has gone; nothing was changed")
        try:
            # What waits for a thread or a process is not the loop's time.
            with contextlib.nullcontext() if op.apart or op.changes else share.spending():
                result = await self._do(name, args)
            with share.spending():
                answer = encode_frame(Response(id=number, ok=True, result=result))
        except OpError as error:
            return self._refuse(number, error.code, error.message, error.findings)
        except FrameTooLargeError as error:
            return self._refuse(number, "too-large", f"the answer to {name} is {error}")
        except Exception:
            log.exception("%s: %s failed", self.actor, name)
            return self._refuse(number, "internal", f"{name} failed; the engine's log says how")
        if op.changes:
            log.info("%s: %s %s", self.actor, name, _shown(args))
        return answer

    def _refuse(
        self, number: int, code: ErrorCode, message: str, findings: list[Finding] | None = None
    ) -> bytes:
        self._costs.refused[code] += 1
        return refuse(number, code, message, findings)

    async def _do(self, op: str, args: Any) -> Any:
        own = self._own.get(op)
        if own is not None:
            return own(args)
        return await self._backend.call(op, args, self.actor)

    # -- the ops of the connection ----------------------------------------------------------------------------------

    def _state(self, _: NoArgs) -> State:
        return fitting(self._backend.state())

    def _events(self, args: EventsArgs) -> list[Event]:
        return self._backend.events(args.since, args.limit)

    def _subscribe(self, args: SubscribeArgs) -> None:
        # No await from here to the end: no event is published between what was kept and what comes.
        self.wants_state, self.wants_events = args.state, args.events
        self.outbox.forget_state()
        self.outbox.forget_events()
        if args.events and args.since is not None:
            for event in self._backend.events(args.since, _ALL):
                self.outbox.offer_event(event, encode_frame(EventFrame(event=event)))
        if args.state and (frame := self._states.frame(self._backend.state())) is not None:
            self.outbox.offer_state(frame)

    def _unsubscribe(self, _: NoArgs) -> None:
        self.wants_state = self.wants_events = False
        self.outbox.forget_state()
        self.outbox.forget_events()


def refuse(number: int, code: ErrorCode, message: str, findings: list[Finding] | None = None) -> bytes:
    """Return the frame that declines request `number`; 0: an error of the connection, not of one request."""
    error = ErrorInfo(code=code, message=message, findings=findings or [])
    return encode_frame(Response(id=number, ok=False, error=error))


def _shown(args: Any) -> str:
    """Arguments for the log, which more people read than may read the configuration: of a text its length."""
    fields: dict[str, Any] = msgspec.to_builtins(args)
    if "text" in fields:
        fields["text"] = f"({len(fields['text'])} characters)"
    text = msgspec.json.encode(fields).decode()
    return text if len(text) <= _LOGGED else f"{text[:_LOGGED]}… ({len(text)} characters)"


def _readable_id(data: bytes) -> int:
    try:
        return msgspec.msgpack.decode(data, type=_IdOnly).id
    except UNREADABLE:
        return 0
