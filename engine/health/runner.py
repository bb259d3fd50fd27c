"""Runs the ordinary-socket checks that the `hc` module asks for, and hands it the answers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from engine.health import ping, tcpopen

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.domain.checks import ProbeKey, ProbeStart
    from engine.health.answer import ProbeAnswer

log = logging.getLogger("engine.probing")


class Prober:
    """Keeps a reference to every attempt under way; `answered` is called with each answer."""

    def __init__(self, answered: Callable[[ProbeKey, ProbeAnswer], None]) -> None:
        self._answered = answered
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, probe: ProbeStart) -> None:
        """Start one attempt."""
        task = asyncio.create_task(self._run(probe), name=f"probe {probe.key.kind} {probe.key.address}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, probe: ProbeStart) -> None:
        key = probe.key
        timeout_s = float(key.attempt_s)
        if key.kind == "ping":
            answer = await ping.probe(key.address, probe.source, timeout_s)
        else:
            answer = await tcpopen.probe(key.address, key.port or 0, probe.source, timeout_s)
        self._answered(key, answer)

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        ping.close_all()
