"""Everything about one row: which facts are told, in which words, and what stands out."""

from __future__ import annotations

import pytest

from bngtui.render import details
from engine.api.messages import ArpState
from tests.helpers.console_states import make_event, make_server, make_target


def shown(lines):
    """The text of lines, each after what stands out in it."""
    marks = {"down": "!", "warning": "~", "unknown": "?", "up": "+"}
    return "\n".join(marks.get(row.spans[-1].role, " ") + row.text.rstrip() for row in lines).splitlines()


def text(block):
    return block.strip("\n").splitlines()


FAILING = make_target(
    7,
    [1],
    health="down",
    reason="connection refused",
    admin="draining",
    sessions=1_204,
    pps=0.3,
    bps=2_500.0,
    packets=1_500_000,
    bytes=12_345,
    last_change_s=7.9,
)
BARE = make_target(8, [1], mac=None, dsr=False, checks=[])
FAILED = make_event(
    5, subject="target 7", message="down: connection refused", severity="error", actor="root(0)"
)
OTHERS = make_event(4, subject="target 8")
ADDRESS = make_event(3, subject="172.17.2.107", message="resolved")


def test_a_failing_target():
    servers = [make_server(1, [7]), make_server(2, [3], backup=[7]), make_server(3, [9])]
    lines = details.target_lines(FAILING, servers, [FAILED, OTHERS, ADDRESS], [None, 0, 1, 4, 8, 10], 80)
    assert shown(lines) == text("""
!  state            ✖ down: its checks fail: no traffic
!  why              connection refused
   since            7 s ago
   admin            draining
!  health           down
   gets new flows   no
   address          172.17.2.107:80 tcp
   MAC              02:00:00:00:02:07
   mode             direct server return
   weight           1
\x20
   Traffic, client to target
   now              0.3 pkt/s, 2.50k bit/s
   sessions         1,204
   in all           1.50M packets, 12.3k bytes
   last readings     ·▁▄▇█  top 10
\x20
   Checks
   ping             up, asked 172.17.2.107, round trip 0.2 ms, last good answer 1
                    s ago
!  tcpopen 80       down, asked 172.17.2.107, last good answer 47 s ago,
!                   connection refused
   vip 80           up, asked 172.16.1.10, round trip 0.4 ms, last good answer 2
                    s ago
\x20
   Servers
!  1 www            ✖ down, 172.16.1.10:80 tcp, rr; this target is a primary
!  2 shop           ✖ down, 172.16.1.11:80 tcp, rr; this target is a backup
\x20
   Recent events (UTC)
!  ✖ 12:00:05       down: connection refused (root(0))
   · 12:00:03       resolved
""")


def test_a_target_of_which_little_is_known():
    assert shown(details.target_lines(BARE, [], [], [], 80)) == text("""
+  state            ● up: gets new flows
   since            3 h ago
   admin            enabled
+  health           up
   gets new flows   yes
   address          172.17.2.108:80 tcp
?  MAC              not resolved yet
   mode             not DSR: left out
   weight           1
\x20
   Traffic, client to target
   now              9.87k pkt/s, 79.0M bit/s
   sessions         804
   in all           987,648 packets, 790M bytes
\x20
   Checks
   none             the configuration asks for no check
\x20
   Servers
\x20
   Recent events (UTC)
   none             nothing since this console knows it
""")


def test_a_server():
    server = make_server(1, [7, 9], [FAILING], backup=[8], reason="no target")
    assert shown(details.server_lines(server, [FAILING, BARE], [OTHERS], [3.0], 80)) == text("""
!  state            ▼ critical: serves with less than half of its targets
!  why              no target
   admin            enabled
   address          172.16.1.10:80 tcp
   method           rr
\x20
   Traffic, clients to targets
   now              0.3 pkt/s, 2.50k bit/s
   sessions         1,204
   in all           1.50M packets, 12.3k bytes
   last readings    ▅  top 5
\x20
   Targets
!  7 web7           ✖ down, 172.17.2.107:80, 0.3 pkt/s, 1,204 sessions:
!                   connection refused
~  9                not in the running configuration
\x20
   Backups
+  8 web8           ● up, 172.17.2.108:80, 9.87k pkt/s, 804 sessions
\x20
   Recent events (UTC)
   none             nothing since this console knows it
""")


