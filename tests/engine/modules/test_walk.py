"""The chain's walks: an answer and a MAC reach the decision in the call that brings them, and time only when it is due."""

import math
from dataclasses import replace

import pytest
from scapy.layers.inet import TCP

from engine.config.model import DEFAULT_MODULES
from engine.domain.checks import CheckSettings, ProbeKey
from engine.domain.frame import AddressSet, Frame, FrameClass, FrameMatch, Link
from engine.domain.states import NodeRole
from engine.modules.state.world import Outcome

ARP = FrameMatch(
    0x0806,
    either=(AddressSet.VIRTUAL, AddressSet.REAL, AddressSet.NEIGHBOURS),
    frame_class=FrameClass.NEIGHBOURS,
)
ECHO = FrameMatch(0x0800, 1, destination=AddressSet.VIRTUAL, frame_class=FrameClass.ECHO)


def tcp_1(kit):
    return ProbeKey(1, "tcpopen", kit.ip("172.16.1.100"), 80, 3, 10)


# -- what the modules want to hear ------------------------------------------------------------------------------------


def answer(protocol, frame_class=FrameClass.CHECKS, **more):
    sides = {"source": AddressSet.VIRTUAL, "destination": AddressSet.REAL}
    return FrameMatch(0x0800, protocol, frame_class=frame_class, **sides, **more)


def test_the_modules_of_the_line_say_what_they_want_to_hear(kit, play):
    found = play.chain.wants()
    (cookie,) = {match.cookie for match in found} - {None}
    answers = answer(6, cookie=cookie), answer(1, cookie=cookie)
    assert found == (ARP, ECHO, *answers)
    assert kit.make(kit.seed(modules=["ping", "arp", "rt"])).chain.wants() == (ECHO, ARP)
    play.chain.modules.append(play.chain.arp)
    assert play.chain.wants() == found  # each wish once


@pytest.mark.parametrize("protocol", ["udp", "any"])
def test_answers_of_udp_are_heard_where_a_server_may_be_of_udp(kit, protocol):
    play = kit.make(kit.seed(servers=[kit.server(1), kit.server(2, protocol=protocol)]))
    apart = FrameClass.DATAGRAMS
    assert play.chain.wants()[-2:] == (answer(17, apart), answer(1, apart, quoted=17))


def test_a_question_carries_what_its_answer_is_known_by(play):
    (cookie,) = {match.cookie for match in play.chain.wants()} - {None}
    play.live(30)
    asked = [packet[TCP].seq for packet in play.frames(TCP) if packet[TCP].flags == "S"]
    assert len(asked) > 10
    assert {(number + 1) >> 16 for number in asked} == {cookie}
    assert len(set(asked)) == len(asked)


def test_every_link_that_carries_a_network_is_listened_on(kit):
    config = kit.seed(servers=[kit.server(1), kit.server(2, ipaddr="172.16.1.9")])
    second = replace_network(
        config.networks[0], number=2, addr="10.0.0.0", real="10.0.0.9", virt=None, interface=2
    )
    config.networks = [config.networks[0], second]
    play = kit.make(config)
    assert list(play.chain.listening()) == [1]  # the other link is not there
    play.world.links[2] = Link(2, "eth1", 3, b"\x02" * 6, 1500, False)
    play.world.links[3] = Link(3, "eth2", 4, b"\x02" * 6, 1500, True)
    heard = play.chain.listening()
    assert sorted(heard) == [1, 2]
    virtual = tuple(map(kit.ip, ("172.16.1.9", "172.16.1.10", "172.16.1.253")))
    for number, real in ((1, kit.REAL), (2, "10.0.0.9")):
        assert heard[number].link is play.world.links[number]
        assert heard[number].matches == play.chain.wants()
        assert (heard[number].virtual, heard[number].real) == (virtual, (kit.ip(real),))


def test_who_is_known_on_a_link_is_told_with_it(kit, play):
    assert play.chain.listening()[1].known == frozenset()
    assert set(play.chain.listening()[1].neighbours) == {kit.ip(address) for address in play.hosts}
    play.up()
    targets = {(kit.ip(address), kit.mac(at)) for address, at in play.hosts.items()}
    assert play.chain.listening()[1].known == targets
    play.give(kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP))
    assert play.chain.listening()[1].known == {*targets, (kit.ip("172.16.1.254"), kit.mac(kit.ROUTER))}


