"""Which datapath runs where, when its tables are in force, and what the totals are."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from engine.datapath.contract import (
    SERVER_ROWS,
    TARGET_ROWS,
    Counters,
    Flow,
    Found,
    WorkerEvent,
)
from engine.domain.address import Address
from engine.forwarding.forwarding import PARKED
from tests.engine.forwarding.conftest import CONFIG, DECISIONS, link

CLIENT = "192.0.2.1"


def rows(length: int, at: int, value: int) -> np.ndarray:
    made = np.zeros(length, np.int64)
    made[at] = value
    return made


def counted(number: int, sessions: int = 0) -> Counters:
    return Counters(
        received=number,
        target_packets=rows(TARGET_ROWS, 1, number),
        target_sessions=rows(TARGET_ROWS, 1, sessions),
        server_sessions=rows(SERVER_ROWS, 1, sessions),
        swaps=number,
        swap_last_ns=number,
    )


# -- links --------------------------------------------------------------------------------------------------------------


def test_every_interface_with_a_network_gets_a_datapath_once(play):
    assert play.follow() == [
        ("info", "interface 1", "afpacket forwards on eth0"),
        ("info", "interface 2", "afpacket forwards on eth1"),
    ]
    assert [(d.ifname, d.mtu, d.workers, d.did) for d in play.factory.made] == [
        ("eth0", 1500, 2, ["start"]),
        ("eth1", 1500, 3, ["start"]),  # as many as the interface's threads
    ]
    assert play.follow() == []
    assert len(play.factory.made) == 2


def test_an_interface_that_is_not_there_waits_until_it_is(play):
    play.links(link(1))
    assert play.follow() == [("info", "interface 1", "afpacket forwards on eth0")]
    play.links(link(1), link(2))
    assert play.follow() == [("info", "interface 2", "afpacket forwards on eth1")]


def test_an_interface_that_goes_ends_its_datapath_and_coming_back_it_has_its_flows(play):
    play.follow()
    first = play.on("eth0")
    play.links(link(2))
    assert play.follow() == []
    assert first.did == ["start", "stop"]
    play.links(link(1), link(2))
    assert play.follow() == [("info", "interface 1", "afpacket forwards on eth0")]
    assert first.did == ["start", "stop", "restart 1500"]
    assert play.on("eth1").did == ["start"]


def test_another_card_under_the_same_name_is_taken_at_once(play):
    play.follow()
    first = play.on("eth0")
    play.links(replace(link(1, 9000), ifindex=99), link(2))
    assert play.follow() == [("info", "interface 1", "afpacket forwards on eth0")]
    assert first.did == ["start", "stop", "restart 9000"]
    assert play.follow() == []
    assert play.on("eth1").did == ["start"]


def test_another_mtu_starts_it_afresh(play):
    play.follow()
    play.links(link(1, 9000), link(2))
    assert play.follow() == [("info", "interface 1", "eth0 has an MTU of 9000 now")]
    assert play.on("eth0").did == ["start", "restart 9000"]
    assert play.on("eth1").did == ["start"]


def test_what_cannot_be_started_is_told_and_tried_again_and_others_are_not_held_up(play):
    play.factory.refuses = {"eth0": "no ring for eth0"}
    assert play.follow() == [
        ("error", "interface 1", "no ring for eth0"),
        ("info", "interface 2", "afpacket forwards on eth1"),
    ]
    assert play.on("eth0").did == ["close"]
    assert [d.ifname for d in play.forwarding.describe()] == ["eth1"]
    play.factory.refuses = {}
    assert play.follow() == [("info", "interface 1", "afpacket forwards on eth0")]


def test_a_restart_that_fails_is_told(play):
    play.follow()
    play.on("eth0").refuses = "too large"
    play.links(link(1, 9000), link(2))
    assert play.follow() == [("error", "interface 1", "too large")]


def test_an_interface_without_a_network_has_no_datapath(play):
    play.follow()
    play.configure(CONFIG.replace("register networks 1,2", "register networks 1"))
    assert play.follow() == []
    assert play.on("eth1").did == ["start", "stop"]
    assert [d.ifname for d in play.forwarding.describe()] == ["eth0"]


def test_taken_back_it_is_revived_with_its_flows(play):
    play.follow()
    parked = play.on("eth1")
    play.configure(CONFIG.replace("register networks 1,2", "register networks 1"))
    play.follow()
    play.configure(CONFIG)
    assert play.follow() == [("info", "interface 2", "afpacket forwards on eth1")]
    assert parked.did == ["start", "stop", "restart 1500"]
    assert play.on("eth1") is parked
    assert len(play.factory.made) == 2
    play.on("eth1").did.clear()
    play.forwarding.stop()
    assert parked.did == ["stop"]


def test_with_another_number_of_workers_it_begins_anew(play):
    play.follow()
    parked = play.on("eth1")
    play.configure(CONFIG.replace("register networks 1,2", "register networks 1"))
    play.follow()
    play.configure(CONFIG.replace("threads 3", "threads 4"))
    play.follow()
    assert play.on("eth1") is not parked
    assert play.on("eth1").workers == 4
    assert parked.did == ["start", "stop"]


def test_a_parked_one_that_does_not_start_stays_parked(play):
    play.follow()
    parked = play.on("eth1")
    play.configure(CONFIG.replace("register networks 1,2", "register networks 1"))
    play.follow()
    parked.refuses = "not now"
    play.configure(CONFIG)
    assert play.follow() == [("error", "interface 2", "not now")]
    parked.refuses = ""
    assert play.follow() == [("info", "interface 2", "afpacket forwards on eth1")]
    assert play.on("eth1") is parked


def test_another_name_is_another_interface(play):
    play.follow()
    play.configure(CONFIG.replace("name eth0", "name eth7"))
    play.links(link(2))
    assert play.follow() == []
    assert play.on("eth0").did == ["start", "stop"]
    renamed = link(1)
    renamed.name = "eth7"
    play.links(renamed, link(2))
    assert play.follow() == [("info", "interface 1", "afpacket forwards on eth7")]


def rename(play, to: str) -> None:
    play.configure(CONFIG.replace("name eth0", f"name {to}"))
    renamed = link(1)
    renamed.name = to
    play.links(renamed, link(2))
    play.follow()


def test_only_some_are_parked_and_the_oldest_is_forgotten(play):
    play.follow()
    names = [f"x{n}" for n in range(PARKED + 1)]
    for name in names:
        rename(play, name)
    # eth0 and the first PARKED names were ended: one more than is kept.
    assert play.on("eth0").did == ["start", "stop", "close"]
    assert all(play.on(name).did == ["start", "stop"] for name in names[:-1])
    assert play.on(names[-1]).did == ["start"]


def test_of_one_interface_only_the_last_is_parked(play):
    play.follow()
    first = play.on("eth1")
    play.configure(CONFIG.replace("register networks 1,2", "register networks 1"))
    play.follow()
    play.configure(CONFIG.replace("threads 3", "threads 4"))
    play.follow()
    play.configure(CONFIG.replace("register networks 1,2", "register networks 1"))
    play.follow()
    assert first.did == ["start", "stop", "close"]
    assert play.on("eth1").did == ["start", "stop"]


def test_the_end_stops_all(play):
    play.follow()
    play.forwarding.stop()
    assert [d.did for d in play.factory.made] == [["start", "stop"], ["start", "stop"]]
    assert play.forwarding.describe() == []


def test_watching_tells_what_workers_tell_and_whether_the_interface_is_there(play):
    play.follow()
    play.on("eth1").tells = [WorkerEvent("warning", "no sign of life")]
    play.links(link(2))
    notices = play.forwarding.watch(7.0)
    assert [(n.kind, n.severity, n.subject, n.message) for n in notices] == [
        ("datapath", "warning", "interface 2", "no sign of life")
    ]
    assert play.on("eth0").asked == [(7.0, False)]
    assert play.on("eth1").asked == [(7.0, True)]


# -- tables in force ----------------------------------------------------------------------------------------------------


def test_settled_is_when_every_datapath_uses_the_table_of_these_decisions(play):
    play.follow()
    assert not play.forwarding.settled(DECISIONS)
    play.forwarding.compile(DECISIONS)
    assert play.forwarding.generation == 1
    assert not play.forwarding.settled(DECISIONS)
    play.on("eth0").in_force = 1
    assert not play.forwarding.settled(DECISIONS)
    play.on("eth1").in_force = 1
    assert play.forwarding.settled(DECISIONS)
    assert not play.forwarding.settled({1: DECISIONS[1]})
    play.forwarding.compile(DECISIONS)
    assert play.forwarding.generation == 2
    assert not play.forwarding.settled(DECISIONS)
    play.on("eth0").in_force = play.on("eth1").in_force = 3  # later is in force as well
    assert play.forwarding.settled(DECISIONS)


def test_what_is_left_of_the_time_is_what_is_waited(play, monkeypatch):
    play.follow()
    play.forwarding.compile(DECISIONS)
    waited = []

    async def wait(_generation, timeout_s):
        waited.append(timeout_s)
        return True

    monkeypatch.setattr(play.on("eth0"), "wait_in_force", wait)
    monkeypatch.setattr(play.on("eth1"), "wait_in_force", wait)
    assert asyncio.run(play.forwarding.wait_in_force(60))
    assert all(50 < timeout_s <= 60 for timeout_s in waited)
    assert len(waited) == 2


def test_a_table_is_in_force_when_every_datapath_that_runs_uses_it(play):
    play.follow()
    play.forwarding.compile(DECISIONS)
    play.on("eth0").in_force = 1
    assert not asyncio.run(play.forwarding.wait_in_force(0))
    play.on("eth1").in_force = 1
    assert asyncio.run(play.forwarding.wait_in_force(0))
    play.forwarding.compile(DECISIONS)
    for name in ("eth0", "eth1"):
        play.on(name).workers = 0  # nobody there to wait for
    assert asyncio.run(play.forwarding.wait_in_force(0))


def test_generations_go_on_where_an_interface_comes_back(play):
    play.follow()
    play.forwarding.compile(DECISIONS)
    play.configure(CONFIG.replace("register networks 1,2", "register networks 1"))
    play.follow()
    play.configure(CONFIG)
    play.follow()
    play.forwarding.compile(DECISIONS)
    assert [t.generation for t in play.on("eth1").tables] == [1, 2]


# -- counters and flows -------------------------------------------------------------------------------------------------


def test_totals_are_of_live_parked_and_forgotten_datapaths_and_sessions_of_live_ones(play):
    play.follow()
    play.on("eth1").counted = counted(1, sessions=5)
    play.on("eth0").counted = counted(10, sessions=50)
    total = play.forwarding.counters()
    assert (total.received, total.target_packets[1], total.target_sessions[1]) == (11, 11, 55)
    assert (total.swaps, total.swap_last_ns, total.server_sessions[1]) == (10, 10, 55)
    for n in range(PARKED + 2):
        rename(play, f"x{n}")
        play.on(f"x{n}").counted = counted(100, sessions=3)
    total = play.forwarding.counters()
    everything = 11 + 100 * (PARKED + 2)
    assert (total.received, total.target_packets[1]) == (everything, everything)
    assert (total.target_sessions[1], total.server_sessions[1]) == (8, 8)
    assert total.swaps == 100


def test_without_a_datapath_all_is_zero(play):
    total = play.forwarding.counters()
    assert total.received == total.target_sessions.sum() == total.swaps == 0
    assert play.forwarding.pairs() == {}


def flow(target: int) -> Flow:
    return Flow(1, target, Address.parse(CLIENT), None, 3, False)


def test_flows_are_those_of_all_interfaces_up_to_the_limit(play):
    play.follow()
    play.on("eth0").known = [flow(1), flow(2)]
    play.on("eth1").known = [flow(3)]
    assert [f.target for f in play.forwarding.flows(10, None, None)] == [1, 2, 3]
    assert [f.target for f in play.forwarding.flows(2, None, None)] == [1, 2]
    play.on("eth0").asked.clear()
    play.forwarding.flows(10, 1, 2, CLIENT)
    assert play.on("eth0").asked == [(10, 1, 2, Address.parse(CLIENT))]
    with pytest.raises(ValueError, match="nobody"):
        play.forwarding.flows(10, None, None, "nobody")


def test_pairs_are_summed(play):
    play.follow()
    play.on("eth0").known = [flow(1), flow(2)]
    play.on("eth1").known = [flow(1)]
    assert play.forwarding.pairs() == {(1, 1): 2, (1, 2): 1}


def test_a_flow_is_found_where_its_server_is(play):
    play.follow()
    server = play.view.servers[2]
    assert play.forwarding.find(CLIENT, 999, server, 53) is None
    found = Found(0, 2, 3, known=True, idle_s=1)
    play.on("eth1").found = found
    assert play.forwarding.find(CLIENT, 999, server, 53) == found
    question = (Address.parse(CLIENT), 999, Address.parse("172.16.2.10"), 53, 17)
    assert play.on("eth0").asked == [question, question]
    assert play.on("eth1").asked == [question, question]
    play.on("eth0").found = Found(0, 1, 1, known=False, idle_s=None)
    assert play.forwarding.find(CLIENT, 999, server, 53).server == 1  # the first that knows it
