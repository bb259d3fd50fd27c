"""Which datapath there is for this host: the one place that knows them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.contract import Datapath, DatapathError, Kind

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
    """A datapath by the names that `--datapath` has for it, and why it cannot be used; None where it can."""

    kinds: tuple[Kind, ...]
    unavailable: str | None
    make: Callable[[str, int, int], Datapath] | None


_CANDIDATES = (
    _Candidate(("xdp", "xdp-generic"), "not built into this version", None),
    _Candidate(("afpacket",), None, AfPacketDatapath),
)
"""The fastest first."""


def choose(wanted: str) -> Choice:
    """Choose the fastest datapath that can be used, or the one that is wanted (not `auto`).

    Raises DatapathError where that cannot be used; the message says why and what to do.
    """
    why: list[str] = []
    for candidate in _CANDIDATES:
        kinds = [kind for kind in candidate.kinds if wanted in {kind, "auto"}]
        if candidate.make is not None and kinds:
            return Choice(kinds[0], candidate.make, tuple(why))
        why.append(f"{candidate.kinds[0]}: {candidate.unavailable}")
        if kinds and wanted != "auto":
            raise DatapathError(f"{why[-1]}; use auto or afpacket")
    raise DatapathError(f"there is no datapath {wanted!r}; use auto or afpacket")
