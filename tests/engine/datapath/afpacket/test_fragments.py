"""What is remembered of first fragments, and who displaces whom."""

from __future__ import annotations

from engine.datapath.afpacket import fragments as module
from engine.datapath.afpacket.fragments import FRAGMENT_S, MOST_OF_SOURCE, Fragments, Known, Piece


def piece(source: int, ident: int = 1) -> Piece:
    return Piece(source, 9, ident, 17)


def test_a_first_fragment_is_known_for_as_long_as_a_host_waits():
    fragments = Fragments()
    known = Known(1, 2, 3, 100)
    fragments.remember(piece(1), known)
    assert fragments.find(piece(1), 100 + FRAGMENT_S) == known
    assert fragments.find(piece(1), 101 + FRAGMENT_S) is None
    assert fragments.find(piece(1, 2), 100) is None


def test_a_source_displaces_its_own_only():
    fragments = Fragments()
    fragments.remember(piece(1), Known(1, 2, 3, 100))
    for ident in range(10_000):
        fragments.remember(piece(2, ident), Known(1, 2, 3, 100))
    assert fragments.find(piece(1), 100) is not None
    found = [ident for ident in range(10_000) if fragments.find(piece(2, ident), 100)]
    assert found == list(range(10_000 - MOST_OF_SOURCE, 10_000))


def test_many_sources_displace_nothing_that_is_still_waited_for(monkeypatch):
    monkeypatch.setattr(module, "MOST", 8)
    fragments = Fragments()
    for source in range(100):
        fragments.remember(piece(source), Known(1, 2, 3, 100))
    assert [source for source in range(100) if fragments.find(piece(source), 100)] == list(range(8))
    fragments.remember(piece(1), Known(2, 2, 3, 101))  # one that is known is renewed
    assert fragments.find(piece(1), 101).target == 2
    fragments.remember(piece(99), Known(1, 2, 3, 101 + FRAGMENT_S))
    assert fragments.find(piece(99), 101 + FRAGMENT_S) is not None
    assert fragments.find(piece(0), 101 + FRAGMENT_S) is None
