"""What the editors of both languages share."""

from __future__ import annotations

from typing import Any

from engine.config.language import values
from engine.config.language.builder import ranges
from engine.config.model import Config

STATES = ("registered", "enabled")
"""Words that TOML has for what BalanceNG's text says by commands."""


def alone(field: str, thing: Any) -> Config:
    """Return a configuration of this one thing, for a dump to write; `field` is its field in the model."""
    config = Config(modules=[])
    setattr(config, field, thing)
    return config


def unwritten(block: str, value: Any) -> bool:
    """Return whether a value is written by leaving its word out: no value, an empty list, an interface without a name."""
    return value is None or value == [] or (block == "interface" and value == "")


def edited_list(source: str, old: set[int], new: set[int]) -> str:
    """Return `new` as a list in the style of `source`, which lists `old`: order, blanks and ranges are kept."""
    if source.startswith('"') or ("-" in source and source == ranges(old)):
        return ranges(new)
    high = max(old | new)
    parts: list[tuple[set[int], str]] = []
    for part in source.split(","):
        named = {n for element in values.elements(part, high) for n in element.numbers}
        left = named & new
        if left:
            parts.append((left, part if left == named else ranges(left)))
    for number in sorted(new - old):
        at = next((i for i, (named, _) in enumerate(parts) if min(named) > number), len(parts))
        blank = " " if ", " in source and at else ""
        parts.insert(at, ({number}, f"{blank}{number}"))
    return ",".join(text for _, text in parts).strip()
