"""When probes run, and what their answers do: the seed's targets, checked like in life."""

import itertools
import random
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from engine.config.model import Server
from engine.domain.address import Address
from engine.domain.checks import CheckSettings, ProbeKey
from engine.modules.hc import vip_frames as vip


def probe_key(target, kind, address, *rest):
    return ProbeKey(target, kind, Address.parse(address), *rest)


VIP_1 = probe_key(1, "vip", "172.16.1.10", 80, 3, 10)
TCP_1 = probe_key(1, "tcpopen", "172.16.1.100", 80, 3, 10)


def state(play, key):
    return play.world.checks[key].state


# -- which probes -----------------------------------------------------------------------------------------------------


def test_the_seed_needs_two_probes_a_target(kit, play):
    assert set(play.world.checks) == {
        TCP_1,
        VIP_1,
        probe_key(2, "tcpopen", "172.16.1.101", 80, 3, 10),
        probe_key(2, "vip", "172.16.1.10", 80, 3, 10),
    }


def test_servers_share_the_probes_of_their_targets(kit):
    servers = [kit.server(1), kit.server(2, protocol="any"), kit.server(3, ipaddr="172.16.1.11")]
    play = kit.make(kit.seed(servers=servers))
    kinds = sorted((k.target, k.kind, str(k.address)) for k in play.world.checks)
    assert kinds == [
        (1, "tcpopen", "172.16.1.100"),
        (1, "vip", "172.16.1.10"),
        (1, "vip", "172.16.1.11"),
        (2, "tcpopen", "172.16.1.101"),
        (2, "vip", "172.16.1.10"),
        (2, "vip", "172.16.1.11"),
    ]


@pytest.mark.parametrize(
    ("server", "target", "port"),
    [
        ({"protocol": "tcp", "port": 443}, {}, 443),
        ({"protocol": "tcp", "port": 0}, {}, 80),
        ({"protocol": "tcp", "port": 0}, {"checks": {}}, None),
        ({"protocol": "any", "port": 0}, {}, 80),
        ({"protocol": "any", "port": 0}, {"checks": {}}, None),
        ({"protocol": "udp", "port": 53}, {}, 53),
        ({"protocol": "udp", "port": 0}, {}, None),
    ],
)
def test_the_port_of_a_vip_check(kit, server, target, port):
    play = kit.make(
        kit.seed(servers=[kit.server(1, targets=[1], **server)], targets=[kit.target(1, **target)])
    )
    assert [k.port for k in play.world.checks if k.kind == "vip"] == [port]


@pytest.mark.parametrize(
    ("address", "enabled", "checked"),
    [
        ("172.16.1.11", True, {"172.16.1.11"}),
        ("172.16.1.11", False, {"172.16.1.11"}),  # when it is enabled, it is known who can serve it
        ("2001:db8::1", True, set()),
    ],
)
def test_every_ipv4_server_has_vip_checks(kit, address, enabled, checked):
    other = Server(number=2, ipaddr=address, port=80, registered=True, enabled=enabled, targets=[1])
    play = kit.make(kit.seed(servers=[kit.server(1), other]))
    assert {str(k.address) for k in play.world.checks if k.kind == "vip"} == {kit.VIP} | checked


def test_a_vip_check_is_timed_like_the_targets_own_check_else_3_10(kit):
    targets = [
        kit.target(1, checks={"tcpopen": CheckSettings(80, 2, 7)}),
        kit.target(2, checks={"ping": CheckSettings(None, 4, 9)}),
        kit.target(3, checks={}),
    ]
    play = kit.make(kit.seed(servers=[kit.server(targets=[1, 2, 3])], targets=targets))
    timed = {k.target: (k.interval_s, k.timeout_s) for k in play.world.checks if k.kind == "vip"}
    assert timed == {1: (2, 7), 2: (4, 9), 3: (3, 10)}


# -- timing -----------------------------------------------------------------------------------------------------------


