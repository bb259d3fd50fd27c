"""First fragments that are remembered, so that later ones, which have no ports, follow them."""

from __future__ import annotations

from typing import NamedTuple

FRAGMENT_S = 30
"""RFC 791 suggests 15 s as the reassembly time, Linux waits 30."""

MOST, MOST_OF_SOURCE = 4096, 64
"""A source that sends many displaces its own only."""


class Piece(NamedTuple):
    """What all fragments of a packet have in common (RFC 791 section 3.2), as words read in place."""

    source: int
    to: int
    ident: int
    protocol: int


class Known(NamedTuple):
    """Where the first fragment went, and under which generation of the target."""

    target: int
    server: int
    generation: int
    since_s: int


class Fragments:
    """Remembers where first fragments went, by source; of one source the oldest makes room, of others none."""

    def __init__(self) -> None:
        self._by_source: dict[int, dict[Piece, Known]] = {}
        self._count = 0

    def remember(self, piece: Piece, known: Known) -> None:
        """Remember a first fragment, where there is room."""
        mine = self._by_source.get(piece.source, {})
        if piece in mine:
            del mine[piece]
            self._count -= 1
        elif len(mine) >= MOST_OF_SOURCE:
            del mine[next(iter(mine))]  # the oldest: dictionaries keep their order
            self._count -= 1
        elif self._count >= MOST:
            self._forget_old(known.since_s)
            if self._count >= MOST:
                return
            mine = self._by_source.get(piece.source, {})
        mine[piece] = known
        self._by_source[piece.source] = mine
        self._count += 1

    def find(self, piece: Piece, now_s: int) -> Known | None:
        """Return where the first fragment went, for as long as a host waits for the rest."""
        known = self._by_source.get(piece.source, {}).get(piece)
        return known if known is not None and now_s - known.since_s <= FRAGMENT_S else None

    def _forget_old(self, now_s: int) -> None:
        kept = {
            source: left
            for source, mine in self._by_source.items()
            if (left := {p: k for p, k in mine.items() if now_s - k.since_s <= FRAGMENT_S})
        }
        self._by_source = kept
        self._count = sum(map(len, kept.values()))
