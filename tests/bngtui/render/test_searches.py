"""What the filter finds in a row, by which value a column orders, and what stands for a row's checks."""

from __future__ import annotations

import pytest

from bngtui.render import arp, details, events, node, revision_list, servers, targets
from bngtui.render.complete import Offer, best_width, offers, paint_popup
from bngtui.render.header import Freshness, freshness_span
from bngtui.render.states import (
    BLOCKED,
    DEGRADED,
    STANDBY,
    UP,
    able,
    check_role,
    server_mark,
    target_mark,
    worst_check,
)
from bngtui.render.table import body_height, paint_table
from bngtui.render.text import Span
from bngtui.render.trial import Trial, differs_span, key_of, trial_spans
from bngtui.render.view import View
from engine.api.messages import CheckState, Pending, Revision
from tests.helpers.console_states import EVENTS, make_event, make_server, make_state, make_target


def found(spec, row, *words):
    text = spec.search(row).lower()
    return [word for word in words if word in text]


def test_a_target_is_found_by_what_is_known_of_it():
    target = make_target(3, [1, 2], reason="does not accept", mac="02:00:00:00:02:03")
    words = [
        "3",
        "web3",
        "172.17.2.103:80",
        "up",
        "02:00:00:00:02:03",
        "does not accept",
        "server 1",
        "server 2",
    ]
    assert found(targets.SPEC, targets.TargetRow(target), *words) == words
    bare = make_target(3, [], mac=None, reason=None)
    assert found(targets.SPEC, targets.TargetRow(bare), "none", "server") == []


def test_a_server_is_found_by_what_is_known_of_it():
    server = make_server(2, [1], reason="no target", protocol="udp", method="hash", operational=False)
    words = ["2", "shop", "172.16.1.11:80", "udp", "hash", "down", "no target"]
    assert found(servers.SPEC, servers.ServerRow(server, {}), *words) == words
    assert found(servers.SPEC, servers.ServerRow(make_server(2, [1]), {}), "none") == []


def test_an_event_is_found_by_what_is_known_of_it():
    event = make_event(1, actor="root", severity="warning")
    words = ["health", "warning", "target 1", "is up", "root"]
    assert found(events.SPEC, event, *words) == words
    assert found(events.SPEC, make_event(1), "none") == []


def test_other_rows_are_found_by_their_cells():
    state = make_state()
    assert found(arp.SPEC, state.arp[0], "answering", "172.16.1.10", "02:00", "server 1")[-1] == "server 1"
    assert found(node.SPEC, node.rows(state)[0], "datapath", "afpacket") == ["datapath", "afpacket"]
    one = Revision(
        number=7, time="", uid=0, user="maria", note="slow", language="toml", running=True, confirmed=True
    )
    assert found(revision_list.SPEC, one, "7", "maria", "slow") == ["7", "maria", "slow"]


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        ("state", [2, 3, 1]),
        ("number", [1, 2, 3]),
        ("name", [3, 1, 2]),
        ("address", [3, 1, 2]),
        ("pps", [2, 3, 1]),
        ("bps", [2, 3, 1]),
        ("sessions", [3, 2, 1]),
        ("packets", [1, 2, 3]),
        ("bytes", [1, 2, 3]),
        ("since", [3, 1, 2]),
    ],
)
def test_orders(order, numbers):
    one = make_target(1, [1], sessions=9, name="b", ipaddr="10.0.0.10", last_change_s=5.0)
    two = make_target(
        2, [1], sessions=5, name="c", ipaddr="10.0.0.10", port=81, last_change_s=6.0, health="down"
    )
    three = make_target(3, [1], sessions=1, name="a", ipaddr="10.0.0.9", last_change_s=4.0, pps=1.0, bps=1.0)
    three.admin = "draining"
    view = View(targets.SPEC, order=order)
    view.take([targets.TargetRow(target) for target in (three, one, two)])
    assert [row.target.number for row in view.rows] == numbers


def test_the_orders_of_the_other_panels():
    late, early = make_event(9, severity="error", subject="a", kind="z"), make_event(3, subject="b", kind="a")
    last = make_event(10, severity="error", subject="c", kind="b")
    for order, ids in (
        ("time", [3, 9, 10]),
        ("severity", [10, 9, 3]),
        ("kind", [3, 10, 9]),
        ("subject", [9, 3, 10]),
    ):
        view = View(events.SPEC, order=order)
        view.take([late, early, last])
        assert [row.id for row in view.rows] == ids
    by = {1: make_target(1, [1]), 2: make_target(2, [1], health="down")}
    rows = [
        servers.ServerRow(make_server(n, members), by) for n, members in ((1, [1, 1]), (2, [2]), (3, [1]))
    ]
    view = View(servers.SPEC, order="healthy")
    view.take(rows)
    assert [row.server.number for row in view.rows] == [2, 3, 1]