def test_everything_starts_at_once_and_is_up_within_two_seconds(kit, play):
    assert not play.chain.hc.first_round_done
    play.tick()
    assert {p.key for _, p in play.probes} == {TCP_1, probe_key(2, "tcpopen", "172.16.1.101", 80, 3, 10)}
    assert {str(p.source) for _, p in play.probes} == {kit.REAL}
    play = kit.make()
    play.live(2)
    assert all(c.state == "up" for c in play.world.checks.values())
    assert play.chain.hc.first_round_done


def test_without_targets_the_first_round_is_done(kit):
    play = kit.make(kit.seed(servers=[], targets=[]))
    assert play.chain.hc.first_round_done


def test_the_first_round_ends_though_nobody_answers(kit):
    play = kit.make(hosts={})
    play.live(2.5)
    assert not play.chain.hc.first_round_done
    play.live(6)  # the engine never reported the ordinary probes either
    assert play.chain.hc.first_round_done
    assert {c.state for c in play.world.checks.values()} == {"down"}
    assert play.world.checks[VIP_1].error == "no MAC: 172.16.1.100 does not answer ARP"


def test_probes_keep_their_interval_and_do_not_beat_in_step(kit):
    targets = [kit.target(n, ipaddr=f"172.16.1.{n + 99}") for n in range(1, 51)]
    hosts = {t.ipaddr: f"02:00:00:00:03:{t.number:02x}" for t in targets}
    play = kit.make(kit.seed(targets=targets, servers=[]), hosts=hosts)
    play.live(62)
    starts: dict[int, list[float]] = {}
    for at, probe in play.probes:
        starts.setdefault(probe.key.target, []).append(at)
    for times in starts.values():
        gaps = [b - a for a, b in itertools.pairwise(times[1:])]
        assert all(2.9 <= gap <= 3.2 for gap in gaps)
        assert 1.4 <= times[1] - times[0] <= 3.2
    second = sorted(times[1] for times in starts.values())
    assert max(sum(1 for t in second if round(t, 1) == round(s, 1)) for s in second) < 15


@given(seed=st.integers(0, 2**32), delays=st.lists(st.floats(0.0, 7.5), min_size=1, max_size=6))
@settings(deadline=None, max_examples=20)
def test_no_probe_has_two_attempts_in_flight(kit, seed, delays):
    """The engine reports after any time up to long after the attempt should have ended."""
    play = kit.make(kit.seed(servers=[]))
    chance = random.Random(seed)
    flying: dict[ProbeKey, float] = {}
    started = 0
    for _ in range(300):
        play.now = round(play.now + 0.1, 3)
        for key, due in list(flying.items()):
            if play.now >= due:
                del flying[key]
                play.result(
                    key, ok=chance.random() < 0.5, rtt_ms=1.0, error="no", certain=chance.random() < 0.5
                )
        for probe in play.chain.tick(play.now).probes:
            assert probe.key not in flying
            flying[probe.key] = play.now + chance.choice(delays)
            started += 1
    assert started >= 6


def test_an_engine_that_never_reports_does_not_stop_a_probe(kit, play):
    play.tick()
    play.tick(20)
    starts = [at for at, p in play.probes if p.key == TCP_1]
    assert len(starts) == 3
    assert play.world.checks[TCP_1].error == "no answer from 172.16.1.100"


def test_an_answer_nobody_waits_for_changes_nothing(kit, play):
    play.up()
    play.result(TCP_1, ok=False, error="late", certain=True)
    play.result(probe_key(9, "ping", "1.2.3.4", None, 3, 8), ok=True, rtt_ms=1.0)
    assert play.world.checks[TCP_1].error is None
    assert len(play.world.checks) == 4


def test_an_answer_before_anything_was_asked_changes_nothing(kit, play):
    play.result(TCP_1, ok=True, rtt_ms=1.0)
    assert state(play, TCP_1) == "unknown"


# -- going down, coming back ------------------------------------------------------------------------------------------


