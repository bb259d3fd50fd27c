"""A chapter of the engine: when something has changed, recompile the tables, and show what came of it at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from engine.domain.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.domain.actor import Actor
    from engine.forwarding import Forwarding
    from engine.modules.slb.slb import Slb
    from engine.report.duties import Duty

IN_FORCE_S = 3.0
"""A worker takes a table up within milliseconds; one that is held up for longer must not hold up its operator."""

PREPARE_AGAIN = 4
"""How often a table is prepared again where its targets changed meanwhile; then it is compiled as it is."""


class Settler:
    """Knows whether tables and consoles are behind. `show` is called where there is something new to show."""

    def __init__(
        self, slb: Slb, forwarding: Forwarding, tables: Duty, publishing: Duty, show: Callable[[], None]
    ) -> None:
        """`tables` and `publishing` are told how compiling and showing come out."""
        self._slb = slb
        self._forwarding = forwarding
        self._tables = tables
        self._publishing = publishing
        self._show = show
        self.changing = False  # the configuration has changed, and the modules have not taken it up yet
        self.in_force = True
        """False from a change that a worker has not taken up in time until all forward by it."""
        self._late: dict[str, Actor | None] = {}  # subjects of those changes, and who made them
        self._table_wanted = True
        self._news = True
        self._unsettled = asyncio.Event()

    def want_table(self) -> None:
        """Have the tables compiled at the next settling."""
        self._table_wanted = True

    def want_shown(self) -> None:
        """Have the state shown at the next settling."""
        self._news = True

    def wake(self) -> None:
        """Have `keep_settled` look whether something was wanted."""
        self._unsettled.set()

    async def keep_settled(self) -> None:
        """Settle whenever something may have changed, but leave twice as much time for the rest as it takes.

        With 1,024 targets it takes some 60 ms, and at the start a thousand of them are found one after the other.
        """
        while True:
            await self._unsettled.wait()
            self._unsettled.clear()
            begin = time.monotonic()
            with self._tables.attempt():
                await self._prepare()
                if (
                    self.changing
                ):  # its targets would seem untried, and lose their flows; whoever changes it settles
                    continue
                begin = time.monotonic()
                self._compile()
            self._publish()
            await asyncio.sleep(2 * (time.monotonic() - begin))

    async def settle(self) -> bool:
        """Compile if a table is wanted, and show a change at once. Raises what compiling raises.

        Returns when the table is in force: a packet sent from then on is forwarded by it. False where it still is not
        after `IN_FORCE_S`.
        """
        await self._prepare()
        self._compile()
        self._publish()
        return await self._forwarding.wait_in_force(IN_FORCE_S)

    async def put_in_force(self, subject: str, actor: Actor | None) -> Notice | None:
        """Settle a change of `subject`; returns what is to be told where a worker has not taken it up in time."""
        self.in_force = await self.settle()
        if self.in_force:
            return None
        self._late[subject] = actor
        return Notice(
            "datapath", "warning", subject, "accepted, not yet in force: a worker does not forward by it yet"
        )

    def in_force_at_last(self) -> list[tuple[Notice, Actor | None]]:
        """Return what was late and is in force by now; call about once a second."""
        if not self._late or not self._forwarding.in_force():
            return []
        late, self._late, self.in_force = self._late, {}, True
        text = "in force: every worker forwards by it now"
        return [(Notice("datapath", "info", subject, text), actor) for subject, actor in late.items()]

    async def _prepare(self) -> None:
        """Have ready what takes long to compile; others have their turns meanwhile."""
        for _ in range(PREPARE_AGAIN):
            if self.changing:
                return
            decisions = self._slb.eligibility(time.monotonic())
            if not self._table_wanted:
                return
            await self._forwarding.prepare(decisions)
            if self._slb.eligibility(time.monotonic()) == decisions:
                return

    def _compile(self) -> None:
        if self._table_wanted:
            self._forwarding.compile(self._slb.eligibility(time.monotonic()))
            self._table_wanted = False  # not before: what fails is tried again, and whoever asked is told
            self._news = True

    def _publish(self) -> None:
        if self._news:
            self._news = False
            with self._publishing.attempt():
                self._show()
