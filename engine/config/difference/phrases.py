"""The pieces that sentences about changes are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from engine.config.difference.change import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ARROW = "→"


@dataclass(frozen=True)
class Flows:
    """How many flows there are now, by number; absent: none.

    `pairs` by (server, target) makes it exact for a target that leaves one server and stays in another; without it
    all of the target's flows are named.
    """

    servers: Mapping[int, int] = field(default_factory=dict)
    targets: Mapping[int, int] = field(default_factory=dict)
    pairs: Mapping[tuple[int, int], int] | None = None

    def server(self, number: int) -> int:
        """Return the flows of a server."""
        return self.servers.get(number, 0)

    def target(self, number: int) -> int:
        """Return the flows of a target, over all servers."""
        return self.targets.get(number, 0)

    def of(self, server: int, target: int) -> int:
        """Return the flows of a server on one target."""
        return self.target(target) if self.pairs is None else self.pairs.get((server, target), 0)


def changed(subject: str, message: str, effect: str = "", *, flows: int = 0, cuts: bool = False) -> Change:
    """Return a change of something that stays."""
    return Change(kind="changed", subject=subject, message=message, effect=effect, flows=flows, cuts=cuts)


def added(subject: str, message: str = "added", effect: str = "") -> Change:
    """Return the change that something new makes; it never costs a flow."""
    return Change(kind="added", subject=subject, message=message, effect=effect)


def removed(
    subject: str, message: str = "removed", effect: str = "", *, flows: int = 0, cuts: bool = False
) -> Change:
    """Return the change that something removed makes."""
    return Change(kind="removed", subject=subject, message=message, effect=effect, flows=flows, cuts=cuts)


def count(number: int, verb: Literal["end", "move"], *, before: str = "") -> str:
    """Return how many flows do what: `1,204 flows end`, `its 1 flow moves`, `0 flows end` (without `before`)."""
    if not number:
        return f"0 flows {verb}"
    return f"{before}{number:,} flow{'' if number == 1 else 's'} {verb}{'s' if number == 1 else ''}"


def numbers(kind: str, given: Iterable[int]) -> str:
    """Return the name of several of a kind: `server 1`, `servers 1, 2`, `targets 1, 2, 3 and 9 more`."""
    named = sorted(given)
    shown = ", ".join(map(str, named[:8]))
    more = f" and {len(named) - 8} more" if len(named) > 8 else ""
    return f"{kind}{'' if len(named) == 1 else 's'} {shown}{more}"


def shift(word: str, old: Any, new: Any) -> str:
    """Return `word OLD → NEW`."""
    return f"{word} {value(old)} {ARROW} {value(new)}"


def value(given: Any) -> str:
    """Return a value as people read it."""
    if given is None:
        return "none"
    if isinstance(given, list):
        return ",".join(map(str, given)) or "none"
    if isinstance(given, bool):
        return "on" if given else "off"
    if isinstance(given, int):
        return f"{given:,}" if given > 65_535 else str(given)  # ports and seconds are not grouped
    return f'"{given}"' if not given or " " in given else str(given)


def pairs(old: Iterable[Any], new: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield old and new definitions of the same number, in order; None where one of them is missing."""
    before, after = {item.number: item for item in old}, {item.number: item for item in new}
    for number in sorted(before.keys() | after.keys()):
        yield before.get(number), after.get(number)