def test_a_stopped_service_is_down_within_an_interval_because_its_refusal_is_certain(kit, play):
    play.up()
    play.no_service.add("172.16.1.100")
    play.live(4)
    assert state(play, TCP_1) == "down"
    assert play.world.checks[TCP_1].error == "connection refused on 172.16.1.100:80"
    assert play.world.checks[VIP_1].error == "refuses 172.16.1.10:80"
    assert state(play, probe_key(2, "tcpopen", "172.16.1.101", 80, 3, 10)) == "up"
    play.no_service.clear()
    play.live(3.2)
    assert state(play, TCP_1) == state(play, VIP_1) == "up"


def test_a_silent_target_is_down_between_ten_and_thirteen_seconds_later(kit, play):
    play.up()
    del play.hosts["172.16.1.100"]
    play.live(6.9)  # the last good answer is at most an interval old
    assert state(play, VIP_1) == state(play, TCP_1) == "up"
    play.live(6.2)
    assert state(play, VIP_1) == state(play, TCP_1) == "down"


def test_an_engine_that_stood_still_blames_no_target(kit, play):
    play.up()
    while not play.frames(TCP):
        play.tick(0.1)  # until an attempt is in flight, whose answer the engine sleeps through
    play.now += 60
    play.live(10)
    assert {c.state for c in play.world.checks.values()} == {"up"}
    assert play.said("down") == []
    del play.hosts["172.16.1.100"]
    play.now += 60
    play.live(13.2)
    assert state(play, VIP_1) == state(play, TCP_1) == "down"


def test_our_own_link_being_off_blames_no_target(kit, play):
    play.up()
    link = play.world.links[1]
    play.world.links = {1: replace(link, up=False)}
    hosts, play.hosts = play.hosts, {}
    for _ in range(3):
        play.live(20)
        for key in list(play.world.checks):
            play.result(key, ok=False, error="network unreachable")
    assert {c.state for c in play.world.checks.values()} == {"up"}
    assert state(play, TCP_1) == "up"
    assert play.world.checks[TCP_1].error == "not judged while eth0 is down"
    assert play.world.checks[TCP_1].last_ok < play.now - 59  # its age is not made young
    assert play.said("target 1 down") == []
    play.world.links = {1: link}
    play.live(6.9)
    assert state(play, TCP_1) == "up"  # the switch may take a moment as well
    play.live(6.2)
    assert state(play, TCP_1) == state(play, VIP_1) == "down"  # now it is silent itself
    play.hosts = hosts
    play.live(4)
    assert {c.state for c in play.world.checks.values()} == {"up"}


def test_an_interface_that_the_configuration_does_not_use_is_no_excuse(kit, play):
    play.up()
    play.world.config.interfaces[0].enabled = False
    play.world.links = {}
    play.hosts = {}
    play.live(13.2)
    assert {c.state for c in play.world.checks.values()} == {"down"}


def test_a_check_that_is_changed_while_the_link_is_off_keeps_the_excuse(kit, play):
    play.up()
    link = play.world.links[1]
    play.world.links = {1: replace(link, up=False)}
    hosts, play.hosts = play.hosts, {}
    play.live(35)
    changed = [kit.target(1, checks={"tcpopen": CheckSettings(80, 4, 10)}), kit.target(2)]
    play.chain.reconfigure(kit.seed(targets=changed))
    play.world.links = {1: link}
    key = probe_key(1, "tcpopen", "172.16.1.100", 80, 4, 10)
    play.live(2)  # what is asked meanwhile is lost
    assert state(play, key) == "up"
    play.hosts = hosts
    play.live(9)
    assert state(play, key) == "up"
    assert play.said("target 1 down") == []


