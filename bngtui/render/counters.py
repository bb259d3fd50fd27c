"""Counters of the datapath that have no line of their own: whatever else the engine counts is shown by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api.messages import DatapathState

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = {*DatapathState.__struct_fields__, "swap_last_ns", "swap_longest_ns"}
"""Counters that have a place of their own: those that are fields of the state, too, and the times of swaps, which are shown in ms."""


def others(path: DatapathState) -> Iterator[tuple[str, int]]:
    """Yield name, as people read it, and value of each counter that is shown nowhere else."""
    for name, value in path.counters.items():
        if name not in _SHOWN:
            yield name.replace("_", " "), value
