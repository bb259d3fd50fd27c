"""What the cells of the panels' rows say, and in which role."""

from __future__ import annotations

import pytest

from bngtui.actions import ACTIONS
from bngtui.render import events, servers, targets
from bngtui.render.header import Freshness, paint_header
from bngtui.render.members import SILENT
from bngtui.render.palette import matching
from bngtui.render.table import body_height, paint_table
from bngtui.render.view import View
from tests.helpers.console_states import make_event, make_server, make_state, make_target


def cell(spec, name, row, shown=frozenset()):
    (column,) = (column for column in spec.columns if column.id == name)
    return column.cell(row, 20, shown)


def server_row(targets_of, **changes):
    made = {1: make_target(1, [1]), 2: make_target(2, [1], health="down"), 3: make_target(3, [1])}
    return servers.ServerRow(make_server(1, targets_of, **changes), made)


def test_healthy_counts_primaries_and_backups():
    assert cell(servers.SPEC, "healthy", server_row([1, 3])) == ("2/2", "text")
    assert cell(servers.SPEC, "healthy", server_row([1, 2, 9])) == ("1/3", "warning")
    assert cell(servers.SPEC, "healthy", server_row([1], backup=[2, 3])) == ("1/1 +1/2", "text")


@pytest.mark.parametrize(
    ("targets_of", "changes", "wanted"),
    [
        ([1, 3], {}, ("", "text")),
        ([1, 2], {}, ("without 2", "warning")),
        ([2], {"operational": False}, ("without 2", "down")),
        ([1, 2], {"admin": "disabled"}, ("", "text")),
        ([1, 2], {"reason": "said so"}, ("said so", "warning")),
        ([2, 11, 12, 13, 14, 15], {"operational": False}, ("without 2, 11, 12, 13, 14, 15", "down")),
        ([2, 11, 12, 13, 14, 15, 16], {"operational": False}, ("100 % of its targets are out", "down")),
    ],
)
def test_the_remark_of_a_server(targets_of, changes, wanted):
    assert cell(servers.SPEC, "why", server_row(targets_of, **changes)) == wanted


@pytest.mark.parametrize(("pps", "role"), [(SILENT / 2, "muted"), (SILENT, "text"), (12.0, "text")])
def test_silence_is_muted(pps, role):
    assert cell(targets.SPEC, "pps", targets.TargetRow(make_target(1, [1], pps=pps))).role == role


@pytest.mark.parametrize(("dropped", "role"), [(0.049, "text"), (0.05, "warning")])
def test_drops_stand_out_from_where_they_are_shown_as_more_than_nothing(dropped, role):
    state = make_state()
    state.datapath.dropped_pps = dropped
    spans = paint_header(state, Freshness(connection="up", age_s=0.1), 120)[1].spans
    (at,) = (number for number, span in enumerate(spans) if span.text == "  dropped ")
    assert spans[at + 1].role == role


def test_a_mac_is_shown_or_unknown():
    assert cell(targets.SPEC, "mac", targets.TargetRow(make_target(1, [1]))).text == "02:00:00:00:02:01"
    assert cell(targets.SPEC, "mac", targets.TargetRow(make_target(1, [1], mac=None))).text == "unknown"


def test_who_did_it_is_told_once():
    event = make_event(1, message="draining", actor="root(0)")
    assert cell(events.SPEC, "message", event) == ("draining (root(0))", "text")
    assert cell(events.SPEC, "message", event, frozenset({"actor"})).text == "draining"
    assert cell(events.SPEC, "message", make_event(1, message="draining")).text == "draining"
    assert cell(events.SPEC, "message", make_event(1, severity="error")).role == "down"


def test_the_heading_takes_a_line_where_there_are_three():
    view = View(servers.SPEC)
    assert [body_height(view, height) for height in (0, 1, 2, 3, 10)] == [1, 1, 1, 1, 8]
    bare = View(servers.Spec(**{**vars(servers.SPEC), "heading": False}))
    assert [body_height(bare, height) for height in (0, 1, 2, 3, 10)] == [1, 1, 1, 2, 9]


@pytest.mark.parametrize(("heading", "told"), [(True, False), (False, True)])
def test_a_table_without_a_heading_tells_its_order_in_its_title(heading, told):
    spec = servers.Spec(**{**vars(servers.SPEC), "heading": heading})
    view = View(spec, order="name")
    view.take([server_row([1])])
    assert (" by Name ↑" in paint_table(view, 100, 6, active=True)[0].text) is told
    view.reverse = True
    assert (" by Name ↓" in paint_table(view, 100, 6, active=True)[0].text) is told
    view.order = None
    assert " by " not in paint_table(view, 100, 6, active=True)[0].text


def test_the_palette_leaves_out_movement_and_itself():
    found = matching(ACTIONS, "")
    assert found
    assert {a.name for a in ACTIONS} - {a.name for a in found} == {
        a.name for a in ACTIONS if a.group == "Move" or a.name == "palette"
    }
    assert all("drain" in f"{a.help} {a.hint} {a.name} {a.group}".lower() for a in matching(ACTIONS, "DRAIN"))
