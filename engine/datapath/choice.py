"""Which datapath there is for this host: the one place that knows them all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.contract import Datapath, DatapathError, Kind
from engine.datapath.xdp.datapath import XdpDatapath

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Choice:
    """A datapath to use: `make(ifname, mtu, workers)` makes one that is not started yet.

    `why`: for each faster one why it was not taken.
    """

    kind: Kind
    make: Callable[[str, int, int], Datapath]
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    """A datapath by its word, and why `auto` does not take it; None where it does."""

    kind: Kind
    not_by_itself: str | None
    make: Callable[[str, int, int], Datapath]


_CANDIDATES = (
    _Candidate("xdp", "only where it is asked for by its name", partial(XdpDatapath, generic=False)),
    _Candidate("xdp-generic", "only where it is asked for by its name", partial(XdpDatapath, generic=True)),
    _Candidate("afpacket", None, AfPacketDatapath),
)
"""The fastest first."""


def choose(wanted: str) -> Choice:
    """Choose the fastest datapath that is taken without being asked for, or the one that is wanted (not `auto`).

    Raises DatapathError where there is none of that name.
    """
    why: list[str] = []
    for candidate in _CANDIDATES:
        if wanted == candidate.kind or (wanted == "auto" and candidate.not_by_itself is None):
            return Choice(candidate.kind, candidate.make, tuple(why))
        if wanted == "auto":
            why.append(f"{candidate.kind}: {candidate.not_by_itself}")
    known = ", ".join(candidate.kind for candidate in _CANDIDATES)
    raise DatapathError(f"there is no datapath {wanted!r}; use auto or one of {known}")
