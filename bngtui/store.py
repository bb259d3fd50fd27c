"""What the console knows: the latest state, the events, the histories and how its connection to the engine is.

No terminal and no socket: `connection.py` fills it, the screens draw from it. Time is a parameter.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

from bngtui.history import History
from bngtui.render import arp, node
from bngtui.render.header import Freshness
from bngtui.render.servers import ServerRow
from bngtui.render.targets import TargetRow
from bngtui.render.trial import Trial
from bngtui.render.units import clock
from bngtui.render.zone import label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from bngtui.render.node import NodeRow
    from engine.api.messages import Event, EventFrame, ServerState, State, TargetState

    _Numbered = TypeVar("_Numbered", TargetState, ServerState)

KEEP_EVENTS = 1000
"""Events kept; older ones are the engine's journal's business."""


class Store:
    """Everything the screens draw from. `live` is the latest state, `shown` what the operator looks at."""

    def __init__(self) -> None:
        self.history = History()
        self.live: State | None = None
        self.shown: State | None = None
        self.frozen = False
        self.read_only = False
        self.connection: Literal["connecting", "up", "down"] = "connecting"
        self.trouble = ""  # why the engine is not reachable, in words
        self.notes: deque[str] = deque(maxlen=20)  # for the operator, oldest first, not yet shown
        self.missed_events = 0
        self._events: deque[Event] = deque(maxlen=KEEP_EVENTS)
        self._shown_events: list[Event] | None = None  # while frozen
        self._shown_history: History | None = None  # while frozen
        self._read_at: float | None = None
        self._held_since: float | None = None  # when the picture that is held was read

    # -- what comes in ------------------------------------------------------------------------------------------

    def take_state(self, state: State, now: float) -> None:
        """Take a snapshot; a boot_id that is new means that counters and histories begin again."""
        if self.live is not None and self.live.boot_id != state.boot_id:
            self.restarted()
        self.live = state
        self._read_at = now
        self.history.take(state)
        if not self.frozen:
            self.shown = state

    def take_event(self, frame: EventFrame) -> None:
        """Take an event; one that is known already (a replay after a lost connection) is not taken twice."""
        if self._events and frame.event.id <= self._events[0].id:
            return
        self.missed_events += frame.gap
        self._events.appendleft(frame.event)

    def restarted(self) -> None:
        """Forget what belonged to the engine's last life."""
        self.history.clear()
        self._events.clear()
        self.missed_events = 0
        self.live = None
        if not self.frozen:
            self.shown = None
        self.notes.append("The engine was restarted: counters and histories begin again.")

    def freeze(self, *, on: bool) -> None:
        """Hold the picture, or let it go on from what is newest."""
        self.frozen = on
        self._shown_events = list(self._events) if on else None
        self._shown_history = self.history.copy() if on else None
        self._held_since = self._read_at if on else None
        self.shown = self.live

    # -- what goes out ------------------------------------------------------------------------------------------

    @property
    def last_event_id(self) -> int:
        """Where a new subscription goes on."""
        return self._events[0].id if self._events else 0

    @property
    def events(self) -> list[Event]:
        """The events to show, newest first."""
        return list(self._events) if self._shown_events is None else self._shown_events

    def may_change(self, now: float) -> bool:
        """Whether this console may ask the engine to change something at `now` (the clock of `take_state`).

        Not while the data is old: who cannot see what a change meets must not make it.
        """
        return not self.read_only and not self.freshness(now).stale

    def trial(self, now: float) -> Trial | None:
        """Return the change that waits to be confirmed, frozen or not, at `now` (the clock of `take_state`)."""
        config = self.live.config if self.live is not None else None
        if config is None or config.pending is None or self._read_at is None:
            return None
        return Trial.of(config.pending, now - self._read_at, may_answer=self.may_change(now))

    def freshness(self, now: float) -> Freshness:
        """How this console stands to the engine, at `now` (the clock of `take_state`)."""
        return Freshness(
            connection=self.connection,
            age_s=None if self._read_at is None or self.live is None else now - self._read_at,
            seen=f"{clock(self.live.time)} {label()}" if self.live else None,
            trouble=self.trouble if self.connection == "down" else "",
            held_s=None if self._held_since is None else now - self._held_since,
            read_only=self.read_only,
        )

    def target_rows(self) -> list[TargetRow]:
        """Rows of the targets panel."""
        targets = self.shown.targets if self.shown else []
        history = self._shown_history or self.history
        return [TargetRow(target, history.of("target", target.number)) for target in targets]

    def server_rows(self) -> list[ServerRow]:
        """Rows of the servers panel."""
        if self.shown is None:
            return []
        history = self._shown_history or self.history
        by_number = {target.number: target for target in self.shown.targets}
        return [
            ServerRow(server, by_number, history.of("server", server.number)) for server in self.shown.servers
        ]

    def arp_rows(self) -> list[arp.ArpRow]:
        """Rows of the ARP panel."""
        return arp.rows(self.shown.arp if self.shown else (), self.events)

    def node_rows(self) -> list[NodeRow]:
        """Rows of the node panel."""
        return node.rows(self.shown, (self.live or self.shown).alarms) if self.shown else []

    def target(self, number: int) -> TargetState | None:
        """Return the target as it is now, frozen or not."""
        return _numbered(self.live.targets if self.live else (), number)

    def server(self, number: int) -> ServerState | None:
        """Return the server as it is now, frozen or not."""
        return _numbered(self.live.servers if self.live else (), number)


def _numbered(items: Sequence[_Numbered], number: int) -> _Numbered | None:
    return next((item for item in items if item.number == number), None)
