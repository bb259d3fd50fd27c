"""`bngctl show servers`: which rows, and which columns."""

from __future__ import annotations

from bngtui.render.printed.servers import servers
from bngtui.render.printed.table import Style
from tests.helpers import states


def test_only_the_servers_that_were_asked_for():
    state = states.state(servers=[states.server(number) for number in (1, 2, 3)])
    assert [line.split()[0] for line in servers(state, Style(), [2])] == ["#", "2"]
    assert [line.split()[0] for line in servers(state, Style(), [1, 3])] == ["#", "1", "3"]
    assert servers(state, Style(), [9]) == ["no servers"]


def test_backups_have_a_column_where_any_server_has_one():
    without = states.state(servers=[states.server(1), states.server(2)])
    every = [
        "#",
        "NAME",
        "ADDRESS",
        "PROTO",
        "METHOD",
        "STATE",
        "TARGETS",
        "SESS",
        "HALF",
        "PPS",
        "BPS",
        "PACKETS",
        "BYTES",
    ]
    assert servers(without, Style())[0].split() == every
    one = states.state(servers=[states.server(1), states.server(2, backup=[2])])
    assert servers(one, Style())[0].split() == [*every[:7], "BACKUP", *every[7:]]
    # Also where the one that has them is not among those that were asked for.
    assert servers(one, Style(), [1])[0].split() == [*every[:7], "BACKUP", *every[7:]]