def test_a_lost_alias_is_noticed_within_thirteen_seconds_and_its_return_within_three(kit, play):
    play.up()
    play.no_alias.add(("172.16.1.100", kit.VIP))
    play.live(13)
    assert state(play, VIP_1) == "down"
    assert play.world.checks[VIP_1].error == "does not accept 172.16.1.10"
    assert state(play, TCP_1) == "up"
    play.no_alias.clear()
    play.live(6.2)  # the lost attempt in flight lasts up to an interval
    assert state(play, VIP_1) == "up"


def test_a_missing_alias_is_known_within_five_seconds_of_the_start(kit):
    play = kit.make(no_alias={("172.16.1.100", kit.VIP)})
    play.live(5)
    assert play.world.checks[VIP_1].error == "does not accept 172.16.1.10"
    assert state(play, VIP_1) == "down"
    assert play.chain.hc.first_round_done


# -- the VIP check on the wire ----------------------------------------------------------------------------------------


def test_the_syn_goes_to_the_virtual_address_at_the_targets_mac_and_its_connection_is_reset(kit, play):
    play.live(0.5)
    segments = [p for p in play.frames(TCP) if p.dst == kit.T1]
    assert [str(p[TCP].flags) for p in segments] == ["S", "R"]
    syn, rst = segments
    assert (syn.src, syn[IP].src, syn[IP].dst, syn[TCP].dport) == (kit.LB, kit.REAL, kit.VIP, 80)
    assert syn[TCP].sport in vip.PORTS
    assert (rst[IP].src, rst[IP].dst) == (kit.REAL, kit.VIP)
    assert (rst[TCP].sport, rst[TCP].dport) == (syn[TCP].sport, 80)
    assert rst[TCP].seq == (syn[TCP].seq + 1) % 2**32


def test_numbers_differ_from_attempt_to_attempt(kit, play):
    play.live(31)
    syns = [p[TCP] for p in play.frames(TCP) if p[TCP].flags == "S" and p.dst == kit.T1]
    assert len(syns) in range(10, 13)
    assert len({s.seq for s in syns}) == len(syns)
    assert len({s.sport for s in syns}) > 1


def in_flight(kit, play):
    """Let one SYN to target 1 out that nobody has answered yet."""
    play.tick()
    for address, at in play.hosts.items():
        play.give(kit.arp(2, at, address, kit.REAL, dst=kit.LB, tha=kit.LB))
    play.tick(0.1)
    return next(p for p in play.frames(TCP) if p.dst == kit.T1)


def answer(syn, *, src, ip=None, **tcp):
    fields = {"sport": syn[TCP].dport, "dport": syn[TCP].sport, "seq": 5, "ack": (syn[TCP].seq + 1) % 2**32}
    addresses = {"src": syn[IP].dst, "dst": syn[IP].src, **(ip or {})}
    return bytes(Ether(src=src, dst=syn.src) / IP(**addresses) / TCP(**{**fields, "flags": "SA", **tcp}))


def test_an_answer_that_does_not_fit_is_none(kit, play):
    syn = in_flight(kit, play)
    for wrong in (
        answer(syn, src=kit.T1, ack=syn[TCP].seq),
        answer(syn, src=kit.T1, sport=81),
        answer(syn, src=kit.T1, flags="S"),
        answer(syn, src=kit.T1, flags="A"),
        answer(syn, src=kit.T1, dport=syn[TCP].sport ^ 1),
        answer(syn, src=kit.T1, ip={"src": "172.16.1.11"}),
        answer(syn, src=kit.T1, ip={"dst": "172.16.1.251"}),
        answer(syn, src=kit.T1)[:-1],
    ):
        play.give(wrong)
        assert state(play, VIP_1) == "unknown"
    play.give(answer(syn, src=kit.T1))
    assert state(play, VIP_1) == "up"


def test_an_answer_after_its_time_is_none(kit):
    play = kit.make(
        kit.seed(targets=[kit.target(1, checks={"tcpopen": CheckSettings(80, 20, 2)}), kit.target(2)])
    )
    key = probe_key(1, "vip", "172.16.1.10", 80, 20, 2)
    syn = in_flight(kit, play)
    play.now += key.attempt_s + 0.01
    play.chain.tick(play.now)
    assert play.world.checks[key].error == "does not accept 172.16.1.10"
    play.give(answer(syn, src=kit.T1))
    assert state(play, key) != "up"


