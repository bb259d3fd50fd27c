"""Tables as people see them, compared with the texts in golden/ (tests/helpers/golden.py)."""

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bngtui.render.printed import changes, network, node
from bngtui.render.printed.cells import ranges
from bngtui.render.printed.duties import duties
from bngtui.render.printed.events import event_line, events
from bngtui.render.printed.explanation import explanation
from bngtui.render.printed.history import history
from bngtui.render.printed.processes import processes
from bngtui.render.printed.servers import servers
from bngtui.render.printed.sessions import sessions
from bngtui.render.printed.table import Col, Style, facts, table
from bngtui.render.printed.targets import targets
from bngtui.render.printed.trend import trend
from bngtui.render.text import Span
from engine.api import messages as m
from engine.api import ops
from tests.helpers import states
from tests.helpers.golden import agree

GOLDEN = Path(__file__).with_name("golden")
BOTH = [
    (name, width)
    for name in (
        "servers",
        "targets",
        "interfaces",
        "networks",
        "arp",
        "alarms",
        "duties",
        "modules",
        "vrrp",
        "datapath",
        "events",
        "sessions",
        "trend",
        "version",
        "processes",
        "explanation",
        "target",
        "history",
        "changes",
        "applied",
    )
    for width in (80, 140)
]


def draw(canned, name, style):
    backend = canned.CannedBackend()
    state = backend.now
    state.servers.append(
        states.server(
            2,
            name="a long name of a server",
            protocol="udp",
            method="hash",
            targets=[1, 2, 3, 7, 8, 9],
            backup=[4],
            admin="disabled",
            operational=False,
            reason="disabled by root(0) pid 812",
        )
    )
    state.targets += [
        states.target(
            3,
            admin="draining",
            operational=False,
            reason="draining",
            drain=m.DrainState(
                since="2026-07-01T10:42:11Z", by="root(0) pid 812", within_s=300, left_s=125.0, flows=37
            ),
        ),
        states.target(
            4,
            mac=None,
            health="unknown",
            operational=False,
            ipaddr="172.16.1.254",
            port=0,
            reason="its MAC address is not known yet",
        ),
    ]
    state.alarms.insert(
        0,
        m.Alarm(
            severity="warning",
            subject="interface 1",
            message="somebody took 172.16.1.253 away; it is back, and the reason is worth knowing",
        ),
    )
    match name:
        case "duties":
            state.duties = [
                states.duty("counters", "read the workers' counters, compute rates"),
                states.duty("links", "follow links", last_ok_s=61.0, under_way_s=60.2, longest_ms=12.0),
                states.duty(
                    "records", "keep the history", last_ok_s=9.4, failures=3, fault="OSError: no room"
                ),
                states.duty("trials", "take back what nobody confirmed", last_ok_s=None, longest_ms=0.0),
            ]
            return duties(state, style)
        case "events":
            return events(backend.kept, style)
        case "sessions":
            return sessions(asyncio.run(backend._sessions(ops.SessionsArgs())), style)
        case "trend":
            course = ops.TrendArgs(what="target", number=1, step_s=10)
            return trend(asyncio.run(backend._trend(course)), style, states=True)
        case "processes":
            return processes(asyncio.run(backend._processes(ops.NoArgs())), style)
        case "version":
            return node.version(asyncio.run(backend._version(ops.NoArgs())), style)
        case "explanation":
            asked = ops.ExplainArgs(client="10.1.1.1", client_port=4000, server="1")
            return explanation(asyncio.run(backend._explain(asked)), style)
        case "history":
            return history(
                [
                    canned.revision(5, confirmed=False, note="reload /etc/bng/new.conf", user="maria"),
                    canned.revision(4, running=False, confirmed=False, user="", uid=1000, note=""),
                    canned.revision(
                        3,
                        running=False,
                        note="a third target, and the checks of all the others made slower by two seconds each",
                    ),
                    canned.revision(2, note="rollback to revision 1"),
                ],
                style,
            )
        case "changes":
            return [
                *changes.changes(canned.CHANGES, style),
                *changes.unified("--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\tx\n same\n", style),
            ]
        case "applied":
            answer = m.Applied(revision=2, changes=canned.CHANGES[:1], pending=canned.pending())
            return changes.applied(answer, "revision 2 runs", style, "14:03:22")
        case "target":
            return targets(state, style, [1, 2])
        case "targets":
            return targets(state, style)
        case "servers":
            return servers(state, style)
        case "alarms" | "modules" | "vrrp" | "datapath":
            return getattr(node, name)(state, style)
    return getattr(network, name)(state, style)