def test_titles_of_columns_go_round_in_both_directions():
    view = View(events.SPEC)
    assert [view.cycle_order(1) for _ in range(6)] == [
        "UTC",
        "Severity",
        "Kind",
        "Subject",
        "the engine's order",
        "UTC",
    ]
    assert view.reverse
    assert view.cycle_order(-1) == "the engine's order"
    assert not view.reverse
    assert view.cycle_order(-1) == "Subject"
    view.order = "a column that is gone"
    assert view.cycle_order(1) == "UTC"


def test_selecting_beyond_the_rows_takes_the_nearest():
    view = View(targets.SPEC)
    view.select(3)
    assert view.selected is None
    assert view.row is None
    view.take([targets.TargetRow(make_target(n, [1])) for n in (1, 2, 3)])
    for index, number in ((-1, 1), (3, 3), (99, 3), (1, 2)):
        view.select(index)
        assert view.row.target.number == number
    view.move(1)
    assert view.row.target.number == 3
    view.move(-1)
    assert view.row.target.number == 2


def test_the_window_moves_no_further_than_it_must():
    view = View(targets.SPEC)
    view.take([targets.TargetRow(make_target(n, [1])) for n in range(1, 11)])
    for index, top in ((2, 0), (3, 1), (9, 7), (8, 7), (7, 7), (6, 6), (0, 0)):
        view.select(index)
        view.scroll_to_selection(3)
        assert view.top == top
    view.top = 9
    view.take(view.rows[:2])
    view.scroll_to_selection(3)
    assert view.top == 0


def test_narrowed_and_found_again():
    view = View(targets.SPEC, needle="web1")
    assert view.narrowed()
    view.needle = ""
    assert not view.narrowed()
    view.faults_only = True
    assert view.narrowed()


def check(kind="ping", state="up", last_ok_s=1.0, rtt_ms=0.5):
    return CheckState(kind=kind, port=None, state=state, last_ok_s=last_ok_s, rtt_ms=rtt_ms, error=None)


def test_which_check_stands_for_all():
    def worst(*checks):
        return checks.index(worst_check(make_target(1, [1], checks=list(checks))))

    assert worst(check(state="up"), check(state="unknown"), check(state="down")) == 2
    assert worst(check(), check("tcpopen"), check("vip")) == 1
    assert worst(check(), check("vip")) == 1
    assert worst(check(last_ok_s=4.9), check("tcpopen", last_ok_s=1.0)) == 1
    assert worst(check(last_ok_s=5.0), check("tcpopen", last_ok_s=1.0)) == 0
    assert worst(check(last_ok_s=9.0), check(last_ok_s=None), check(last_ok_s=8.0)) == 1
    assert worst(check(last_ok_s=6.0), check(last_ok_s=7.0)) == 1


def test_the_words_of_a_check():
    assert targets.check_text(check()) == "ping 0.5 ms <5 s"
    assert targets.check_text(check(rtt_ms=None)) == "ping <5 s"
    assert targets.check_text(check(state="down")) == "ping <5 s"
    assert targets.check_text(check(state="down", last_ok_s=None)) == "ping never"
    assert targets.check_text(check(last_ok_s=5.0)) == "ping 0.5 ms 5 s"
    assert [check_role(check(state=state)) for state in ("up", "down", "unknown")] == [
        "up",
        "down",
        "unknown",
    ]
    assert [details.check_role_of(word) for word in ("up", "down", "unknown")] == ["up", "down", "unknown"]


def test_who_is_healthy_and_what_a_server_is_then():
    up, drained = make_target(1, [1]), make_target(2, [1], admin="draining")
    down = make_target(3, [1], health="down")
    by = {1: up, 2: drained, 3: down}
    assert able(make_server(1, [1, 2, 3, 99]), by) == {1}
    assert server_mark(make_server(1, [1, 99]), by) is UP
    assert server_mark(make_server(1, [1, 2]), by) is DEGRADED
    assert target_mark(make_target(1, [1], operational=False, backup_of=[1])) is STANDBY
    assert target_mark(make_target(1, [1, 2], operational=False, backup_of=[1])) is BLOCKED
    assert target_mark(make_target(1, [1], operational=False, backup_of=[])) is BLOCKED