def test_where_a_mac_does_not_answer_the_check_everybody_is_asked_for_the_target(kit, play):
    play.up()
    play.no_alias.add(("172.16.1.100", kit.VIP))
    play.live(20)
    asked = [p[ARP].pdst for p in play.frames(ARP) if p[ARP].op == 1 and p.dst == "ff:ff:ff:ff:ff:ff"]
    # For target 2 only as for all, to find whoever else has its address.
    assert asked.count("172.16.1.100") >= asked.count("172.16.1.101") + 4


def test_another_target_may_not_answer_in_its_place(kit, play):
    """Target 1 without the alias but with ip_forward=1 sends the SYN on, and target 2 would accept it."""
    syn = in_flight(kit, play)
    outcome = play.give(answer(syn, src=kit.T2))
    assert state(play, VIP_1) == "unknown"
    assert [Ether(f.data).dst for f in outcome.send] == [kit.T2]  # its connection is reset all the same


def test_a_second_card_of_the_target_may(kit, play):
    syn = in_flight(kit, play)
    play.give(answer(syn, src=kit.STRANGER))
    assert state(play, VIP_1) == "up"


def test_a_syn_ack_that_comes_again_is_reset_again(kit, play):
    syn = in_flight(kit, play)
    play.give(answer(syn, src=kit.T1))
    outcome = play.give(answer(syn, src=kit.T1))
    assert outcome.consumed
    assert [str(Ether(f.data)[TCP].flags) for f in outcome.send] == ["R"]


def test_unreachable_is_an_answer_too(kit, play):
    syn = in_flight(kit, play)
    quote = bytes(syn[IP])[:28]
    error = (
        Ether(src=kit.T1, dst=kit.LB) / IP(src="172.16.1.100", dst=kit.REAL) / ICMP(type=3, code=10) / quote
    )
    assert play.give(bytes(error)).consumed
    assert play.world.checks[VIP_1].error == "does not accept 172.16.1.10 (ICMP unreachable, code 10)"


def test_strangers_frames_pass(kit, play):
    play.up()
    others = [
        IP(src="9.9.9.9", dst=kit.REAL) / TCP(sport=80, dport=61500, flags="SA"),
        IP(src="172.16.1.100", dst=kit.REAL) / ICMP(type=0, id=1, seq=1),
        IP(src="9.9.9.9", dst=kit.VIP) / TCP(sport=1234, dport=80, flags="S"),
    ]
    for packet in others:
        outcome = play.give(bytes(Ether(src=kit.ROUTER, dst=kit.LB) / packet))
        assert not outcome.consumed
        assert outcome.send == []


def test_a_server_without_a_tcp_port_is_checked_by_echo(kit):
    play = kit.make(kit.seed(servers=[kit.server(protocol="udp", port=0)]))
    play.live(2)
    echo = next(p for p in play.frames(ICMP) if p.dst == kit.T1)
    assert (echo[IP].src, echo[IP].dst, echo[ICMP].type) == (kit.REAL, kit.VIP, 8)
    key = probe_key(1, "vip", "172.16.1.10", None, 3, 10)
    assert state(play, key) == "up"
    assert play.world.checks[key].rtt_ms == pytest.approx(10, abs=1)
    play.no_alias.add(("172.16.1.100", kit.VIP))
    play.live(13)
    error = "does not accept 172.16.1.10: it answers ping at 172.16.1.100, not there"
    assert play.world.checks[key].error == error
    assert state(play, key) == "down"


# -- UDP --------------------------------------------------------------------------------------------------------------

DNS_ANSWER = struct.pack("!HHHHHH", 0, 0x8005, 1, 0, 0, 0)  # refused: an answer all the same


