"""Runs the checks that the `hc` module asks for, and hands on the answers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from engine.domain.checks import ProbeAnswer
from engine.health.registry import CHECK_RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.domain.checks import ProbeKey, ProbeStart
    from engine.health.registry import CheckRun

log = logging.getLogger("engine")


class Prober:
    """Keeps a reference to every attempt under way; `answered` is called with each answer."""

    def __init__(
        self, answered: Callable[[ProbeKey, ProbeAnswer], None], runs: Mapping[str, CheckRun] = CHECK_RUNS
    ) -> None:
        self._answered = answered
        self._runs = runs
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, probe: ProbeStart) -> None:
        """Start one attempt."""
        task = asyncio.create_task(self._run(probe), name=f"probe {probe.key.kind} {probe.key.address}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, probe: ProbeStart) -> None:
        check = self._runs[probe.key.kind]
        try:
            answer = await check.run(probe)
        except PermissionError:
            answer = ProbeAnswer(ok=False, error=f"not permitted: {probe.key.kind} needs {check.needs}")
        except Exception as error:
            # Without an answer it would count as under way for ever, and its target stay as it is.
            log.exception("check %s of %s failed", probe.key.kind, probe.key.address)
            answer = ProbeAnswer(ok=False, error=f"the check itself failed: {type(error).__name__}: {error}")
        self._answered(probe.key, answer)

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for check in self._runs.values():
            if check.close is not None:
                check.close()
