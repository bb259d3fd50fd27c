"""Who gets new flows, who keeps the known ones, and what is said about it."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.model import MODULES, Interface, Network
from engine.domain.checks import CheckSettings
from engine.domain.drain import Drain
from engine.domain.frame import Link
from engine.modules.state.world import CheckResult, Neighbour


def decision(play, number=1):
    return play.chain.slb.eligibility(play.now)[number]


def status(play, number=1):
    return play.chain.slb.targets(play.now)[number]


def why(found):
    """The reason of a decision or a status, as operators read it."""
    return None if found.reason is None else str(found.reason)


def told(play, kind="health"):
    return [(n.severity, n.subject, n.message) for n in play.notices if n.kind == kind]


def test_the_seed_comes_up_and_says_so(kit, play):
    assert (decision(play).new, decision(play).keep) == ((), ())
    assert why(status(play)) == "no MAC: 172.16.1.100 does not answer ARP"
    assert not status(play).operational
    play.live(2)
    assert (decision(play).new, decision(play).keep, why(decision(play))) == ((1, 2), (1, 2), None)
    assert [(s.health, s.operational, why(s)) for s in play.chain.slb.targets(play.now).values()] == [
        ("up", True, None),
        ("up", True, None),
    ]
    assert told(play) == [("info", "target 1", "target 1 up"), ("info", "target 2", "target 2 up")]
    assert not play.world.alarms


def test_nothing_changes_nothing_is_compiled(kit, play):
    play.up()
    play.live(10)
    assert play.recompiles == 0
    assert play.notices == []


def test_a_refused_target_goes_with_its_reason_and_its_sessions_are_counted(kit, play):
    play.up()
    play.world.target_sessions[1] = 37
    play.no_service.add("172.16.1.100")
    play.live(4)
    assert (decision(play).new, decision(play).keep) == ((2,), (2,))
    ((severity, subject, message),) = told(play)  # whichever of the two checks came first
    assert (severity, subject) == ("error", "target 1")
    assert message in {
        "target 1 down: connection refused on 172.16.1.100:80; 37 sessions move",
        "target 1 down: refuses 172.16.1.10:80 (server 1); 37 sessions move",
    }
    assert (status(play).health, why(status(play))) == ("down", "connection refused on 172.16.1.100:80")
    assert play.recompiles == 1
    assert play.world.alarms["slb", "target 1"].severity == "warning"
    play.forget()
    play.no_service.clear()
    play.live(4)
    assert decision(play).new == (1, 2)
    assert told(play) == [("info", "target 1", "target 1 up")]
    assert not play.world.alarms


def test_a_missing_alias_is_the_reason_in_the_words_of_the_contract(kit):
    play = kit.make(no_alias={("172.16.1.100", kit.VIP)})
    play.live(5)
    assert status(play).health == "down"
    assert why(status(play)) == "does not accept 172.16.1.10 (server 1)"
    assert decision(play).new == (2,)


def test_an_alias_missing_for_one_server_is_out_of_that_server_only(kit):
    servers = [kit.server(1), kit.server(2, ipaddr="172.16.1.11")]
    play = kit.make(kit.seed(servers=servers))
    play.up()
    play.no_alias.add(("172.16.1.100", "172.16.1.11"))
    play.live(13)
    assert (decision(play, 1).new, decision(play, 2).new, decision(play, 2).keep) == ((1, 2), (2,), (2,))
    found = status(play)
    assert (found.health, found.operational) == ("up", True)
    assert why(found) == "out of server 2: does not accept 172.16.1.11"
    assert told(play) == [("warning", "target 1", "target 1 out of server 2: does not accept 172.16.1.11")]
    play.forget()
    play.no_alias.add(("172.16.1.100", kit.VIP))
    play.live(13)
    assert (status(play).health, status(play).operational) == ("down", False)
    assert "172.16.1.10 (server 1)" in why(status(play))
    play.no_alias.clear()
    play.live(7)
    assert decision(play, 2).new == (1, 2)


def test_a_target_back_in_a_server_is_told(kit):
    play = kit.make(kit.seed(servers=[kit.server(1), kit.server(2, ipaddr="172.16.1.11")]))
    play.up()
    play.no_alias.add(("172.16.1.100", "172.16.1.11"))
    play.live(13)
    play.forget()
    play.no_alias.clear()
    play.live(7)
    assert told(play) == [("info", "target 1", "target 1 back in server 2")]


def test_disabled_is_gone_at_once_and_drained_keeps_its_flows(kit, play):
    play.up()
    play.world.target_sessions[1] = 5
    play.world.target_admin[1] = "draining"
    assert play.tick().recompile
    assert (decision(play).new, decision(play).keep) == ((2,), (1, 2))
    assert (status(play).health, status(play).operational, why(status(play))) == ("up", False, "draining")
    play.world.target_admin[1] = "disabled"
    assert play.tick().recompile
    assert (decision(play).new, decision(play).keep) == ((2,), (2,))
    assert (status(play).health, why(status(play))) == ("up", "disabled")
    play.world.target_admin[1] = "enabled"
    assert play.tick().recompile
    assert decision(play).new == (1, 2)
    assert [m for _, _, m in told(play, "admin")] == [
        "target 1 draining: 5 sessions stay until they end",
        "target 1 disabled; 5 sessions move",
        "target 1 enabled",
    ]
    assert told(play) == []


def drain(play, within_s):
    play.world.target_admin[1] = "draining"
    play.world.drains[1] = Drain(since=0.0, by="root", within_s=within_s)
    play.world.drain_ends[1] = play.now + within_s


def test_a_drain_that_has_an_end_keeps_its_flows_until_then(kit, play):
    play.up()
    play.world.target_sessions[1] = 2
    drain(play, 30)
    play.live(29)
    assert (decision(play).new, decision(play).keep) == ((2,), (1, 2))
    assert told(play, "admin") == [
        ("info", "target 1", "target 1 draining: 2 sessions stay until they end, 30 s at most")
    ]
    play.notices.clear()
    play.recompiles = 0
    play.live(2)
    assert (decision(play).new, decision(play).keep) == ((2,), (2,))
    assert told(play, "admin") == [("info", "target 1", "target 1 has drained for 30 s; 2 sessions move")]
    assert play.recompiles == 1
    assert (status(play).health, why(status(play))) == (
        "up",
        "drained: its time is over, so its flows have ended",
    )
    play.notices.clear()
    play.live(20)
    assert told(play, "admin") == []  # it is told once


def test_the_end_of_a_drain_is_waited_for(kit, play):
    play.up()
    drain(play, 30)
    play.live(0.1)
    assert play.chain.slb.next_due(play.now) == play.world.drain_ends[1]


def test_another_end_of_a_drain_is_told(kit, play):
    play.up()
    drain(play, 30)
    play.live(1)
    drain(play, 60)
    play.live(1)
    assert [message for _, _, message in told(play, "admin")] == [
        "target 1 draining within 30 s",
        "target 1 draining within 60 s",
    ]


def test_a_drain_that_ended_before_the_start_is_shown_and_not_told(kit, play):
    drain(play, -1)
    play.live(3)
    assert told(play, "admin") == []
    assert why(status(play)) == "drained: its time is over, so its flows have ended"


def test_a_drained_target_that_fails_keeps_nothing(kit, play):
    play.up()
    play.world.target_admin[1] = "draining"
    play.no_service.add("172.16.1.100")
    play.live(4)
    assert decision(play).keep == (2,)


def test_the_file_may_leave_a_target_disabled_and_the_operator_may_enable_it(kit):
    play = kit.make(kit.seed(targets=[kit.target(1, enabled=False), kit.target(2)]))
    play.live(2)
    assert decision(play).new == (2,)
    play.world.target_admin[1] = "enabled"
    play.tick()
    assert decision(play).new == (1, 2)


def test_a_disabled_server_serves_nobody_and_raises_no_alarm(kit, play):
    play.up()
    play.world.server_admin[1] = "disabled"
    assert play.tick().recompile
    assert (decision(play).new, decision(play).keep, why(decision(play))) == ((), (1, 2), "disabled")
    assert why(status(play)) == "server 1 is disabled"
    assert told(play, "admin") == [("info", "server 1", "server 1 disabled")]
    assert not play.world.alarms
    play.world.server_admin[1] = "enabled"
    play.live(1)
    assert decision(play).new == (1, 2)


def backed_up(kit, **fields):
    targets = [kit.target(n, **fields) for n in (1, 2, 3)]
    return kit.seed(targets=targets, servers=[kit.server(targets=[1, 2], backup=[3])])


@pytest.fixture
def three(kit):
    play = kit.make(backed_up(kit))
    play.hosts["172.16.1.102"] = "02:00:00:00:01:02"
    play.up()
    return play


def test_backups_serve_only_when_all_primaries_are_down_and_keep_their_flows_after(kit, three):
    assert (decision(three).new, decision(three).keep) == ((1, 2), (1, 2, 3))
    assert (status(three, 3).operational, why(status(three, 3))) == (
        False,
        "stands by as backup of server 1",
    )
    three.no_service.add("172.16.1.100")
    three.live(4)
    assert decision(three).new == (2,)
    three.no_service.add("172.16.1.101")
    three.live(4)
    assert (decision(three).new, decision(three).keep) == ((3,), (3,))
    assert status(three, 3).operational
    assert ("warning", "server 1", "server 1: all primaries are down, backup targets 3 serve") in told(three)
    three.no_service.clear()
    three.live(4)
    assert (decision(three).new, decision(three).keep) == ((1, 2), (1, 2, 3))
    assert [m for _, _, m in told(three) if m.startswith("server 1 is served by targets ")]


def test_primaries_that_were_taken_out_by_hand_count_as_down(kit, three):
    three.world.target_admin.update({1: "disabled", 2: "draining"})
    three.tick()
    assert (decision(three).new, decision(three).keep) == ((3,), (2, 3))


def test_full_primaries_are_not_down(kit):
    play = kit.make(backed_up(kit, maxsessions=10))
    play.hosts["172.16.1.102"] = "02:00:00:00:01:02"
    play.up()
    play.world.target_sessions.update({1: 10, 2: 11})
    assert play.tick().recompile
    assert (decision(play).new, decision(play).keep) == ((), (1, 2, 3))
    assert decision(play).among == (1, 2)  # the datapath knows when there is room again
    assert why(decision(play)) == "every target that is up has reached its maxsessions"


def test_a_server_that_is_enabled_again_serves_at_once(kit, play):
    play.up()
    play.world.server_admin[1] = "disabled"
    play.live(20)
    play.world.server_admin[1] = "enabled"
    assert play.tick().recompile
    assert decision(play).new == (1, 2)


def test_the_checks_of_a_disabled_server_take_no_target_down(kit):
    other = kit.server(2, ipaddr="172.16.1.11", targets=[1])
    other.enabled = False
    play = kit.make(kit.seed(servers=[kit.server(1), other]))
    play.up()
    for key in [k for k in play.world.checks if str(k.address) == "172.16.1.11"]:
        play.world.checks[key] = CheckResult(state="down", error="does not accept 172.16.1.11")
    play.world.target_admin[2] = "draining"  # decide again
    play.tick()
    assert (status(play).health, status(play).operational, status(play).reason) == ("up", True, None)
    assert decision(play, 2).keep == ()
    assert not play.world.alarms


def test_maxsessions_lets_go_only_well_below_the_limit(kit):
    play = kit.make(kit.seed(targets=[kit.target(1, maxsessions=100), kit.target(2)]))
    play.up()
    found = []
    for count in (99, 100, 99, 95, 90, 89, 99, 100):
        play.world.target_sessions[1] = count
        play.tick()
        found.append(1 in decision(play).new)
    assert found == [True, False, False, False, False, True, True, False]
    assert why(status(play)) == "maxsessions reached"
    assert decision(play).keep == (1, 2)
    assert [m for _, _, m in told(play)] == [
        "target 1 has 100 sessions, its maxsessions: it gets no new ones",
        "target 1 takes new sessions again",
        "target 1 has 100 sessions, its maxsessions: it gets no new ones",
    ]


def test_when_nobody_serves_it_is_an_error_and_the_sessions_have_nowhere_to_go(kit, play):
    play.up()
    play.world.target_sessions.update({1: 1, 2: 2})
    play.no_service.update(play.hosts)
    play.live(4)
    assert decision(play).new == ()
    assert "target 1: connection refused on 172.16.1.100:80" in why(decision(play))
    errors = [m for severity, subject, m in told(play) if subject == "server 1"]
    assert len(errors) == 1
    assert errors[0].startswith("server 1 serves nobody: target 1: ")
    assert any("nowhere to go" in m for _, _, m in told(play))
    assert play.world.alarms["slb", "server 1"].severity == "error"
    play.no_service.clear()
    play.live(4)
    assert not play.world.alarms


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dsr": False}, "address translation is not built yet: dsr enable is missing"),
        ({"registered": False}, "not registered"),
        ({"ipaddr": "10.1.2.3"}, "no enabled network has 10.1.2.3"),
        ({"ipaddr": "2001:db8::1"}, "2001:db8::1: only IPv4 targets are built yet"),
        ({"ipaddr": None}, "no address: only IPv4 targets are built yet"),
    ],
)
def test_why_a_target_is_left_out(kit, change, reason):
    play = kit.make(kit.seed(targets=[kit.target(1, **change), kit.target(2)]))
    play.live(3)
    assert decision(play).new == decision(play).keep == (2,)
    assert why(status(play)) == reason
    assert not status(play).operational


@pytest.mark.parametrize(
    ("ping", "tcpopen", "health", "reason"),
    [
        ("up", "down", "down", "refused"),
        ("down", "unknown", "down", "refused"),
        ("unknown", "down", "down", "refused"),
        ("unknown", "up", "unknown", "waiting for the first answer of ping 172.16.1.100"),
        ("up", "unknown", "unknown", "waiting for the first answer of tcpopen 172.16.1.100:80"),
    ],
)
def test_of_several_checks_the_worst_counts(kit, ping, tcpopen, health, reason):
    checks = {"ping": CheckSettings(None, 3, 10), "tcpopen": CheckSettings(80, 3, 10)}
    play = kit.make(kit.seed(targets=[kit.target(1, checks=checks), kit.target(2)]))
    play.up()
    for key, check in play.world.checks.items():
        if key.target == 1 and key.kind != "vip":
            check.state, check.error = {"ping": ping, "tcpopen": tcpopen}[key.kind], "refused"
    play.chain.slb.facts_changed(play.now)
    assert decision(play).new == (2,)
    assert (status(play).health, why(status(play))) == (health, reason)


def test_a_network_without_real_cannot_check_its_targets(kit):
    config = kit.seed()
    config.networks[0].real = None
    play = kit.make(config)
    play.live(4)
    assert why(status(play)) == "network 1 has no real address to ask 172.16.1.100 from"


def test_without_hc_in_the_modules_line_targets_are_not_checked(kit):
    play = kit.make(kit.seed(modules=[m for m in MODULES if m != "hc"]))
    assert not play.chain.first_round_done  # nobody's MAC is known yet
    play.live(2)
    assert decision(play).new == (1, 2)
    assert play.chain.first_round_done
    assert (status(play).health, status(play).operational) == ("unknown", True)
    assert why(status(play)) == "not checked: the modules line has no hc"
    assert not play.world.checks
    assert not play.world.alarms


def test_without_hc_a_target_without_a_mac_is_waited_for_no_longer_than_arp_asks(kit):
    play = kit.make(kit.seed(modules=[m for m in MODULES if m != "hc"]), hosts={})
    play.live(2)
    assert not play.said("serves nobody")
    play.live(4)
    assert play.chain.first_round_done
    assert play.said("server 1 serves nobody")
    assert ("slb", "server 1") in play.world.alarms


def test_when_hc_goes_from_the_modules_line_what_it_knew_goes_too(kit, play):
    play.up()
    play.no_service = {"172.16.1.100", "172.16.1.101"}
    play.live(10)
    assert decision(play).new == ()
    play.chain.reconfigure(kit.seed(modules=[m for m in MODULES if m != "hc"]))
    play.live(1)
    assert decision(play).new == (1, 2)
    assert not play.world.checks
    assert not [key for key in play.world.alarms if key[0] == "slb"]
    play.chain.reconfigure(kit.seed())
    play.live(4)
    assert decision(play).new == ()
    assert status(play).health == "down"


def test_a_target_that_no_server_uses_and_one_that_does_not_exist(kit):
    play = kit.make(kit.seed(servers=[kit.server(targets=[2, 77])]))
    play.live(2)
    assert decision(play).new == (2,)
    assert (status(play).health, why(status(play))) == ("up", "no server uses it")


def test_last_change_is_when_it_changed(kit, play):
    play.up()
    before = status(play).last_change
    assert before < play.now - 1
    play.live(5)
    assert status(play).last_change == before
    play.world.target_admin[1] = "disabled"
    play.tick()
    assert status(play).last_change == play.now
    assert status(play, 2).last_change == before


def test_a_changed_configuration_is_compiled_even_if_nobody_comes_or_goes(kit, play):
    play.up()
    play.chain.reconfigure(kit.seed(targets=[kit.target(1, weight=5), kit.target(2)]))
    assert play.tick().recompile


def test_a_mesh_of_many_pairs_is_not_decided_on_at_every_tick_but_the_operator_never_waits(kit):
    targets = [kit.target(n, ipaddr=f"172.16.1.{n + 99}") for n in range(1, 101)]
    servers = [kit.server(n, ipaddr=f"172.16.2.{n}", targets=list(range(1, 101))) for n in range(1, 201)]
    play = kit.make(kit.seed(targets=targets, servers=servers))
    play.tick()
    first = play.chain.slb.targets(play.now)
    play.chain.slb.facts_changed(play.now)
    play.tick(0.2)
    assert play.chain.slb.targets(play.now) is first
    play.world.target_admin[1] = "disabled"
    play.tick()
    second = play.chain.slb.targets(play.now)
    assert why(second[1]) == "disabled"
    play.chain.slb.facts_changed(play.now)
    play.tick(0.6)
    assert play.chain.slb.targets(play.now) is not second


STATES = st.sampled_from(["up", "down", "unknown"])
ADMIN = st.sampled_from(["enabled", "disabled", "draining"])


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_whatever_the_states_only_the_fit_get_flows(kit, data):
    targets = [kit.target(n, maxsessions=10) for n in range(1, 6)]
    play = kit.make(kit.seed(targets=targets, servers=[kit.server(targets=[1, 2, 3], backup=[4, 5])]))
    world = play.world
    for address in list(world.neighbours) or [kit.ip(t.ipaddr) for t in targets]:
        world.neighbours.setdefault(address, type("N", (), {"mac": b"\x02" * 6, "asked": 0})())
    for key in list(world.checks):
        world.checks[key] = CheckResult(state=data.draw(STATES))
    for number in range(1, 6):
        world.target_admin[number] = data.draw(ADMIN)
        world.target_sessions[number] = data.draw(st.sampled_from([0, 10]))
    made = decision(play)

    def healthy(n):
        return all(c.state == "up" for k, c in world.checks.items() if k.target == n)

    takes = {n for n in range(1, 6) if healthy(n) and world.target_admin[n] == "enabled"}
    free = {n for n in takes if world.target_sessions[n] < 10}
    assert set(made.keep) == {n for n in range(1, 6) if healthy(n) and world.target_admin[n] != "disabled"}
    assert set(made.new) == (free & {1, 2, 3} if takes & {1, 2, 3} else free & {4, 5})
    assert (why(made) is None) == bool(made.new)
    for number in range(1, 6):
        found = status(play, number)
        assert found.operational == (number in made.new)
        assert found.operational or why(found)


# -- when it decides --------------------------------------------------------------------------------------------------


def flip(play, number=1, state="down"):
    """Let every check of a target be down, or up, without anybody having told slb."""
    for key, check in play.world.checks.items():
        if key.target == number:
            check.state, check.error = state, "refused"


def test_a_change_of_facts_is_decided_on_in_the_same_call_and_told_once(kit, play):
    play.up()
    flip(play)
    assert decision(play).new == (1, 2)  # nobody has said that something changed
    outcome = play.take(play.chain.slb.facts_changed(play.now))
    assert outcome.recompile
    assert decision(play).new == (2,)
    assert play.take(play.chain.slb.tick(play.now)).notices == []
    assert play.chain.slb.next_due(play.now) == math.inf


def test_in_the_first_round_answers_are_gathered_for_a_tenth_of_a_second(kit, play):
    play.tick()
    begun = play.now
    play.world.neighbours = {kit.ip(t.ipaddr): Neighbour(mac=b"\x02" * 6) for t in play.world.config.targets}
    flip(play, 1, "up")
    play.now += 0.099
    assert not play.chain.slb.facts_changed(play.now).recompile
    assert play.chain.slb.next_due(play.now) == pytest.approx(begun + 0.1)
    play.now = begun + 0.1001
    assert play.chain.slb.tick(play.now).recompile
    assert decision(play).new == (1,)
    flip(play, 2, "up")
    play.world.untried.clear()  # everybody has had a first say: from now on nothing waits
    assert play.chain.slb.facts_changed(play.now + 0.01).recompile
    assert decision(play).new == (1, 2)


def test_a_decision_that_waits_is_due_when_its_pause_is_over(kit):
    targets = [kit.target(n, ipaddr=f"172.16.1.{n + 99}") for n in range(1, 101)]
    servers = [kit.server(n, ipaddr=f"172.16.2.{n}", targets=list(range(1, 101))) for n in range(1, 101)]
    play = kit.make(kit.seed(targets=targets, servers=servers))
    play.tick()
    play.world.untried.clear()
    assert play.chain.slb.next_due(play.now) == math.inf
    first = play.chain.slb.targets(play.now)
    play.chain.slb.facts_changed(play.now + 0.1)
    assert play.chain.slb.targets(play.now + 0.1) is first
    assert play.chain.slb.next_due(play.now + 0.1) == pytest.approx(
        play.now + 0.2
    )  # 10,000 pairs, 20 µs each
    assert play.chain.slb.targets(play.now + 0.1999) is first
    assert play.chain.slb.targets(play.now + 0.2001) is not first
    assert play.chain.slb.next_due(play.now + 0.2001) == play.now + 0.2001  # to be told


def test_sessions_are_counted_in_the_words_of_their_number(kit, play):
    play.up()
    play.world.target_sessions[1] = 1
    play.world.target_admin[1] = "draining"
    play.tick()
    play.world.target_admin[1] = "disabled"
    play.tick()
    assert [m for _, _, m in told(play, "admin")] == [
        "target 1 draining: 1 session stays until it ends",
        "target 1 disabled; 1 session moves",
    ]


def test_a_disabled_target_that_fails_is_no_error_and_no_alarm(kit, play):
    play.up()
    play.world.target_sessions[1] = 5
    play.world.target_admin[1] = "disabled"
    play.tick()
    play.forget()
    flip(play)
    play.now += 0.01
    play.take(play.chain.slb.facts_changed(play.now))
    assert told(play) == [("info", "target 1", "target 1 down: refused")]
    assert not play.world.alarms


def test_the_note_counts_who_is_served_and_who_serves(kit, play):
    assert play.chain.slb.note() == "0 of 0 servers have targets, 0 of 0 targets operational"
    play.up()
    assert play.chain.slb.note() == "1 of 1 servers have targets, 2 of 2 targets operational"
    flip(play)
    play.chain.slb.facts_changed(play.now)
    assert play.chain.slb.note() == "1 of 1 servers have targets, 1 of 2 targets operational"


def test_backups_that_are_full_do_not_serve_and_it_is_said_why(kit):
    play = kit.make(backed_up(kit, maxsessions=10))
    play.hosts["172.16.1.102"] = "02:00:00:00:01:02"
    play.up()
    play.world.target_admin.update({1: "disabled", 2: "disabled"})
    play.world.target_sessions[3] = 10
    play.tick()
    assert (decision(play).new, decision(play).among, decision(play).keep) == ((), (3,), (3,))
    assert why(decision(play)) == "every target that is up has reached its maxsessions"
    assert why(status(play, 3)) == "maxsessions reached"


def test_why_a_server_serves_nobody(kit):
    servers = [
        kit.server(1, targets=[]),
        kit.server(2, ipaddr="2001:db8::1"),
        kit.server(3, ipaddr=None),
        kit.server(4, targets=[1]),
    ]
    play = kit.make(kit.seed(servers=servers, targets=[kit.target(1, dsr=False)]))
    play.tick()
    assert [why(decision(play, n)) for n in (1, 2, 3, 4)] == [
        "has no targets",
        "2001:db8::1: only IPv4 is built yet",
        "no address: only IPv4 is built yet",
        "target 1: address translation is not built yet: dsr enable is missing",
    ]
    assert ("error", "server 4", f"server 4 serves nobody: {why(decision(play, 4))}") in told(play)


def test_a_draining_target_alone_is_the_cause(kit):
    play = kit.make(kit.seed(servers=[kit.server(targets=[1])], targets=[kit.target(1)]))
    play.up()
    play.world.target_admin[1] = "draining"
    play.tick()
    assert why(decision(play)) == "target 1: draining"
    assert told(play)[-1] == ("error", "server 1", f"server 1 serves nobody: {why(decision(play))}")


# -- targets behind another interface -------------------------------------------------------------------------------------


def two_cards(kit):
    """Have target 2 behind another card, on which it answers as target 1 does on the first."""
    config = kit.seed(targets=[kit.target(1), kit.target(2, ipaddr="10.2.0.101")])
    config.interfaces.append(Interface(number=2, name="eth1", registered=True, enabled=True))
    config.networks.append(
        Network(
            number=2,
            addr="10.2.0.0",
            mask="255.255.255.0",
            real="10.2.0.252",
            interface=2,
            registered=True,
            enabled=True,
        )
    )
    play = kit.make(config, hosts={"172.16.1.100": kit.T1, "10.2.0.101": kit.T2})
    give = play.give
    play.give = lambda data, **more: give(data, interface=2 if data[6:12] == kit.mac(kit.T2) else 1, **more)
    play.world.links[2] = Link(2, "eth1", 3, kit.mac("02:00:00:00:02:52"), 1500, up=True)
    play.up()
    return play


def put(play, *, up: bool | None) -> None:
    """Have the second card go up or down; None: away."""
    link = play.world.links.pop(2, None) or Link(2, "eth1", 3, b"\2\0\0\0\2R", 1500, up=True)
    if up is not None:
        play.world.links[2] = replace(link, up=up)
    play.tick()


@pytest.mark.parametrize(("up", "word"), [(False, "down"), (None, "missing")])
def test_a_target_behind_a_card_that_is_off_gets_no_new_flows_and_keeps_those_it_has_for_a_while(
    kit, up, word
):
    play = two_cards(kit)
    assert decision(play).new == (1, 2)
    put(play, up=up)
    assert (decision(play).new, decision(play).keep) == ((1,), (1, 2))
    assert (status(play, 2).operational, why(status(play, 2))) == (False, f"its interface eth1 is {word}")
    play.live(5)
    put(play, up=True)
    assert decision(play).new == (1, 2)
    play.live(20)
    assert not play.said("target 2 down")


def test_a_target_behind_a_card_that_stays_off_loses_its_flows(kit):
    play = two_cards(kit)
    put(play, up=False)
    play.silent.add("10.2.0.101")
    play.live(16)
    assert (decision(play).new, decision(play).keep) == ((1,), (1,))
    assert play.said("target 2 down: ")
    assert why(status(play, 2)) == "its interface eth1 is down"


def test_with_every_target_behind_a_card_that_is_off_the_server_says_so(kit):
    play = two_cards(kit)
    play.world.target_admin[1] = "disabled"
    put(play, up=False)
    assert decision(play).new == ()
    assert str(decision(play).reason) == ("target 1: disabled; target 2: its interface eth1 is down")


def test_a_card_that_has_clients_too_moves_no_flows_when_it_is_off(kit, play):
    play.up()
    play.world.links[1] = replace(play.world.links[1], up=False)
    play.live(30)
    assert (decision(play).new, decision(play).keep) == ((1, 2), (1, 2))