def replace_network(network, **fields):
    import msgspec

    return msgspec.structs.replace(network, **fields)


# -- the same call ----------------------------------------------------------------------------------------------------


def test_an_answer_reaches_the_decision_in_the_same_call(kit, play):
    play.up()
    while not any(probe.key == tcp_1(kit) for _, probe in play.probes):
        play.tick(0.1)
    play.result(tcp_1(kit), ok=False, error="connection refused", certain=True)
    assert play.chain.slb.eligibility(play.now)[1].new == (1, 2)  # one refusal is none
    play.probes.clear()
    while not any(probe.key == tcp_1(kit) for _, probe in play.probes):
        play.tick(0.1)
    outcome = play.result(tcp_1(kit), ok=False, error="connection refused", certain=True)
    assert outcome.recompile
    assert [n.message for n in outcome.notices] == ["target 1 down: connection refused"]
    assert play.chain.slb.eligibility(play.now)[1].new == (2,)
    assert outcome.facts_changed


def test_an_answer_that_is_no_news_changes_nothing(kit, play):
    play.up()
    while not any(probe.key == tcp_1(kit) for _, probe in play.probes):
        play.tick(0.1)
    outcome = play.result(tcp_1(kit), ok=True, rtt_ms=3.0)
    assert outcome == Outcome()


def test_the_answer_to_a_vip_check_does_too(kit, play):
    play.no_alias.add(("172.16.1.100", kit.VIP))
    play.live(5)
    assert play.chain.slb.eligibility(play.now)[1].new == (2,)
    play.no_alias.clear()
    play.forget()
    asked = []
    while not asked:
        play.tick(0.1)
        asked = [f for _, f in play.sent if f.data[0:6] == kit.mac(kit.T1) and TCP in kit.ether(f)]
    (answer,) = play.answers(asked[0])
    outcome = play.give(answer)
    assert outcome.recompile
    assert [n.message for n in outcome.notices] == ["target 1 up"]
    assert play.chain.slb.eligibility(play.now)[1].new == (1, 2)


def test_a_mac_that_is_found_sends_the_vip_check_that_waited_for_it(kit, play):
    play.tick()
    play.forget()
    play.now += 0.5
    outcome = play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB))
    assert outcome.facts_changed
    assert outcome.recompile
    assert [kit.ether(f)[TCP].flags for f in outcome.send if TCP in kit.ether(f)] == ["S"]
    again = play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB))
    assert not again.facts_changed
    assert again.send == []


def syns(kit, outcome):
    return [kit.ether(f) for f in outcome.send if TCP in kit.ether(f)]


def test_macs_that_come_one_after_the_other_have_their_vip_checks_sent_in_bundles(kit, play):
    play.tick()
    play.now += 0.5
    play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB))
    play.now += 0.05
    outcome = play.give(kit.arp(2, kit.T2, "172.16.1.101", kit.REAL, dst=kit.LB))
    assert outcome.send == []
    due = play.chain.next_due(play.now)
    assert due <= play.now + 0.05 + 1e-9
    assert play.chain.hc.next_due(play.now) == pytest.approx(play.now + 0.05)
    play.now += 0.049
    assert syns(kit, play.tick()) == []
    play.now += 0.0011
    assert [p.dst for p in syns(kit, play.tick())] == [kit.T2]


def test_on_a_backup_the_decision_waits_until_it_is_master(kit):
    play = kit.backup()
    play.live(3)
    assert not [n for n in play.notices if n.kind == "health"]
    play.world.role = NodeRole.MASTER
    outcome = play.tick()
    assert outcome.recompile
    assert [n.message for n in outcome.notices if n.kind == "health"] == ["target 1 up", "target 2 up"]


def test_a_fault_or_an_unknown_role_closes_the_gate_as_well(kit, play):
    play.up()
    for role in (NodeRole.INIT, NodeRole.BACKUP, NodeRole.FAULT):
        play.world.role = role
        assert play.give(kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP)).send == []
        assert play.chain.master.note() == f"closed: this node is {role.value}"
        assert play.chain.handle(Frame(1, bytes(60)), play.now).consumed
    play.world.role = NodeRole.MASTER
    assert play.chain.master.note() == "open: this node is master"
    assert not play.chain.handle(Frame(1, bytes(60)), play.now).consumed