def test_freshness_at_the_second():
    assert not Freshness(connection="up", age_s=2.99).stale
    assert Freshness(connection="up", age_s=3.0).stale
    assert Freshness(connection="up", age_s=None).stale
    assert Freshness(connection="down", age_s=0.0).stale
    assert freshness_span(Freshness(connection="up", age_s=0.0)).role == "up"
    assert freshness_span(Freshness(connection="up", age_s=9.0, held_s=9.0)).role == "warning"


def test_a_trial_counts_whole_seconds_and_turns_red_at_ten():
    pending = Pending(revision=7, reverts_to=6, seconds_left=41.2, actor="root(0)")
    assert [Trial.of(pending, s, may_answer=True).seconds_left for s in (0.1, 0.2, 0.3, 41.2, 50)] == [
        42,
        41,
        41,
        0,
        0,
    ]
    for seconds, role in ((11, "warning"), (10, "down"), (9, "down")):
        assert trial_spans(Trial(7, 6, seconds, "", may_answer=False))[1].role == role
    assert differs_span(["one"], may_save=False).text == "▲ one"
    assert differs_span(["one", "two"], may_save=True).text.endswith(f"; {key_of('save')} saves")


def test_rows_of_the_arp_panel():
    state = make_state()
    many = [make_event(n, kind="arp") for n in range(60, 0, -1)]
    rows = arp.rows(state.arp, [*many[:1], *EVENTS, *many[1:]])
    assert len([row for row in rows if not hasattr(row, "owner")]) == arp.EVENTS_SHOWN
    assert all(getattr(row, "kind", "") == "arp" for row in rows if not hasattr(row, "owner"))
    assert arp.SPEC.identity(state.arp[0]) != arp.SPEC.identity(state.arp[1])
    assert arp.SPEC.identity(many[0]) == ("event", "60")


def test_a_table_of_any_height_has_that_height():
    view = View(targets.SPEC)
    view.take([targets.TargetRow(make_target(n, [1])) for n in (1, 2)])
    for height in range(-1, 6):
        assert len(paint_table(view, 60, height, active=True)) == max(0, height)
    assert [body_height(view, height) for height in (0, 1, 2, 3, 4)] == [1, 1, 1, 1, 2]
    bare = View(node.SPEC)
    assert [body_height(bare, height) for height in (1, 2, 3, 4)] == [1, 1, 2, 3]


def test_the_other_panels_are_named_where_eight_cells_are_left():
    view = View(targets.SPEC)
    view.take([])
    tabs = [Span("tabs")]
    lines = {width: paint_table(view, width, 3, active=True, tabs=tabs)[0].text for width in range(15, 40)}
    first = min(width for width, text in lines.items() if "tabs" in text)
    assert first == len("▌2 Targets ") + len("tabs") + 8
    assert all("tabs" in text for width, text in lines.items() if width >= first)


def test_a_popup_is_as_wide_as_its_longest_line():
    short = [Offer("ab", "cd", "")]
    assert best_width(short, 80) == 20
    assert best_width([Offer("a" * 20, "b" * 10, "")], 80) == 36
    assert best_width([Offer("a", "", "h" * 30)], 80) == 38
    assert best_width([Offer("a", "", "h" * 30)], 25) == 25
    lines = paint_popup([Offer("w" * 30, "form", "help")], 0, 20, 3)
    assert lines[0].text.startswith("▸ wwwwwwwww…  form")


def test_the_last_offers_fill_the_popup():
    items = [Offer(f"word{n}", "", "") for n in range(8)]
    assert [row.text.split()[-1] for row in paint_popup(items, 7, 20, 5)[:4]] == [
        "word4",
        "word5",
        "word6",
        "word7",
    ]
    assert [row.text.split()[-1] for row in paint_popup(items, 4, 20, 5)[:4]] == [
        "word1",
        "word2",
        "word3",
        "word4",
    ]


def test_a_definition_in_the_last_line_is_offered_without_words():
    lines = ["enable target ", "target 3 {", " name x", "target 4 {"]
    found = offers(lines, 0, len(lines[0]), "balanceng").items
    assert [(one.word, one.help) for one in found] == [("3", "target 3: name x"), ("4", "target 4")]
