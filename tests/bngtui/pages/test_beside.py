"""Two texts side by side, or one below the other."""

from __future__ import annotations

from bngtui.pages.beside import Beside
from bngtui.render.diff import SIDE_BY_SIDE


def test_as_the_width_allows():
    beside = Beside()
    assert beside.at(SIDE_BY_SIDE) is True
    assert beside.at(SIDE_BY_SIDE - 1) is False


def test_turned_it_stays_so_at_any_width():
    beside = Beside()
    assert beside.turn(SIDE_BY_SIDE) == ""
    assert beside.at(SIDE_BY_SIDE) is False
    assert beside.turn(SIDE_BY_SIDE) == ""
    assert beside.at(SIDE_BY_SIDE - 1) is True
    assert beside.turn(SIDE_BY_SIDE - 1) == ""
    assert beside.at(SIDE_BY_SIDE) is False


def test_no_room_is_said_and_changes_nothing():
    beside = Beside()
    assert beside.turn(SIDE_BY_SIDE - 1) == "Side by side wants 120 columns; here are 119."
    assert beside.at(SIDE_BY_SIDE) is True