# -- time -------------------------------------------------------------------------------------------------------------


def test_at_rest_the_engine_wakes_no_more_often_than_something_is_due(kit, play):
    play.up()
    before, probes = play.woken, len(play.probes)
    play.live(60)
    assert len(play.probes) - probes in range(38, 44)  # two probes of the engine's, every three seconds
    assert 60 <= play.woken - before < 200  # a tick every tenth of a second were 600
    assert play.notices == []


def test_nothing_waits_for_time_where_there_is_nothing_to_do(kit):
    play = kit.make(kit.seed(modules=["rt", "nat"], servers=[], targets=[]))
    assert play.chain.next_due(play.now) == play.now  # vrrp, which is not in the line, has yet to speak
    play.tick()
    assert play.chain.next_due(play.now) == math.inf
    play.chain.reconfigure(kit.seed(modules=["slb"], servers=[], targets=[]))
    assert play.chain.next_due(play.now) == play.now
    play.tick()
    assert play.chain.next_due(play.now) == math.inf


@pytest.mark.parametrize("name", ["arp", "hc", "slb"])
def test_a_change_is_due_at_once(kit, play, name):
    play.up()
    module = play.chain.every[name]
    assert module.next_due(play.now) > play.now
    play.world.links = {1: replace(play.world.links[1], mtu=1400)}
    play.chain.view.refresh()
    assert module.next_due(play.now) == play.now
    play.tick()
    assert module.next_due(play.now) > play.now


def test_behind_the_gate_nothing_is_due_on_a_backup(kit, play):
    play.up()
    play.chain.slb.facts_changed(play.now)
    play.chain.slb.next_due = lambda now: now
    assert play.chain.next_due(play.now) == play.now
    play.world.role = NodeRole.BACKUP
    play.chain.vrrp.next_due = lambda _now: math.inf
    play.chain.arp.next_due = play.chain.hc.next_due = lambda now: now + 7
    assert play.chain.next_due(play.now) == play.now + 7


def test_a_configuration_may_leave_out_the_gate(kit):
    play = kit.backup(kit.seed(modules=["arp", "hc", "slb"]))
    play.live(3)
    assert [n.message for n in play.notices if n.kind == "health"] == ["target 1 up", "target 2 up"]
    assert [m.state for m in play.chain.describe()] == ["active"] * 3


def test_the_farewell_is_that_of_the_modules_that_are_awake(kit, play):
    assert play.chain.farewell() == []
    for name in DEFAULT_MODULES:
        play.chain.every[name].farewell = lambda name=name: [Frame(1, name.encode())]
    play.tick()
    assert [f.data.decode() for f in play.chain.farewell()] == list(DEFAULT_MODULES)
    play.world.role = NodeRole.BACKUP
    assert [f.data.decode() for f in play.chain.farewell()] == ["vrrp", "arp", "ping", "hc", "master"]


# -- kinds of checks --------------------------------------------------------------------------------------------------


def test_a_kind_of_check_that_is_declared_is_asked_for_without_hc_knowing_it(kit, monkeypatch):
    from engine.domain.checks import CHECK_KINDS, CheckKind

    monkeypatch.setitem(CHECK_KINDS, "knock", CheckKind("knock", "knock at a port", "7,3,10", asks_port=True))
    checks = {"knock": CheckSettings(7, 2, 9)}
    play = kit.make(
        kit.seed(targets=[kit.target(1, checks=checks)], servers=[kit.server(targets=[1], port=0)])
    )
    play.tick()
    (probe,) = [probe for _, probe in play.probes if not probe.key.witness]
    key = ProbeKey(1, "knock", kit.ip("172.16.1.100"), 7, 2, 9)
    assert (probe.key, probe.source) == (key, kit.ip(kit.REAL))
    (vip,) = [k for k in play.world.checks if k.kind == "vip"]
    assert (vip.port, vip.interval_s, vip.timeout_s) == (None, 2, 9)  # knocking is not opening: an echo
    play.result(key, ok=True, rtt_ms=1.0)
    assert play.world.checks[key].state == "up"
