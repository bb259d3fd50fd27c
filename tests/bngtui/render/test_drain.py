"""A drain as rows and sentences tell it."""

from __future__ import annotations

import pytest

from bngtui.render import targets
from bngtui.render.drain import drain_text, left_text
from engine.api.messages import DrainState
from tests.helpers.console_states import make_target


def drain(**changes):
    fields = {
        "since": "2026-03-01T10:42:11Z",
        "by": "root(0) pid 812",
        "within_s": None,
        "left_s": None,
        "flows": 3,
    }
    return DrainState(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quiet_s": 2.4}, "3 flows left, last packet 2 s ago"),
        ({}, "3 flows left"),
        ({"flows": 1, "quiet_s": 400.0}, "1 flow left, last packet 6 min ago"),
        ({"flows": 0, "quiet_s": 9.0}, "nothing left"),
    ],
)
def test_what_is_left(changes, said):
    assert left_text(drain(**changes)) == said
    assert drain_text(drain(**changes)) == f"by root(0) pid 812 since 03-01 10:42:11 UTC, {said}; no end"


def why(**changes):
    column = next(one for one in targets.COLUMNS if one.id == "why")
    return column.cell(targets.TargetRow(make_target(4, [1], admin="draining", **changes)), 40, frozenset())


def test_a_row_says_what_is_left_instead_of_its_state_twice():
    span = why(operational=False, reason="draining", drain=drain(quiet_s=2.4))
    assert span == ("3 flows left, last packet 2 s ago", "draining")


def test_a_drain_is_seen_on_a_target_that_is_down():
    span = why(health="down", reason="connection refused on 172.17.2.104:80", drain=drain())
    assert span == ("draining; connection refused on 172.17.2.104:80", "down")


def test_an_engine_that_tells_nothing_of_the_drain_has_its_own_words():
    assert why(operational=False, reason="draining: 404 sessions left").text == "draining: 404 sessions left"