def udp_seed(kit, **target):
    server = kit.server(protocol="udp", port=53, targets=[1])
    base = {"protocol": "udp", "port": 53, "checks": {}}
    return kit.seed(servers=[server], targets=[kit.target(1, **base | target)])


def vip_of(play):
    ((key, result),) = [(k, r) for k, r in play.world.checks.items() if k.kind == "vip"]
    return key, result


def test_a_service_of_udp_is_asked_by_an_empty_datagram_and_an_echo(kit):
    play = kit.make(udp_seed(kit))
    play.live(2)
    datagram = next(p for p in play.frames(UDP) if p.dst == kit.T1)
    assert (datagram[IP].src, datagram[IP].dst, datagram[UDP].dport, datagram[UDP].len) == (
        kit.REAL,
        kit.VIP,
        53,
        8,
    )
    assert datagram[UDP].sport > 61_000
    built = datagram[UDP].chksum
    del datagram[UDP].chksum
    assert Ether(bytes(datagram))[UDP].chksum == built
    assert [p[IP].dst for p in play.frames(ICMP)][:1] == [kit.VIP]
    key, result = vip_of(play)
    assert (key.port, key.asks, result.state, result.mac) == (53, "udp", "up", kit.mac(kit.T1))
    assert play.chain.first_round_done


def test_a_refusing_service_of_udp_is_down_and_says_so_and_is_back_when_it_keeps_silent(kit):
    play = kit.make(udp_seed(kit), no_service={"172.16.1.100"})
    play.live(2)
    refused = "refuses 172.16.1.10:53 (ICMP port unreachable: nothing there on UDP)"
    assert (vip_of(play)[1].state, vip_of(play)[1].error) == ("down", refused)
    play.no_service.clear()
    play.live(3.5)  # one refusal may have been lost
    assert vip_of(play)[1].state == "down"
    play.live(3.5)
    assert vip_of(play)[1].state == "up"
    play.no_service.add("172.16.1.100")
    play.live(5)
    assert vip_of(play)[1].state == "down"  # twice, within half a second of each other
    assert any("target 1 down: refuses 172.16.1.10:53" in n.message for n in play.notices)


def test_a_target_that_answers_neither_echo_nor_datagram_is_left_to_its_other_checks(kit):
    play = kit.make(udp_seed(kit), no_ping={"172.16.1.100"})
    play.live(40)
    assert (vip_of(play)[1].state, vip_of(play)[1].mac) == ("up", None)
    assert play.chain.slb.eligibility(play.now)[1].new == (1,)
    assert [k for k in play.world.checks if k.witness] != []
    assert play.chain.hc.note() == "1 of 1 checks up"


def test_a_target_that_is_silent_to_arp_too_is_down(kit):
    play = kit.make(udp_seed(kit), no_ping={"172.16.1.100"})
    play.live(5)
    del play.hosts["172.16.1.100"]
    play.live(20)
    error = "does not accept 172.16.1.10: it answers neither there nor ARP at 172.16.1.100"
    assert (vip_of(play)[1].state, vip_of(play)[1].error) == ("down", error)


def test_a_target_of_udp_without_the_alias_is_found_by_its_ping(kit):
    play = kit.make(udp_seed(kit), no_alias={("172.16.1.100", kit.VIP)})
    play.live(4)
    error = "does not accept 172.16.1.10: it answers ping at 172.16.1.100, not there"
    assert (vip_of(play)[1].state, vip_of(play)[1].error) == ("down", error)


def test_a_service_that_answers_datagrams_is_up_by_that(kit):
    play = kit.make(udp_seed(kit), no_ping={"172.16.1.100"}, talks={"172.16.1.100": b"hello"})
    play.live(2)
    assert (vip_of(play)[1].state, vip_of(play)[1].mac) == ("up", kit.mac(kit.T1))


