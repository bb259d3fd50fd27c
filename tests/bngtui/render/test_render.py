"""The pure render layer: text, units, graphs, columns, states, header, footer, layout."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bngtui.actions import available
from bngtui.render import arp, node, targets
from bngtui.render.columns import Column, fit_columns
from bngtui.render.fitting import SEPARATOR
from bngtui.render.footer import paint_hints
from bngtui.render.header import Freshness, paint_header
from bngtui.render.layout import FOOTER_HEIGHT, HEADER_HEIGHT, PANELS, arrange
from bngtui.render.spark import ceiling, sparkline
from bngtui.render.states import (
    BLOCKED,
    DEGRADED,
    DISABLED,
    DOWN,
    DRAINING,
    NO_SERVICE,
    STANDBY,
    UNKNOWN,
    UP,
    server_mark,
    target_mark,
    worst_check,
)
from bngtui.render.table import paint_table
from bngtui.render.text import Line, Span, changed_runs, clean, fit, fit_spans, line, spread, told_of, wrap
from bngtui.render.units import age, check_age, clock, count, endpoint, plural, rtt, short, uptime
from bngtui.render.view import View
from tests.helpers.console_states import EVENTS, busy_state, make_server, make_state, make_target

ANY_TEXT = st.text(alphabet="abc 12世界é", max_size=30)


# -- text -------------------------------------------------------------------------------------------------------


@given(ANY_TEXT, st.integers(1, 40), st.booleans())
def test_fit_is_exact(text, width, right):
    assert cell_len(fit(text, width, right=right)) == width


@given(st.lists(ANY_TEXT, max_size=4), st.integers(1, 40))
def test_spans_are_cut_or_padded_to_the_cell(texts, width):
    assert cell_len(Line(fit_spans([Span(text) for text in texts], width)).text) == width


@given(ANY_TEXT, ANY_TEXT, st.integers(1, 60))
def test_spread_fills_the_line(left, right, width):
    assert cell_len(Line(spread([Span(left)], [Span(right)], width)).text) == width


@given(st.text(alphabet="ab 世", min_size=0, max_size=60), st.text(alphabet="ab 世", min_size=0, max_size=60))
def test_changed_runs_turn_the_old_line_into_the_new_one(old_text, new_text):
    old, new = (Line(fit_spans([Span(text)], 40)) for text in (old_text, new_text))
    screen, wanted = (list(cells(row.text)) for row in (old, new))
    for start, length in changed_runs(old, new):
        screen[start : start + length] = wanted[start : start + length]
        assert wanted[start] != ""  # never from the middle of a wide character
    assert screen == wanted


def cells(text):
    for char in text:
        yield char
        yield from [""] * (cell_len(char) - 1)


def test_changed_runs_join_what_is_near_and_part_what_is_far():
    old = line("a" * 100)
    assert changed_runs(old, line("a" * 10 + "b" + "a" * 5 + "b" + "a" * 83)) == [(10, 7)]
    assert changed_runs(old, line("b" + "a" * 98 + "b")) == [(0, 1), (99, 1)]
    assert changed_runs(old, old) == []
    assert changed_runs(old, line(Span("a" * 99), Span("a", "down"))) == [(99, 1)]
    assert changed_runs(old, old._replace(tone="cursor")) == [(0, 100)]


def test_runs_are_joined_over_fifteen_cells_and_not_over_sixteen():
    old = line("a" * 100)
    assert changed_runs(old, line("b" * 10 + "a" * 15 + "b" + "a" * 74)) == [(0, 26)]
    assert changed_runs(old, line("b" * 10 + "a" * 16 + "b" + "a" * 73)) == [(0, 10), (26, 1)]


def test_a_change_behind_wide_characters_is_where_it_stands_on_the_screen():
    assert changed_runs(line("世世a"), line("世世b")) == [(4, 1)]
    assert changed_runs(line("a世b"), line("a界b")) == [(1, 1)]
    assert changed_runs(line("世a"), line("aaa")) == [(0, 2)]


def test_what_would_move_the_cursor_is_not_shown():
    assert clean("web\x1b[2J\n1") == "web�[2J�1"


def test_wrap_breaks_at_blanks_and_cuts_long_words():
    assert wrap("does not accept 172.16.1.10", 12) == ["does not", "accept", "172.16.1.10"]
    assert wrap("aaaaaaaaaa b", 4) == ["aaaa", "aaaa", "aa b"]
    assert wrap("", 4) == [""]


# -- units ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.3, "0.3"),
        (7, "7"),
        (999.4, "999"),
        (999.6, "1.00k"),
        (1234, "1.23k"),
        (45_600_000, "45.6M"),
        (999_949_999, "1.00G"),
        (3.2e12, "3.20T"),
    ],
)
def test_short(value, text):
    assert short(value) == text


@given(st.floats(0, 1e17))
def test_short_is_never_wider_than_its_column(value):
    assert len(short(value)) <= 5


def test_words_for_times_and_numbers():
    assert [age(s) for s in (0, 7.9, 119, 120, 7200, 200_000)] == [
        "0 s",
        "7 s",
        "119 s",
        "2 min",
        "2 h",
        "2 d",
    ]
    assert [check_age(s) for s in (0, 4.9, 5, 47)] == ["<5 s", "<5 s", "5 s", "47 s"]
    assert [uptime(s) for s in (41, 600, 11_575, 270_000)] == ["41 s", "10 min", "3 h 12 min", "3 d 3 h"]
    assert [rtt(ms) for ms in (0.04, 0.34, 12.6, 1500)] == ["0.04 ms", "0.3 ms", "13 ms", "1.5 s"]
    assert [count(n) for n in (0, 1204, 999_999, 1_500_000)] == ["0", "1,204", "999,999", "1.50M"]
    assert [plural(n, "session") for n in (0, 1, 1204)] == ["no sessions", "1 session", "1,204 sessions"]
    assert endpoint("2001:db8::1", 80) == "[2001:db8::1]:80"
    assert endpoint("10.1.1.1", 0) == "10.1.1.1:any"
    assert clock("2026-03-01T12:34:56.123Z") == "12:34:56"


# -- graph ------------------------------------------------------------------------------------------------------


def test_sparkline_tells_zero_from_nothing_read():
    assert sparkline([None, 0, 1, 4, 8, 10], 8) == "   ·▁▄▇█"


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=50), st.integers(0, 40))
def test_sparkline_is_as_wide_as_asked(values, width):
    assert len(sparkline(values, width)) == width


def test_the_scale_stands_still_while_traffic_wavers():
    assert ceiling([1010, 1900]) == ceiling([1300, 1990]) == 2000
    assert ceiling([]) == 1


# -- columns ----------------------------------------------------------------------------------------------------


def column(name, width, priority=0, **more):
    return Column(name, name, lambda row, _w, _s: Span(str(row)), width=width, priority=priority, **more)


def test_columns_go_by_priority_and_the_rest_grows():
    columns = [column("a", 5), column("b", 10, 2), column("c", 10, 1), column("d", 5, 0, grow=1)]
    wide = fit_columns(columns, [], 60)
    assert [item.column.id for item in wide] == ["a", "b", "c", "d"]
    assert sum(item.width for item in wide) + 3 * len(SEPARATOR) == 60
    assert [item.column.id for item in fit_columns(columns, [], 30)] == ["a", "c", "d"]
    assert [item.column.id for item in fit_columns(columns, [], 14)] == ["a", "d"]


def test_a_column_that_wants_comfort_gets_it_before_a_lesser_one_is_shown():
    columns = [column("why", 12, 2, comfort=28, grow=1), column("check", 20, 7)]
    assert [item.column.id for item in fit_columns(columns, [], 40)] == ["why"]
    assert [item.column.id for item in fit_columns(columns, [], 50)] == ["why", "check"]


@given(st.integers(1, 250), st.integers(0, 40))
def test_targets_always_fit(width, number):
    rows = [targets.TargetRow(make_target(n, [1])) for n in range(1, number + 1)]
    view = View(targets.SPEC)
    view.take(rows)
    for height in (1, 2, 10):
        lines = paint_table(view, width, height, active=True, summary=targets.summary(rows))
        assert len(lines) == height
        assert {cell_len(row.text) for row in lines} == {width}


def test_eighty_columns_keep_what_an_operator_acts_on():
    view = View(targets.SPEC)
    view.take([targets.TargetRow(t) for t in busy_state(40).targets])
    heading = paint_table(view, 80, 10, active=True)[1].text
    for title in ("State", "#", "Name", "Address", "pkt/s", "Sess", "Remark"):
        assert title in heading
    assert "does not accept" in paint_table(view, 80, 10, active=True)[2].text


def test_stale_rows_lose_their_colours_and_keep_their_words():
    view = View(targets.SPEC)
    view.take([targets.TargetRow(make_target(3, [1], health="down", reason="gone"))])
    fresh = paint_table(view, 80, 3, active=False)[2]
    stale = paint_table(view, 80, 3, active=False, stale=True)[2]
    assert fresh.text == stale.text
    assert "down" in {span.role for span in fresh.spans}
    assert {span.role for span in stale.spans if span.text.strip()} == {"muted"}


# -- states -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({}, UP),
        ({"admin": "disabled", "health": "down"}, DISABLED),
        ({"health": "down"}, DOWN),
        ({"admin": "draining", "health": "down"}, DOWN),
        ({"admin": "draining", "operational": False}, DRAINING),
        ({"health": "unknown", "operational": False}, UNKNOWN),
        ({"operational": False, "backup_of": [1]}, STANDBY),
        ({"operational": False}, BLOCKED),
    ],
)
def test_target_mark(changes, mark):
    assert target_mark(make_target(1, [1], **changes)) is mark


def test_server_mark():
    up, down = make_target(1, [1]), make_target(2, [1], health="down")
    by_number = {1: up, 2: down}
    assert server_mark(make_server(1, [1]), by_number) is UP
    assert server_mark(make_server(1, [1, 2]), by_number) is DEGRADED
    assert server_mark(make_server(1, [2], operational=False), by_number) is NO_SERVICE
    assert server_mark(make_server(1, [1], admin="disabled"), by_number) is DISABLED


def test_the_check_that_is_shown_is_the_failing_one_and_otherwise_always_the_same():
    target = make_target(1, [1], health="down")
    assert worst_check(target).kind == "tcpopen"
    for ping_s, open_s in ((0.1, 2.9), (2.9, 0.1)):
        calm = make_target(1, [1])
        calm.checks[0].last_ok_s, calm.checks[1].last_ok_s = ping_s, open_s
        assert worst_check(calm).kind == "tcpopen"
    late = make_target(1, [1])
    late.checks[0].last_ok_s = 8.0
    assert worst_check(late).kind == "ping"
    assert worst_check(make_target(1, [1], checks=[])) is None


# -- header and footer ------------------------------------------------------------------------------------------


def head(fresh, state=None, width=80):
    return [row.text for row in paint_header(state or make_state(), fresh, width)]


def test_header_says_who_and_how_fresh():
    who, flow = head(Freshness(connection="up", age_s=0.4))
    for word in ("lb1", "MASTER", "afpacket on eth1", "up 3 h 12 min", "● live", "no alarms"):
        assert word in who
    assert "READ-ONLY" not in who
    assert "sessions 308" in flow


@pytest.mark.parametrize(
    ("fresh", "words"),
    [
        (Freshness(connection="up", age_s=7.2), "▲ data 7 s old"),
        (Freshness(connection="down", age_s=14, seen="12:03:11", trouble="gone"), "✖ engine not reachable"),
        (Freshness(connection="up", age_s=0, held_s=41.5), "■ frozen 41 s"),
        (Freshness(connection="up", age_s=9, held_s=9), "▲ data 9 s old"),
        (Freshness(connection="up", age_s=9, held_s=9), "■ frozen 9 s"),
        (Freshness(connection="up", age_s=0, read_only=True), "READ-ONLY"),
    ],
)
def test_header_never_loses_what_makes_the_picture_doubtful(fresh, words):
    state = busy_state()
    for width in (80, 120, 200):
        who, flow = head(fresh, state, width)
        assert words in who
        assert ("? alarms unknown, 2 then" if fresh.stale else "2 alarms") in who
        assert ("MASTER " in who and " ago " in who) or not fresh.stale
        assert len(who) == len(flow) == width
        assert "gone" in flow or not fresh.trouble


def test_header_is_still_while_nothing_but_time_goes_on():
    first = paint_header(make_state(), Freshness(connection="up", age_s=0.1), 120)
    second = paint_header(make_state(uptime_s=11_576.0), Freshness(connection="up", age_s=0.9), 120)
    assert first == second


def test_footer_drops_the_least_hints_and_never_cuts_a_word():
    actions = available("targets", read_only=False)
    for width in range(20, 160):
        text = paint_hints(actions, width).text
        assert len(text) == width
        assert "…" not in text
        assert "q quit" in text
    assert "r drain" in paint_hints(actions, 80).text
    assert "drain" not in paint_hints(available("targets", read_only=True), 200).text
    assert "drain" not in paint_hints(available("servers", read_only=False), 200).text


# -- layout -----------------------------------------------------------------------------------------------------


@given(
    st.integers(20, 250),
    st.integers(10, 100),
    st.integers(0, 600),
    st.integers(0, 1100),
    st.sampled_from(PANELS),
)
def test_layout_uses_every_line_and_column(width, height, server_rows, target_rows, pane):
    for alone in (None, *PANELS):
        layout = arrange(width, height, servers=server_rows, targets=target_rows, pane=pane, alone=alone)
        assert HEADER_HEIGHT + layout.servers + layout.targets + layout.bottom + FOOTER_HEIGHT == height
        if layout.bottom:
            panes = layout.panes
            rows = [panes[:-1], panes[-1:]] if layout.stacked else [panes]
            for row in rows:
                assert sum(pane.width for pane in row) == width
                assert len({pane.height for pane in row}) == 1
            assert sum(row[0].height for row in rows) == layout.bottom
        assert alone is None or layout.visible == (alone,)


def test_small_and_large_terminals():
    small = arrange(80, 24, servers=3, targets=40, pane="events")
    assert small.visible == ("servers", "targets", "events")
    assert small.targets >= 10
    tall = arrange(120, 40, servers=1, targets=2, pane="events")
    assert tall.stacked
    assert [(pane.panel, pane.width) for pane in tall.panes] == [("arp", 120), ("events", 120)]
    assert [pane.panel for pane in arrange(120, 40, servers=1, targets=2, pane="node").panes] == [
        "node",
        "events",
    ]
    large = arrange(200, 60, servers=1, targets=2, pane="events")
    assert [(pane.panel, pane.width) for pane in large.panes] == [
        ("arp", 100),
        ("node", 100),
        ("events", 200),
    ]
    assert large.panes[0].height >= 20
    assert not arrange(120, 40, servers=3, targets=40, pane="events").stacked
    assert arrange(200, 60, servers=3, targets=40, pane="events").visible == PANELS


# -- rows of the other panels -----------------------------------------------------------------------------------


def test_arp_shows_conflicts_first_and_what_happened_last():
    state = busy_state()
    rows = arp.rows(state.arp, EVENTS[::-1])
    assert rows[0].state == "conflict"
    assert [row.id for row in rows[-2:]] == [5, 2]
    assert len({arp.SPEC.identity(row) for row in rows}) == len(rows)


def test_a_long_text_takes_the_empty_columns_before_it():
    view = View(arp.SPEC)
    view.take(arp.rows(make_state().arp[:1], EVENTS[::-1]))
    lines = [row.text for row in paint_table(view, 60, 6, active=False)]
    assert {cell_len(text) for text in lines} == {60}
    place = lines[2].index("02:00:00:00:01:01")
    assert lines[3][place:].startswith("ARP conflict: 02:00")
    assert lines[3][place - 2 : place] == "  "


def test_node_shows_every_drop_reason_and_why_a_datapath_was_not_taken():
    state = make_state()
    state.datapath = msgspec.structs.replace(
        state.datapath, dropped={"loop": 3, "no-server": 12}, ring_lost=4
    )
    text = "\n".join(f"{row.what}: {row.value}" for row in node.rows(state))
    for words in (
        "drop no-server: 12 in all",
        "drop loop: 3",
        "ring lost: 4",
        "not taken: xdp: the driver",
        "module tnat: idle",
    ):
        assert words in text
    assert len({row.id for row in node.rows(busy_state())}) == len(node.rows(busy_state()))


def test_a_message_that_names_its_subject_is_not_given_it_again():
    assert told_of("target 1", "target 1 down: no answer") == "target 1 down: no answer"
    assert told_of("target 1", "target 10 is up") == "target 1: target 10 is up"
    assert told_of("interface 1", "eth0 is down") == "interface 1: eth0 is down"
