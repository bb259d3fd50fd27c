"""A counter that the engine has and the console knows nothing of is shown by its name, once."""

from __future__ import annotations

from bngtui.render import node
from bngtui.render.counters import others
from bngtui.render.printed import node as printed
from bngtui.render.printed.table import Style
from engine.datapath.contract import Counters
from engine.datapath.counters import numbers
from tests.helpers import states

COUNTED = numbers(Counters(received=5, swaps=2, swap_last_ns=77, unrecorded=12_345)) | {
    "something_new": 3,
    "idle": 0,
}


def state():
    made = states.state()
    made.datapath.counters = COUNTED
    return made


def test_only_what_has_no_line_of_its_own_is_left():
    shown = dict(others(state().datapath))
    assert shown.items() >= {"unrecorded": 12_345, "something new": 3, "idle": 0}.items()
    assert not {"received", "forwarded", "passed", "swaps", "swap last ns", "swap longest ns"} & set(shown)


def test_the_node_panel_shows_what_was_counted():
    lines = {row.what: row.value for row in node.rows(state())}
    assert lines["something new"] == "3 in all"
    assert lines["unrecorded"] == "12,345 in all"
    assert not {"idle", "received in all", "swap last ns"} & set(lines)


def test_show_datapath_shows_all_of_them():
    text = "\n".join(printed.datapath(state(), Style()))
    assert "something new" in text
    assert "idle" in text
    assert "swap last ns" not in text


def test_an_engine_that_publishes_none_is_shown_as_before():
    assert list(others(states.state().datapath)) == []