def test_a_name_server_is_asked_a_question_and_must_answer_it(kit):
    config = udp_seed(kit, checks={"dns": CheckSettings(53, 2, 6)})
    play = kit.make(config, talks={"172.16.1.100": DNS_ANSWER})
    play.live(2)
    key, result = vip_of(play)
    assert (key.asks, key.interval_s, key.timeout_s) == ("dns", 2, 6)
    assert result.state == "down"  # that answered another question
    asked = next(p for p in play.frames(UDP) if p.dst == kit.T1)
    ident = bytes(asked[UDP].payload)[:2]
    assert bytes(asked[UDP].payload) == ident + bytes.fromhex("0000 0001 0000 0000 0000 00 0002 0001")
    assert not [k for k in play.world.checks if k.witness]  # silence is an answer
    play.talks.clear()
    play.live(10)
    assert vip_of(play)[1].error == "does not answer a DNS query at 172.16.1.10:53"
    answers = play.ip_answers

    def by_the_book(packet, address, at):
        if UDP in packet:
            play.talks[address] = bytes(packet[UDP].payload)[:2] + DNS_ANSWER[2:]
        return answers(packet, address, at)

    play.ip_answers = by_the_book
    play.live(5)
    assert vip_of(play)[1].state == "up"


def test_a_check_of_another_port_is_no_question_to_a_server(kit):
    play = kit.make(udp_seed(kit, checks={"dns": CheckSettings(5353, 2, 6)}))
    assert vip_of(play)[0].asks == "udp"


def test_services_of_udp_on_one_target_are_asked_no_faster_than_it_may_refuse(kit):
    servers = [kit.server(n, protocol="udp", port=n, targets=[1]) for n in range(1, 13)]
    config = kit.seed(servers=servers, targets=[kit.target(1, protocol="udp", port=0, checks={})])
    play = kit.make(config, no_service={"172.16.1.100"})
    play.live(60)
    play.forget()
    play.live(48)
    assert 44 <= len(play.frames(UDP)) <= 52  # Linux: one refusal a second (icmp_ratelimit)


def test_many_targets_are_told_apart_by_the_ports_they_are_asked_from(kit):
    count = 60
    hosts = {f"172.16.1.{100 + n}": f"02:00:00:00:01:{n:02x}" for n in range(count)}
    targets = [
        kit.target(1 + n, ipaddr=f"172.16.1.{100 + n}", protocol="udp", port=53, checks={})
        for n in range(count)
    ]
    server = kit.server(protocol="udp", port=53, targets=list(range(1, 1 + count)))
    dead = {"172.16.1.105", "172.16.1.130"}
    play = kit.make(kit.seed(servers=[server], targets=targets), hosts=hosts, no_service=dead)
    play.live(20)
    down = {
        f"172.16.1.{99 + k.target}"
        for k, r in play.world.checks.items()
        if k.kind == "vip" and r.state == "down"
    }
    assert down == dead


def test_a_check_that_heard_nothing_counts_unless_arp_hears_nothing_either(kit):
    play = kit.make(udp_seed(kit, checks={"udp": CheckSettings(53, 3, 10)}), silent={"172.16.1.100"})
    key = probe_key(1, "udp", "172.16.1.100", 53, 3, 10)
    play.live(1)
    play.result(key, ok=True, silent=True)
    assert (state(play, key), play.world.checks[key].rtt_ms) == ("up", None)
    del play.hosts["172.16.1.100"]
    play.live(30)
    play.result(key, ok=True, silent=True)
    assert play.world.checks[key].error == "172.16.1.100 answers neither udp on port 53 nor ARP"


# -- configuration ----------------------------------------------------------------------------------------------------


def test_a_change_keeps_the_probes_it_leaves_alone_and_starts_the_new_ones(kit, play):
    play.up()
    before = play.world.checks[TCP_1]
    new = kit.target(3, ipaddr="172.16.1.102")
    play.chain.reconfigure(kit.seed(targets=[kit.target(1), new], servers=[kit.server(targets=[1, 3])]))
    play.live(1)
    assert play.world.checks[TCP_1] is before
    assert before.state == "up"
    assert {k.target for k in play.world.checks} == {1, 3}
    assert not play.chain.hc.first_round_done  # target 3 has not answered yet


