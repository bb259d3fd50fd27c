"""A target that is up for one server and down for another: everything that counts counts by the server's own word."""

from __future__ import annotations

import pytest

from bngtui.render import details, servers, targets
from bngtui.render.effects import effect_of
from bngtui.render.printed.servers import servers as printed_servers
from bngtui.render.printed.table import Style
from bngtui.render.printed.targets import targets as printed_targets
from bngtui.render.states import (
    BLOCKED,
    DEGRADED,
    DISABLED,
    DOWN,
    DRAINING,
    NO_SERVICE,
    PARTIAL,
    STANDBY,
    UNKNOWN,
    UP,
    able,
    member_mark,
    server_mark,
    target_mark,
)
from bngtui.render.text import Span
from bngtui.render.view import View
from engine.api.messages import MemberState
from tests.helpers.console_states import make_server, make_state, make_target

WHY = "does not accept 172.16.1.11; add it to the loopback interface"


def member(number, **changes):
    return MemberState(**({"target": number, "health": "up", "able": True} | changes))


LACKS = member(3, health="down", able=False, reason=WHY)
TARGETS = [
    make_target(2, [1, 2]),
    make_target(3, [1, 2], out_of=[2], reason=f"out of server 2: {WHY}"),
]
SERVERS = [
    make_server(1, [2, 3], TARGETS, members=[member(2), member(3)]),
    make_server(2, [2, 3], TARGETS, members=[member(2), LACKS]),
]
STATE = make_state(TARGETS, SERVERS)
BY = {one.number: one for one in TARGETS}


@pytest.mark.parametrize("verb", ["disable", "drain"])
def test_the_question_knows_who_is_left_for_each_server(verb):
    effect = effect_of(STATE, verb, "target", 2)
    assert effect.lines[1:] == (
        "server 1 www keeps 1 healthy target",
        "server 2 shop keeps NO healthy target: 172.16.1.11:80 stops serving",
    )
    assert effect.grave == effect.lines[2:]
    assert effect.last


def test_a_server_that_is_down_has_no_healthy_target():
    row = servers.ServerRow(
        make_server(2, [3], operational=False, reason="serves nobody", members=[LACKS]), BY
    )
    column = next(one for one in servers.COLUMNS if one.id == "healthy")
    assert row.mark is NO_SERVICE
    assert column.cell(row, 9, frozenset()) == Span("0/1", "down")


def test_a_server_that_lacks_a_target_is_degraded_and_says_which():
    row = servers.ServerRow(SERVERS[1], BY)
    column = next(one for one in servers.COLUMNS if one.id == "why")
    assert [server_mark(one, BY) for one in SERVERS] == [UP, DEGRADED]
    assert column.cell(row, 20, frozenset()) == Span("without 3", "warning")


def test_a_target_out_of_one_server_stands_out_and_is_kept_by_faults_only():
    rows = [targets.TargetRow(one) for one in TARGETS]
    why = next(one for one in targets.COLUMNS if one.id == "why")
    assert [row.mark for row in rows] == [UP, PARTIAL]
    assert why.cell(rows[1], 20, frozenset()).role == "warning"
    view = View(targets.SPEC, faults_only=True)
    view.take(rows)
    assert [row.target.number for row in view.rows] == [3]
    assert [span.text.strip() for span in targets.summary(rows)] == ["2", "▼ 1 partial", "● 1 up"]


def test_commands_show_the_same_states():
    style = Style(width=100, glyphs=False)
    assert "degraded" in "\n".join(printed_servers(STATE, style))
    assert "partial" in "\n".join(printed_targets(STATE, style))


def test_details_tell_how_the_target_stands_for_each_server():
    shown = [row.text.strip() for row in details.target_lines(TARGETS[1], SERVERS, [], (), 160)]
    assert "1 www            ● up, 172.16.1.10:80 tcp, rr; this target is a primary" in shown
    assert f"2 shop           ✖ down, 172.16.1.11:80 tcp, rr; this target is a primary: {WHY}" in shown
    shown = [row.text.strip() for row in details.server_lines(SERVERS[1], TARGETS, [], (), 160)]
    assert any(row.startswith("3 web3           ✖ down, ") and row.endswith(WHY) for row in shown)
    assert any(row.startswith("2 web2           ● up, ") for row in shown)


@pytest.mark.parametrize(
    ("said", "target", "mark"),
    [
        ({}, {"admin": "disabled"}, DISABLED),
        ({"health": "down", "able": False}, {"admin": "draining"}, DOWN),
        ({"able": False}, {"admin": "draining"}, DRAINING),
        ({"health": "unknown", "able": False}, {}, UNKNOWN),
        ({"able": False}, {}, BLOCKED),
        ({"backup": True}, {"operational": False}, STANDBY),
        ({"backup": True}, {}, UP),
        ({}, {}, UP),
    ],
)
def test_every_state_of_a_target_for_a_server(said, target, mark):
    assert member_mark(member(1, **said), make_target(1, [1], **target)) is mark


def test_what_a_target_is_out_of_does_not_hide_what_is_worse():
    assert target_mark(make_target(1, [1], out_of=[2], health="down")) is DOWN
    assert target_mark(make_target(1, [1], out_of=[2], admin="draining")) is DRAINING


def test_a_server_that_tells_nothing_of_a_target_goes_by_the_target():
    assert able(make_server(1, [2, 3, 9], members=[LACKS]), BY) == {2}
    assert able(make_server(1, [2, 3], members=[]), BY) == {2, 3}