@pytest.mark.parametrize(("name", "width"), BOTH)
def test_a_table_is_as_in_golden(canned, name, width):
    lines = draw(canned, name, Style(width=width, glyphs=True))
    assert max(map(cell_len, lines)) <= width
    agree(GOLDEN / f"{name}-{width}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(("name", "width"), BOTH)
def test_colour_changes_no_character(canned, name, width):
    coloured = "\n".join(draw(canned, name, Style(width=width, glyphs=True, colour=True)))
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == (GOLDEN / f"{name}-{width}.txt").read_text()[:-1]


def test_colours_are_as_in_golden(canned):
    names = sorted({name for name, _ in BOTH})
    style = Style(width=140, colour=True)
    text = "\n".join(line for name in names for line in draw(canned, name, style)).replace("\x1b", "^") + "\n"
    agree(GOLDEN / "coloured-140.txt", text)


@pytest.mark.parametrize("name", sorted({name for name, _ in BOTH}))
def test_without_a_width_nothing_is_cut_or_wrapped(canned, name):
    lines = draw(canned, name, Style())
    assert not any("…" in line for line in lines)
    if name == "targets":
        assert "      does not accept 172.16.1.10; add it to the loopback interface" in lines


def test_nothing_configured_is_said():
    empty = states.state(servers=[], targets=[], arp=[])
    assert servers(empty, Style()) == ["no servers"]
    assert targets(empty, Style()) == ["no targets"]
    assert network.arp(empty, Style()) == ["no addresses"]


def test_more_sessions_than_shown_are_counted():
    one = m.Session(server=1, target=1, client="10.1.1.1", port=None, idle_s=3, state="open")
    assert sessions(m.Sessions(total=9, sessions=[one]), Style())[-1].startswith("1 of 9 sessions")


@pytest.mark.parametrize(
    ("target", "by", "says"),
    [
        (2, "session", "target 2 (it has a session)"),
        (2, "method", "target 2 (the server's method picks it)"),
        (None, "method", "any of its targets (the server's method picks one when the flow comes)"),
        (None, "none", "no target (nothing takes it)"),
    ],
)
def test_an_explanation_begins_with_the_answer(target, by, says):
    answer = m.Explanation(client="10.1.1.1", server=1, target=target, decided_by=by, steps=["a step"])
    assert explanation(answer, Style()) == [f"10.1.1.1, server 1: {says}", "  1.  a step"]


def test_a_name_cannot_steer_the_terminal():
    evil = states.state(targets=[states.target(1, name="\x1b]0;gone\x07", reason="a\x1b[2Jb\nc")])
    assert "\x1b" not in "".join(targets(evil, Style(width=80)))
    event = states.event(1, message="two\nlines\x1b[2J")
    assert event_line(event, Style()).endswith(
        "target 1: up, message 1".replace("up, message 1", "two lines [2J")
    )


@given(
    width=st.integers(30, 120),
    rows=st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30), st.text(max_size=90)), max_size=4),
)
def test_no_line_is_ever_wider_than_the_terminal(width, rows):
    cols = (
        Col("A", lambda row: row[0], flex=True),
        Col("B", lambda row: row[1], right=True, drop=1),
        Col("C", lambda row: row[2], wrap=20),
    )
    for style in (Style(width=width), Style(width=width, colour=True)):
        for line in (
            *table(cols, rows, style, lambda row: [Span(row[2], "muted")]),
            *facts([(row[0][:5], row[2]) for row in rows], style),
        ):
            assert cell_len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= width
            assert "\n" not in line


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], "-"),
        ([1], "1"),
        ([1, 2], "1,2"),
        ([1, 2, 3], "1-3"),
        ([1, 3, 4, 5, 9, 10], "1,3-5,9,10"),
        ([3, 1, 2], "3,1,2"),
    ],
)
def test_numbers_as_balanceng_writes_them(numbers, text):
    assert ranges(numbers) == text
