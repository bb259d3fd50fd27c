"""What the server asks of the engine that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import msgspec

    from engine.api.messages import Event, State
    from engine.domain.actor import Actor


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

    async def call(self, op: str, args: msgspec.Struct, actor: Actor) -> Any:
        """Do any other op of ops.OPS for `actor`; `args` is of that op's type.

        Raises OpError to decline. Anything else that is raised is logged and answered as `internal`.
        """
        ...
