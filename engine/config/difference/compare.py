"""What a change would do, in words that an operator can decide by, and the difference of the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.config.difference import network, service
from engine.config.difference.phrases import Flows
from engine.config.difference.unified_diff import unified

if TYPE_CHECKING:
    from engine.config.difference.change import Change
    from engine.config.model import Config

__all__ = ["Flows", "compare", "unified"]


def compare(old: Config, new: Config, flows: Flows) -> list[Change]:
    """Return what going from `old` to `new` does, in the order of a configuration file; empty where nothing changes.

    `flows` are counted now, so the numbers are what would end or move if it were done at once. Time is linear in
    both configurations.
    """
    return [*network.compare(old, new, flows), *service.compare(old, new, flows)]
