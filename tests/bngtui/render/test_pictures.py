"""What each part of the screen draws, with the role of every span: `role:text` between bars.

The golden screens show whole consoles without colours; these show one part in all its states, and what is red in it.
The texts are kept by tests/helpers/golden.py.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bngtui.actions import Action
from bngtui.render import arp, details, events, node, revision_list, servers, targets
from bngtui.render.confirm import paint_confirm
from bngtui.render.dialog import Answer, Question, paint_prompt, paint_question
from bngtui.render.effects import Effect
from bngtui.render.footer import paint_filter, paint_hints, paint_message
from bngtui.render.header import Freshness, paint_header
from bngtui.render.help import paint_help
from bngtui.render.layout import PANELS, arrange
from bngtui.render.palette import matching, paint_palette
from bngtui.render.table import paint_table
from bngtui.render.text import Line, Span
from bngtui.render.trial import Trial
from bngtui.render.view import View
from engine.api.messages import ArpState, CheckState, ConfigStatus, Revision
from engine.domain.notices import Alarm
from tests.helpers.console_states import EVENTS, busy_state, make_event, make_server, make_state, make_target
from tests.helpers.golden import agree
from tests.helpers.pictures import picture, several

GOLDEN = Path(__file__).with_name("golden")
LIVE = Freshness(connection="up", age_s=0.0)
HISTORY = [None, 0.0, 0.04, 0.05, 3.0, 900.0, 1999.0, 2000.0]


# -- panels ---------------------------------------------------------------------------------------------------------

STATES = [
    make_target(1, [1, 2], last_change_s=119.0),
    make_target(
        2, [1], health="down", operational=False, reason="does not accept 172.16.1.10", pps=0.0, bps=0.0
    ),
    make_target(3, [1], admin="draining", operational=False, reason="draining: 1 session left", sessions=1),
    make_target(4, [], admin="disabled", operational=False, sessions=0, pps=0.04, bps=0.05, name=""),
    make_target(5, [1], health="unknown", operational=False, mac=None, checks=[]),
    make_target(6, [1], operational=False, backup_of=[1], port=0),
    make_target(7, [1, 2], operational=False, backup_of=[1]),
    make_target(8, [1], ipaddr="2001:db8::8", name="a\x1b[2Jname", sessions=1_500_000),
]
BY_NUMBER = {target.number: target for target in STATES}
SERVERS = [
    make_server(1, [1, 8], STATES),
    make_server(2, [1, 2, 3], STATES, backup=[6, 2], port=0),
    make_server(3, [2], operational=False, reason="no healthy target"),
    make_server(4, [2, 3, 4, 5, 2, 3, 4, 5], name=""),
    make_server(5, [1], admin="disabled", operational=False, reason="disabled by root(0)"),
    make_server(6, [2, 99], protocol="udp", method="hash"),
    make_server(7, [2], admin="disabled"),
]
ARP = [
    ArpState(address="172.16.1.10", mac="02:00:00:00:01:01", kind="virtual", owner="server 1", age_s=None, state="answering"),
    ArpState(address="172.17.2.1", mac="02:00:00:00:02:01", kind="target", owner="target 1", age_s=29.9, state="resolved"),
    ArpState(address="172.17.2.2", mac="02:00:00:00:02:02", kind="target", owner="target 2", age_s=30.0, state="stale"),
    ArpState(address="172.17.2.3", mac=None, kind="target", owner="target 3", age_s=None, state="unresolved"),
    ArpState(address="172.16.1.10", mac="02:00:00:00:09:09", kind="conflict", owner="server 1", age_s=1.0, state="conflict"),
]  # fmt: skip


def target_rows():
    return [targets.TargetRow(target, HISTORY if target.number == 1 else ()) for target in STATES]


def server_rows():
    return [servers.ServerRow(server, BY_NUMBER) for server in SERVERS]


def table(spec, rows, width, height, *, order=None, **more):
    view = View(spec)
    view.needle, view.faults_only = more.pop("needle", ""), more.pop("faults_only", False)
    view.selected, view.order = more.pop("selected", None), order
    view.reverse = more.pop("reverse", False)
    view.take(rows)
    return paint_table(view, width, height, active=more.pop("active", True), **more)


def target_panel():
    rows = target_rows()
    return several(
        table(targets.SPEC, rows, 80, 10, summary=targets.summary(rows)),
        table(targets.SPEC, rows, 300, 12, selected=3, tabs=[Span(" other", "muted")]),
        table(targets.SPEC, rows, 120, 5, selected=8, order="state"),
        table(targets.SPEC, rows, 120, 5, order="pps", reverse=True, active=False, stale=True),
        table(targets.SPEC, rows, 100, 6, faults_only=True),
        table(targets.SPEC, rows, 100, 4, needle="nobody"),
        table(targets.SPEC, rows, 100, 2),
        table(targets.SPEC, rows, 100, 3),
        table(targets.SPEC, [], 40, 4),
        table(targets.SPEC, [], 40, 4, empty="Two\nlines of why."),
        table(
            targets.SPEC, rows, 60, 4, needle="web", summary=targets.summary(rows), tabs=[Span(" tab " * 5)]
        ),
        table(targets.SPEC, rows, 4, 3),
    )


def server_panel():
    rows = server_rows()
    return several(
        table(servers.SPEC, rows, 80, 9, summary=servers.summary(rows)),
        table(servers.SPEC, rows, 260, 9, order="healthy"),
        table(servers.SPEC, rows, 120, 9, needle="udp"),
        table(servers.SPEC, rows, 120, 5, order="address"),
        table(servers.SPEC, rows, 120, 5, order="name", reverse=True),
    )


def arp_panel():
    rows = arp.rows(ARP, EVENTS[::-1])
    one = [ARP[4], ARP[3]]
    return several(
        table(arp.SPEC, rows, 80, 10, summary=arp.summary(rows)),
        table(arp.SPEC, rows, 50, 10, order="state"),
        table(arp.SPEC, rows, 80, 10, order="address", needle="172.17"),
        [Line(tuple(arp.summary(one * 2)))],
        [Line(tuple(arp.summary([])))],
        table(arp.SPEC, arp.rows([], [make_event(n, kind="arp") for n in range(60)]), 60, 4),
    )


def event_panel():
    rows = [make_event(9, actor="x" * 30), *EVENTS[::-1]]
    return several(
        table(events.SPEC, rows, 80, 9, summary=events.summary(rows, 0)),
        table(events.SPEC, rows, 200, 9, summary=events.summary(rows, 2), order="severity"),
        table(events.SPEC, rows, 120, 5, order="time", reverse=True, selected=3),
        [Line(tuple(events.summary([], 1)))],
    )


def troubled():
    state = busy_state(5)
    return msgspec.structs.replace(
        state,
        datapath=msgspec.structs.replace(
            state.datapath,
            dropped={"loop": 3, "no-server": 12},
            ring_lost=4,
            swaps=2,
            swap_longest_ms=1.26,
            sessions=900,
            sessions_max=1000,
            dropped_pps=0.05,
        ),
        interfaces=[
            *state.interfaces,
            msgspec.structs.replace(state.interfaces[0], number=2, link="down", mac=None, mtu=None),
        ],
        modules=[*state.modules[:2], msgspec.structs.replace(state.modules[0], state="standby", note="why")],
        vrrp=[
            state.vrrp[0],
            msgspec.structs.replace(state.vrrp[0], vrid=7, state="backup", priority=100, network=1, note=""),
        ],
        config=ConfigStatus(revision=5, language="toml", differs=["target 2 disabled (file: enabled)"]),
        alarms=[
            Alarm(severity="warning", subject="target 2", message="is slow"),
            Alarm(severity="error", subject="target 3", message="target 3 is a black hole"),
        ],
    )


def quiet():
    state = make_state()
    return msgspec.structs.replace(
        state,
        datapath=msgspec.structs.replace(state.datapath, interfaces=[], sessions_max=0, why=[], dropped={}),
    )


def node_panel():
    return several(
        table(node.SPEC, node.rows(troubled()), 80, 50),
        table(node.SPEC, node.rows(quiet()), 80, 40, order="what", active=False),
    )


def revision_panel():
    def one(number, **changes):
        values = {"time": "2026-03-01T12:00:30Z", "uid": 0, "user": "root", "note": "", "language": "toml"}
        values |= {"running": False, "confirmed": True, "reverted": False, "lines": 12}
        return Revision(number=number, **{**values, **changes})

    rows = [
        one(5, running=True, confirmed=False, note="a\x1bnote"),
        one(4, confirmed=False, user=""),
        one(3, reverted=True),
        one(2, running=True, uid=1000, user="", time="yesterday, about noon"),
        one(1),
    ]
    return several(
        table(revision_list.SPEC, rows, 80, 8, summary=revision_list.summary(rows)),
        table(revision_list.SPEC, rows, 130, 8, faults_only=True),
        [Line(tuple(revision_list.summary(rows[1:])))],
        [Line(tuple(revision_list.summary(rows[4:])))],
    )


# -- header, footer, details ----------------------------------------------------------------------------------------


def headers():
    state, bad = make_state(), troubled()
    trial = Trial(revision=6, reverts_to=5, seconds_left=11, actor="root", may_answer=True)
    first = msgspec.structs.replace(state, first_round_done=False, role="backup")
    differs = msgspec.structs.replace(bad, alarms=[], role="init")
    full = msgspec.structs.replace(
        bad, datapath=msgspec.structs.replace(bad.datapath, sessions=901, dropped_pps=0.04)
    )
    fresh = [
        LIVE,
        Freshness(connection="connecting", age_s=None),
        Freshness(connection="down", age_s=None, trouble="/r: no such socket"),
        Freshness(connection="down", age_s=14.0, seen=None, trouble="gone"),
        Freshness(connection="up", age_s=2.9, held_s=125.0),
        Freshness(connection="up", age_s=3.0, held_s=3.0, read_only=True),
    ]
    return several(
        *(paint_header(state, one, 120) for one in fresh),
        *(paint_header(None, one, 80) for one in fresh[1:3]),
        *(paint_header(bad, LIVE, width) for width in (30, 40, 60, *range(70, 100), 200)),
        paint_header(quiet(), LIVE, 100),
        paint_header(first, LIVE, 100),
        paint_header(differs, LIVE, 160),
        paint_header(full, LIVE, 160),
        paint_header(bad, fresh[3], 120),
        *(paint_header(state, LIVE, width, trial) for width in (*range(78, 130), 150)),
        paint_header(state, fresh[3], 120, trial),
        paint_header(state, LIVE, 150, msgspec_free(trial, 10)),
    )


def msgspec_free(trial, seconds):
    return Trial(trial.revision, trial.reverts_to, seconds, trial.actor, may_answer=False)


ACTIONS = (
    Action("one", ("a", "ctrl+b"), "do the first thing", "Change", "first", 1, changes=True),
    Action("two", ("b",), "do the second thing", "Look", "second", 3),
    Action("three", ("c",), "do the third thing", "Look", "third", 3),
    Action("four", ("d", "d"), "move", "Move"),
    Action("palette", ("e",), "list all of this", "Program", "all", 2),
)


def footers():
    return [
        *(paint_hints(ACTIONS, width) for width in (3, 9, 10, 16, 17, 25, 26, 34, 35, 60)),
        paint_hints((), 10),
        paint_message("done\x1b", "up", 20),
        paint_filter("targets", "web\x1b", 60),
        paint_filter("targets", "web", 30),
    ]


def help_pages():
    return several(
        paint_help(ACTIONS, 99, read_only=False),
        paint_help(ACTIONS, 100, read_only=True),
        paint_help(ACTIONS[:1], 120, read_only=False),
    )


def palettes():
    found = matching(ACTIONS, "")
    return several(
        paint_palette(found, "", 0, 40, 10),
        paint_palette(matching(ACTIONS, "second LOOK"), "second LOOK", 0, 40, 6),
        paint_palette(matching(ACTIONS, "nothing"), "nothing\x1b", 0, 40, 6),
        paint_palette(list(ACTIONS), "", 4, 40, 7),
        paint_palette(list(ACTIONS), "", 2, 40, 7),
        paint_palette(list(ACTIONS), "", 1, 40, 7),
    )


def target_details():
    check = CheckState(
        kind="script", port=None, state="unknown", last_ok_s=None, rtt_ms=None, error="e\x1b", address=None
    )
    odd = make_target(9, [1], health="unknown", mac=None, dsr=False, checks=[check], reason="why")
    recent = [make_event(n, severity="warning", actor="root(0)") for n in range(20, 0, -1)]
    return several(
        details.target_lines(STATES[0], SERVERS, EVENTS[::-1], HISTORY, 100),
        details.target_lines(STATES[1], SERVERS, [], [], 60),
        details.target_lines(odd, [make_server(1, [], backup=[9])], recent, HISTORY * 30, 80),
        details.target_lines(STATES[0], [], recent, HISTORY * 30, 200),
        details.target_lines(STATES[4], [], EVENTS, HISTORY, 41),
        details.target_lines(STATES[4], [], EVENTS, HISTORY, 42),
    )


def other_details():
    rows = server_rows()
    return several(
        *(details.server_lines(row.server, STATES, EVENTS, HISTORY, 90) for row in rows[1:4]),
        details.server_lines(SERVERS[5], STATES, [], [], 90),
        *(details.event_lines(event, 60) for event in EVENTS[4:7]),
        *(details.arp_lines(entry, EVENTS, 70) for entry in ARP),
        details.arp_lines(EVENTS[1], EVENTS, 70),
        details.node_lines(node.rows(troubled())[0], 40),
    )


def dialogs():
    answers = (Answer("n", "No", ""), Answer("y", "Yes, do it", "yes"))
    none_left = "server 1 has NO healthy target then"
    effect = Effect("drain", "target", 2, "web2", ("52 sessions stay", none_left), (none_left,))
    stops = "www stops serving " + "x " * 40
    last = Effect("disable", "server", 1, "", (stops,), (stops,), last=True)
    question = Question("Why " * 20, ("one", "two " * 30, "three"), answers, grave=("three",))
    return several(
        paint_question(question, 0),
        paint_question(question, 1, width=30),
        paint_question(question, 1, room=9),
        paint_question(question, 1, room=10),
        paint_question(Question("Sure?", (), answers), 0, width=20),
        paint_prompt("Path", "/etc\x1b", "no such file or folder " * 4),
        paint_prompt("Path", "/very/long/path", "", width=20),
        paint_prompt("Path", "/very/long/pat", "", width=20),
        *(paint_confirm(effect, chosen=chosen, typed="", hint="") for chosen in (False, True)),
        paint_confirm(last, chosen=False, typed="12", hint="type 1", width=40),
        *(paint_confirm(effect, chosen=False, typed="", hint="", width=width) for width in range(20, 26)),
        *(paint_question(question, 0, width=width) for width in range(18, 24)),
    )


def layouts():
    lines = []
    for width in (109, 110, 169, 170):
        for height in (3, *range(10, 34), 40, 61):
            for counts in ((1, 2), (3, 40)):
                for pane in ("events", "node"):
                    got = arrange(width, height, servers=counts[0], targets=counts[1], pane=pane)
                    panes = " ".join(f"{one.panel}:{one.width}x{one.height}" for one in got.panes)
                    text = (
                        f"{width}x{height} {counts} {pane}: {got.servers}+{got.targets}+{got.bottom} {panes}"
                    )
                    lines.append(Line((Span(f"{text} {got.stacked} {','.join(got.visible)}"),)))
    for alone in PANELS:
        got = arrange(80, 24, servers=1, targets=1, pane="events", alone=alone)
        lines.append(Line((Span(f"{alone}: {got} {got.visible}"),)))
    return lines


PICTURES = {
    function.__name__: function
    for function in (
        target_panel,
        server_panel,
        arp_panel,
        event_panel,
        node_panel,
        revision_panel,
        headers,
        footers,
        help_pages,
        palettes,
        target_details,
        other_details,
        dialogs,
        layouts,
    )
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_as_in_golden(name):
    agree(GOLDEN / f"{name.replace('_', '-')}.txt", picture(PICTURES[name]()))
