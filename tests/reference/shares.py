"""The model of several workers: each decides about a share of the clients, with flows and turns of its own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.reference.draws import Draws, table_seed
from tests.reference.model import ICMP, ICMP_ERRORS, Fate, Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.reference.flows import Shown
    from tests.reference.model import Name
    from tests.reference.table import Table
    from tests.reference.wire import Frame


def share(data: bytes, workers: int) -> int:
    """Return which worker has a frame: by its client, an ICMP error by the client that its quote is about."""
    packet = data[14:]
    client = packet[12:16]
    message = packet[(packet[0] & 15) * 4 :] if packet else b""
    if packet[9:10] == bytes([ICMP]) and len(message) >= 28 and message[0] in ICMP_ERRORS:
        client = message[24:28]
    return int.from_bytes(client, "big") % workers


class Models:
    """One model for each worker, asked as one."""

    def __init__(self, lines: int, seed: int, workers: int) -> None:
        self._lines = lines
        self._models = [Model(lines, Draws(seed).randrange, seed=table_seed(seed)) for _ in range(workers)]

    @property
    def table(self) -> Table | None:
        return self._models[0].table

    def install(self, table: Table) -> None:
        for model in self._models:
            model.install(table)

    def sweep(self, now_s: int) -> None:
        for model in self._models:
            model.sweep(now_s)

    def decide(self, frames: Iterable[Frame], now_s: int, former: Mapping[bytes, int]) -> list[Fate]:
        """Decide about a batch; the fates in the order of the frames."""
        fates: list[Fate] = []
        for frame in frames:
            model = self._models[share(frame.data, len(self._models))]
            fates += model.decide([frame], now_s, former)
        return fates

    def counts(self) -> dict[Name, int]:
        """Every counter that is not 0, of all workers together."""
        total: Counter[Name] = Counter()
        for model in self._models:
            total.update(model.counts + model.sessions())
        return {name: value for name, value in total.items() if value}

    def flows(self) -> dict[int, list[Shown]]:
        """Every entry by its line; the lines of the second worker follow on those of the first."""
        found: dict[int, list[Shown]] = {}
        for number, model in enumerate(self._models):
            found |= {number * self._lines + line: shown for line, shown in model.flows.shown().items()}
        return found
