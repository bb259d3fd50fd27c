"""Commands of the configuration language that are collected between `begin` and `commit`, to be one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Batch:
    """What a prompt or a pipe collects.

    `source` names the lines in findings. `keeps`: what `commit` could not do is kept to be mended. `base` is the
    revision that ran at `begin`; None: whatever runs.
    """

    source: str = "command"
    keeps: bool = True
    open: bool = False
    base: int | None = None
    lines: list[tuple[int, str]] = field(default_factory=list)

    def begin(self, base: int) -> None:
        """Collect from now on."""
        self.open, self.base = True, base

    def add(self, text: str, first: int) -> None:
        """Take lines, the first of which is number `first` of where they come from."""
        self.lines += numbered(text, first)

    def clear(self) -> None:
        """Collect no more, and forget what was collected."""
        self.open, self.base = False, None
        self.lines.clear()


def numbered(text: str, first: int) -> list[tuple[int, str]]:
    """Return the lines of a text with their numbers."""
    return list(enumerate(text.split("\n"), first))
