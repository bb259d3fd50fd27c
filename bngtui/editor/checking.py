"""Checks a text while it is typed: by the engine, or here while there is none; one question at a time, the newest text wins."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from engine.api.client import EngineUnreachable, RequestError
from engine.config.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.connection import Connection
    from bngtui.render.findings import Checked

QUIET_S = 0.15
"""Pause in the typing after which a text is checked; the finding is to be seen 0.3 s after the last key."""

LONGEST_S = 2.0
"""The pause grows with the time a check takes, so that a large text does not keep the engine busy; up to this."""

TRIED_S = 5.0
"""Time for the engine's answer before this console looks by itself."""


class Checker:
    """Keeps the findings of the newest text. `text()` gives it with its name; `told` gets findings and whose they are."""

    def __init__(
        self,
        connection: Connection,
        text: Callable[[], tuple[str, str]],
        told: Callable[[list[Finding], Checked], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._text = text
        self._told = told
        self._clock = clock
        self._version = 0
        self._touched_at = 0.0
        self._pause_s = QUIET_S
        self._wanted = asyncio.Event()

    def touch(self, *, now: bool = False) -> None:
        """Say that the text is another one; `now`: nobody types, so do not wait for a pause."""
        self._version += 1
        self._touched_at = float("-inf") if now else self._clock()
        self._wanted.set()

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self._wanted.wait()
            await self._quiet()
            self._wanted.clear()
            version = self._version
            began = self._clock()
            findings, by = await self._ask(*self._text())
            self._pause_s = min(LONGEST_S, max(QUIET_S, 2 * (self._clock() - began)))
            if version == self._version:
                self._told(findings, by)

    async def _quiet(self) -> None:
        """Wait for a pause in the typing, which any key may prolong."""
        while True:
            wait_s = self._touched_at + self._pause_s - self._clock()
            if wait_s <= 0:
                return
            await asyncio.sleep(wait_s)

    async def _ask(self, text: str, name: str) -> tuple[list[Finding], Checked]:
        try:
            return await self._connection.ask("check", text=text, file=name, timeout_s=TRIED_S), "engine"
        except RequestError as error:
            refusal = Finding(
                file=name, line=1, column=1, severity="error", code=error.code, message=error.message
            )
            return [refusal], "engine"
        except EngineUnreachable:
            return await asyncio.to_thread(_look, text, name), "here"


def _look(text: str, name: str) -> list[Finding]:
    from engine.config.load import load  # noqa: PLC0415 - the parsers are only needed where no engine is

    return load(text, name).findings