def test_a_server_without_backups_has_no_heading_for_them():
    lines = shown(details.server_lines(make_server(1, [8]), [BARE], [], [], 80))
    assert "   Targets" in lines
    assert "   Backups" not in lines


def test_events():
    assert shown(details.event_lines(FAILED, 80)) == text("""
!  severity         ✖ error: somebody should look
   time             2026-03-01T12:00:05Z
   kind             health
   subject          target 7
   by               root(0)
   number           5
\x20
!  message          down: connection refused
""")
    quiet = shown(details.event_lines(ADDRESS, 80))
    assert quiet[4] == "   by               the engine"
    assert quiet[-1] == "   message          resolved"


def arp_entry(**changes):
    fields = {"address": "172.16.1.10", "mac": None, "kind": "virtual", "owner": "server 1", "age_s": None}
    return ArpState(**fields | {"state": "answering"} | changes)


def test_an_arp_entry():
    about = make_event(2, subject="172.16.1.10", message="announced")
    owner = make_event(1, subject="server 1", message="enabled")
    assert shown(details.arp_lines(arp_entry(), [about, owner, OTHERS], 80)) == text("""
+  state            ● answering: this node answers for the address
   address          172.16.1.10
   MAC              unknown
   whose            server 1
   seen             never
\x20
   Recent events (UTC)
   · 12:00:02       announced
   · 12:00:01       enabled
""")
    assert details.arp_lines(about, [], 80) == details.event_lines(about, 80)


def test_a_conflict_says_what_to_do():
    lines = shown(
        details.arp_lines(arp_entry(state="conflict", mac="02:00:00:00:02:03", age_s=130.0), [], 80)
    )
    assert lines[2:5] == [
        "   MAC              02:00:00:00:02:03",
        "   whose            server 1",
        "   seen             2 min ago",
    ]
    assert lines[5].startswith(
        "~  what to do       on the host with that MAC set net.ipv4.conf.all.arp_ignore=1"
    )


@pytest.mark.parametrize(("width", "cells"), [(41, 0), (42, 10), (80, 48), (152, 120), (200, 120)])
def test_the_graph_has_the_newest_readings_that_fit_and_none_where_it_is_narrow(width, cells):
    history = [100.0] * 150 + [0.0] * 5
    drawn = [row for row in details.target_lines(BARE, [], [], history, width) if "last readings" in row.text]
    assert [len(row.spans[1].text) for row in drawn] == ([cells] if cells else [])
    assert all(row.spans[1].text.endswith("█·····") for row in drawn)


def test_the_graph_s_scale_is_that_of_the_readings_it_shows():
    lines = details.target_lines(BARE, [], [], [9000.0] + [4.0] * 48, 80)
    assert [row.spans[2].text for row in lines if "last readings" in row.text] == ["  top 5"]


@pytest.mark.parametrize("width", [20, 27, 40])
def test_a_long_value_goes_on_below_itself(width):
    pieces = details.fact("why", "aaaa bbbb cccc dddd eeee", width)
    assert all(row.text.startswith("  why " if not number else " " * 19) for number, row in enumerate(pieces))
    assert max(len(row.spans[1].text) for row in pieces) <= max(8, width - 19)
    assert len(pieces) == {20: 5, 27: 5, 40: 2}[width]


def test_only_the_latest_events_are_listed():
    events = [make_event(number, subject="target 8") for number in range(40, 0, -1)]
    lines = shown(details.target_lines(BARE, [], events, [], 80))
    assert [line.split()[1] for line in lines[-12:]] == [
        f"12:00:{number:02d}" for number in range(40, 28, -1)
    ]
    assert lines[-13] == "   Recent events (UTC)"
