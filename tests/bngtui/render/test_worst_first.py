"""What is worst is seen first, with its cause, however many rows there are."""

from __future__ import annotations

import pytest

from bngtui.render import events, servers, targets
from bngtui.render.printed.events import event_line
from bngtui.render.printed.table import Style
from bngtui.render.states import CRITICAL, DEGRADED, NO_SERVICE, SERVER_MARKS, UP, server_mark
from bngtui.render.table import paint_table
from bngtui.render.text import beside
from bngtui.render.units import percent
from bngtui.render.view import View
from tests.helpers.console_states import make_event, make_server, make_target

WHY = "no answer from 172.16.1.15:80 within 3 s"


def many(down, of=500):
    return [
        make_target(n, [1], health="up" if n <= of - down else "down", reason=None if n <= of - down else WHY)
        for n in range(1, of + 1)
    ]


def test_of_500_targets_those_that_are_down_stand_above_the_fold():
    view = View(targets.SPEC)
    view.take([targets.TargetRow(one) for one in many(2)])
    lines = [line.text for line in paint_table(view, 80, 10, active=True)]
    assert [line.split()[2] for line in lines[2:5]] == ["499", "500", "1"] or "✖ down" in lines[2]
    assert "✖ down" in lines[2]
    assert "✖ down" in lines[3]
    assert "● up" in lines[4]


def test_the_cause_is_in_the_first_twenty_characters_of_a_row_at_80_columns():
    view = View(targets.SPEC)
    for reason in (
        WHY,
        "no MAC: 172.16.1.15 does not answer ARP",
        "connection refused on 172.16.1.15:80",
        "does not accept 172.16.1.10; add it to the loopback interface",
        "no enabled network has 172.16.1.15",
    ):
        view.take([targets.TargetRow(make_target(3, [1], health="down", reason=reason))])
        row = paint_table(view, 80, 5, active=False)[2].text
        cause = {"no MAC: ": "no MAC", "no answe": "no answer from", "no enabl": "no enabled network"}.get(
            reason[:8], " ".join(reason.split()[:2])
        )
        assert cause in row


def test_an_order_that_is_chosen_is_kept():
    view = View(targets.SPEC, order="number")
    view.take([targets.TargetRow(one) for one in many(2)])
    assert [row.target.number for row in view.rows] == list(range(1, 501))


@pytest.mark.parametrize(
    ("down", "mark", "said"),
    [
        (0, UP, ""),
        (1, DEGRADED, "without 8"),
        (4, DEGRADED, "without 5, 6, 7, 8"),
        (5, CRITICAL, "without 4, 5, 6, 7, 8"),
        (7, CRITICAL, "88 % of its targets are out"),
        (8, NO_SERVICE, "100 % of its targets are out"),
    ],
)
def test_degraded_is_graded(down, mark, said):
    made = {one.number: one for one in many(down, 8)}
    server = make_server(1, list(made), operational=down < 8)
    why = next(column for column in servers.COLUMNS if column.id == "why")
    assert server_mark(server, made) is mark
    assert why.cell(servers.ServerRow(server, made), 40, frozenset()).text == said


def test_what_is_worse_comes_first():
    ranks = [mark.rank for mark in (NO_SERVICE, CRITICAL, DEGRADED, UP)]
    assert ranks == sorted(set(ranks))
    assert len({mark.glyph for mark in SERVER_MARKS}) == len(SERVER_MARKS)


@pytest.mark.parametrize(
    ("subject", "message", "shown"),
    [
        ("target 1", "target 1 down: connection refused", "down: connection refused"),
        ("target 1", "target 12 down", "target 12 down"),
        ("172.16.1.10", "172.16.1.10: claimed by 02:00:00:00:00:02", "claimed by 02:00:00:00:00:02"),
        ("172.16.1.10", "172.16.1.10:80 is served", "172.16.1.10:80 is served"),
        ("target 1", "up", "up"),
        ("target 1", "target 1", "target 1"),
        ("", "something", "something"),
    ],
)
def test_a_message_beside_its_subject_does_not_say_it_again(subject, message, shown):
    assert beside(subject, message) == shown


def test_no_list_of_events_repeats_the_subject():
    event = make_event(1, subject="target 1", message="target 1 down: connection refused")
    message = next(column for column in events.COLUMNS if column.id == "message")
    assert message.cell(event, 40, frozenset({"actor"})).text == "down: connection refused"
    assert event_line(event, Style(width=None, glyphs=False)).endswith("target 1: down: connection refused")


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 0, "0 %"), (0, 9, "0 %"), (1, 500, "1 %"), (499, 500, "99 %"), (5, 5, "100 %")],
)
def test_a_share_is_nothing_or_all_only_where_it_is(part, whole, said):
    assert percent(part, whole) == said