def test_a_healthy_target_stays_up_while_changed_checks_have_their_first_say(kit, play):
    play.up()
    changed = [
        kit.target(1, checks={"tcpopen": CheckSettings(80, 5, 10), "ping": CheckSettings(None, 3, 8)}),
        kit.target(2, ipaddr="172.16.1.102"),
    ]
    play.chain.reconfigure(kit.seed(targets=changed))
    play.chain.tick(play.now)
    states = {(k.target, k.kind): c.state for k, c in play.world.checks.items()}
    assert states[1, "tcpopen"] == states[1, "ping"] == states[1, "vip"] == "up"
    assert states[2, "tcpopen"] == "unknown"  # another address: nothing is known of it


def test_a_changed_check_is_as_old_as_the_one_before_and_a_new_address_is_not_trusted(kit, play):
    play.up()
    known = play.world.checks[TCP_1].last_ok
    play.now += 2
    changed = [kit.target(1, checks={"tcpopen": CheckSettings(80, 5, 10)}), kit.target(2)]
    servers = [kit.server(1), kit.server(2, ipaddr="172.16.1.11")]
    play.chain.reconfigure(kit.seed(targets=changed, servers=servers))
    play.chain.tick(play.now)
    assert play.world.checks[probe_key(1, "tcpopen", "172.16.1.100", 80, 5, 10)].last_ok == known
    assert state(play, probe_key(2, "vip", "172.16.1.11", 80, 3, 10)) == "unknown"


def test_a_target_of_which_one_check_failed_is_not_trusted_when_another_is_changed(kit):
    def checked(ping_s):
        checks = {"ping": CheckSettings(None, ping_s, 10), "tcpopen": CheckSettings(80, 3, 10)}
        return kit.seed(targets=[kit.target(1, checks=checks), kit.target(2)])

    play = kit.make(checked(3))
    play.up()
    play.world.checks[TCP_1].state = "down"
    play.chain.reconfigure(checked(4))
    play.chain.tick(play.now)
    assert state(play, probe_key(1, "ping", "172.16.1.100", None, 4, 10)) == "unknown"


def test_a_target_that_a_change_has_taken_away_is_asked_no_more_even_before_the_next_tick(kit, play):
    play.tick()  # no MAC is known: the VIP checks wait for one
    play.chain.reconfigure(kit.seed(targets=[kit.target(2)]))
    outcome = play.give(kit.arp(2, kit.T2, "172.16.1.101", kit.REAL, dst=kit.LB, tha=kit.LB))
    assert [kit.ether(f).dst for f in outcome.send] == [kit.T2]


def test_without_a_real_address_nothing_is_asked_from(kit, play):
    play.up()
    changed = kit.seed()
    changed.networks[0].real = None
    play.chain.reconfigure(changed)
    assert play.chain.hc._vips.start(VIP_1, play.now) == []


def test_very_many_vip_checks_are_stretched_and_it_is_said(kit):
    servers = [
        kit.server(n, ipaddr=f"10.1.{n // 250}.{n % 250 + 1}", targets=list(range(1, 65)))
        for n in range(1, 101)
    ]
    targets = [kit.target(n, ipaddr=f"172.16.1.{n + 99}") for n in range(1, 65)]
    play = kit.make(kit.seed(servers=servers, targets=targets))
    play.tick()
    (notice,) = play.said("VIP checks are held to 1000 a second")
    assert "6400 VIP checks" in notice.message
    assert "2.1 times" in notice.message
    assert ("hc", "vip") in play.world.alarms
    play.chain.reconfigure(kit.seed())
    play.tick(0.1)
    assert ("hc", "vip") not in play.world.alarms
