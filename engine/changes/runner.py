"""What the changes of a configuration ask of the engine that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from engine.config.difference.compare import Flows
    from engine.config.model import Config
    from engine.domain.actor import Actor
    from engine.domain.notices import EventSeverity
    from engine.domain.states import Admin


class SwitchError(Exception):
    """The engine could not go over to a configuration and has gone back; the message says why."""


class Runner(Protocol):
    """What runs configurations: the engine."""

    async def switch(self, config: Config, actor: Actor) -> None:
        """Go over to `config`, keeping all that does not change; raises SwitchError, the former one running again."""
        ...

    def flows(self) -> Flows:
        """Count the flows of servers and targets now."""
        ...

    def overrides(self) -> tuple[Mapping[int, Admin], Mapping[int, Literal["enabled", "disabled"]]]:
        """Return what operators have said of targets and of servers, by number, apart from the file."""
        ...

    def drop_redundant_overrides(self) -> None:
        """Forget overrides that say what the configuration says itself."""
        ...

    def tell(self, severity: EventSeverity, message: str, actor: Actor | None) -> None:
        """Add an event of kind config."""
        ...
