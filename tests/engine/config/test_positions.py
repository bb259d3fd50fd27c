"""Places by meaning: of this, of what it is in, or the start of the text."""

from __future__ import annotations

import pytest

from engine.config.finding import Span
from engine.config.positions import START, Positions


@pytest.fixture
def positions():
    made = Positions()
    made.put(("server", 1), Span(2, 1))
    made.put(("server", 1, "targets"), Span(3, 5))
    made.put(("server", 1, "targets", 7), Span(3, 9))
    made.put(("server", 2), Span(8, 1))
    made.put(("gateway",), Span(12, 1))
    made.put(("gateway", "ping"), Span(13, 2))
    return made


def test_the_nearest_place_is_of_the_thing_or_of_what_it_is_in(positions):
    assert positions.nearest(("server", 1, "targets", 7)) == Span(3, 9)
    assert positions.nearest(("server", 1, "targets", 8)) == Span(3, 5)
    assert positions.nearest(("server", 1, "port")) == Span(2, 1)
    assert positions.nearest(("server", 3, "port")) is START
    assert positions.nearest(("gateway", "ipaddr")) == Span(12, 1)
    assert positions.nearest(()) is START


def test_the_first_place_of_a_key_stays(positions):
    positions.put(("server", 1), Span(99, 1))
    assert positions.get(("server", 1)) == Span(2, 1)


def test_a_place_is_there_or_not(positions):
    assert ("server", 1) in positions
    assert ("server", 1, "port") not in positions
    assert positions.get(("server", 1, "port")) is None


def test_a_definition_is_forgotten_with_everything_inside_it_and_nothing_else(positions):
    positions.forget(("server", 1))
    positions.forget(("server", 9))
    assert set(positions.known()) == {("server", 2), ("gateway",), ("gateway", "ping")}
    positions.forget(("gateway",))
    assert positions.known() == [("server", 2)]


def test_a_word_is_forgotten_alone(positions):
    positions.forget(("server", 1, "targets"))
    positions.forget(("server", 5, "targets"))
    assert ("server", 1, "targets") not in positions
    assert ("server", 1, "targets", 7) in positions
    assert ("server", 1) in positions
