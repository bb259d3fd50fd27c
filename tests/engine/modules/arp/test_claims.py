"""Who claims what: whom the arp module believes, and which addresses it takes."""

import pytest
from scapy.layers.l2 import ARP, Ether

from engine.config.model import Gateway, Network
from engine.domain.frame import TPID_8021Q, Frame, Link
from engine.domain.states import NodeRole
from engine.modules.state.world import Outcome

T2_ADDRESS = "172.16.1.101"
GATEWAY = "172.16.1.254"


def probes(play, address, since=0.0):
    return [
        at
        for at, f in play.sent
        if at >= since and f.data[28:32] == bytes(4) and Ether(f.data)[ARP].pdst == address
    ]


def announced(play, address):
    return [p for p in play.frames(ARP) if p[ARP].psrc == p[ARP].pdst == address]


def answered(kit, play, address=None, **how):
    outcome = play.give(kit.arp(1, kit.ROUTER, GATEWAY, address or kit.VIP, **how))
    return [Ether(f.data)[ARP].psrc for f in outcome.send if Ether(f.data)[ARP].op == 2]


def asking(kit, **changes):
    play = kit.make(kit.seed(**changes), asks=True)
    play.tick()
    return play


def alarm(play, *words):
    return [a for a in play.world.alarms.values() if all(w in a.message for w in words)]


def vlan_seed(kit, vlan):
    config = kit.seed()
    config.networks[0].vlan = vlan
    return config


# -- taking a virtual address ------------------------------------------------------------------------------------------


def test_an_address_is_asked_for_three_times_in_half_a_second_and_then_taken(kit):
    play = asking(kit)
    start = play.now
    assert play.chain.arp.undecided
    assert not play.chain.first_round_done
    assert answered(kit, play) == []
    play.live(0.48)
    assert [at - start for at in probes(play, kit.VIP)] == pytest.approx([0, 0.15, 0.3], abs=0.05)
    assert answered(kit, play) == []
    assert announced(play, kit.VIP) == []
    assert play.world.withheld == {kit.ip(kit.VIP), kit.ip(kit.VIRT)}
    play.live(0.15)
    assert not play.chain.arp.undecided
    assert answered(kit, play) == [kit.VIP]
    assert announced(play, kit.VIP)
    assert play.world.withheld == set()
    assert play.recompiles
    assert play.said("is not taken") == []


@pytest.mark.parametrize("op", [1, 2])
def test_an_address_of_a_living_host_is_left_to_it_and_taken_when_it_is_free(kit, op):
    play = asking(kit)
    play.hosts["172.16.1.77"] = kit.STRANGER
    play.live(0.2)
    play.give(kit.arp(op, kit.STRANGER, kit.VIP, "0.0.0.0", dst=kit.LB))
    play.live(0.5)
    (notice,) = play.said("is not taken")
    assert (notice.kind, notice.severity, notice.subject) == ("arp", "error", "server 1")
    assert f"{kit.VIP} (server 1) is not taken: {kit.STRANGER}, which is unknown host" in notice.message
    assert "--force-claim" in notice.message
    assert alarm(play, "is not taken")
    assert not play.chain.arp.undecided  # decided: not to take it
    assert answered(kit, play) == []
    assert answered(kit, play, kit.VIRT) == [kit.VIRT]
    assert announced(play, kit.VIP) == []
    states = {str(e.address): (e.state, e.mac) for e in play.chain.arp.entries(play.now)}
    assert states[kit.VIP] == ("withheld", None)
    assert states[kit.VIRT] == ("answering", kit.mac(kit.LB))
    left = play.now
    play.live(4)
    assert play.world.withheld == {kit.ip(kit.VIP)}
    play.live(2)
    again = [at - left for at in probes(play, kit.VIP, left)[:3]]
    assert again == pytest.approx([4.8, 4.95, 5.1], abs=0.05)
    assert play.world.withheld == set()
    assert not alarm(play, "is not taken")
    assert play.said(f"{kit.VIP} (server 1) is free, and taken")
    assert answered(kit, play) == [kit.VIP]


def test_a_host_that_keeps_its_address_is_told_of_once(kit):
    play = asking(kit)
    play.hosts[kit.VIP] = kit.STRANGER  # answers every probe
    play.live(30)
    assert len(play.said("is not taken")) == 1
    assert play.world.withheld == {kit.ip(kit.VIP)}
    assert len(probes(play, kit.VIP)) == pytest.approx(18, abs=3)  # three every 5.5 s
    assert play.said("also claims") == []


def test_what_another_host_says_before_the_first_probe_is_of_no_account(kit):
    play = kit.make(asks=True)
    play.give(kit.arp(1, kit.STRANGER, kit.VIP, kit.VIP))
    play.live(0.7)
    assert play.world.withheld == set()


def test_a_target_that_answers_for_its_alias_is_no_living_host(kit):
    play = kit.make(asks=True)
    play.live(0.1)
    play.give(kit.arp(2, kit.T1, kit.VIP, "0.0.0.0", dst=kit.LB))
    play.live(0.7)
    assert play.world.withheld == set()
    assert play.said("is not taken") == []


def test_a_host_that_turns_out_to_be_a_target_gives_way_at_once(kit):
    play = asking(kit)
    hosts, play.hosts = play.hosts, {}
    play.give(kit.arp(2, kit.T1, kit.VIP, "0.0.0.0", dst=kit.LB))
    play.live(0.7)
    assert play.world.withheld == {kit.ip(kit.VIP)}
    play.hosts = hosts
    play.live(1.1)
    assert play.world.withheld == set()
    assert not alarm(play, "is not taken")


@pytest.mark.parametrize(("prober", "taken"), [("02:00:00:00:00:01", False), ("02:00:00:00:0b:ad", True)])
def test_of_two_nodes_that_ask_at_the_same_time_the_lower_mac_takes_it(kit, prober, taken):
    play = asking(kit)
    play.give(kit.arp(1, prober, "0.0.0.0", kit.VIP))
    play.live(0.7)
    assert (play.world.withheld == set()) is taken


def test_a_forged_probe_takes_no_address(kit):
    play = asking(kit)
    forged = kit.arp(1, "02:00:00:00:00:01", "0.0.0.0", kit.VIP)
    play.give(forged[:6] + kit.mac(kit.STRANGER) + forged[12:])
    play.live(0.7)
    assert play.world.withheld == set()


def test_a_switch_that_looks_whether_we_are_there_takes_no_address(kit):
    play = asking(kit)
    play.give(kit.arp(1, "02:00:00:00:00:01", "0.0.0.0", kit.VIP, dst=kit.LB))
    play.live(0.7)
    assert play.world.withheld == set()


def test_force_takes_it_at_once(kit, play):
    play.tick()
    assert not play.chain.arp.undecided
    assert answered(kit, play) == [kit.VIP]


def test_a_backup_that_becomes_master_does_not_wait(kit):
    play = kit.make(asks=True)
    play.world.role = NodeRole.BACKUP
    elected = play.chain.vrrp.tick
    play.chain.vrrp.tick = lambda _now: Outcome()
    play.tick()
    assert answered(kit, play) == []
    play.chain.vrrp.tick = elected
    play.tick()
    assert answered(kit, play) == [kit.VIP]
    assert play.world.withheld == set()


def test_an_address_given_up_a_moment_ago_is_served_while_it_is_asked_for(kit):
    play = asking(kit)
    play.live(1)
    play.world.server_admin[1] = "disabled"
    play.tick()
    assert answered(kit, play) == []
    play.world.server_admin[1] = "enabled"
    play.tick()
    back = play.now
    assert answered(kit, play) == [kit.VIP]
    assert not play.chain.arp.undecided
    play.live(0.2)
    play.give(kit.arp(2, kit.STRANGER, kit.VIP, "0.0.0.0", dst=kit.LB))
    play.live(0.5)
    assert len(probes(play, kit.VIP, back)) >= 3
    assert answered(kit, play) == []  # somebody has taken it meanwhile


def test_an_address_given_up_long_ago_is_asked_for(kit):
    play = asking(kit)
    play.live(1)
    play.world.server_admin[1] = "disabled"
    play.tick()
    play.live(61)
    play.world.server_admin[1] = "enabled"
    play.tick()
    assert answered(kit, play) == []


def test_a_new_address_is_not_served_before_it_is_asked_for(kit):
    play = asking(kit)
    play.live(1)
    play.chain.reconfigure(kit.seed(servers=[kit.server(), kit.server(2, ipaddr="172.16.1.20")]))
    assert play.world.withheld == {kit.ip("172.16.1.20")}
    assert answered(kit, play, "172.16.1.20") == []
    assert answered(kit, play) == [kit.VIP]
    play.live(0.7)
    assert answered(kit, play, "172.16.1.20") == ["172.16.1.20"]


def test_expected_addresses_are_served_at_once(kit):
    play = kit.make(asks=True)
    play.chain.arp.expect({kit.ip(kit.VIP)}, play.now)
    play.tick()
    assert answered(kit, play) == [kit.VIP]
    assert answered(kit, play, kit.VIRT) == []
    assert play.chain.arp.held == {kit.ip(kit.VIP)}


def test_while_the_link_is_down_nothing_is_decided_nor_waited_for(kit):
    play = kit.make(asks=True)
    play.world.links[1].up = False
    play.tick(3)
    assert not play.chain.arp.undecided
    assert kit.ip(kit.VIP) in play.world.withheld
    play.world.links[1].up = True
    play.tick(1.8)
    assert play.world.withheld == set()


def test_five_hundred_addresses_are_taken_within_two_seconds(kit):
    servers = [kit.server(n, ipaddr=f"172.16.{n // 200}.{n % 200 + 1}") for n in range(1, 501)]
    play = asking(kit, servers=servers)
    play.tick(2)
    assert play.world.withheld == set()


# -- believing a MAC ---------------------------------------------------------------------------------------------------


def test_one_packet_with_another_mac_moves_nothing_and_is_a_conflict(kit, play):
    play.up()
    play.give(kit.arp(1, kit.ROUTER, "172.16.1.100", kit.REAL))
    play.live(2)
    assert play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.T1)
    assert play.recompiles == 0
    (notice,) = play.said("also claims")
    assert (notice.kind, notice.severity, notice.subject) == ("arp", "error", "172.16.1.100")
    assert f"{kit.ROUTER}, which is unknown host" in notice.message
    assert f"also claims 172.16.1.100 (target 1, at {kit.T1})" in notice.message
    assert "give one of the two hosts another address" in notice.message
    assert alarm(play, kit.ROUTER)
    assert play.world.neighbours[kit.ip("172.16.1.100")].rival == kit.mac(kit.ROUTER)
    play.live(31)
    assert not alarm(play, kit.ROUTER)
    assert play.world.neighbours[kit.ip("172.16.1.100")].rival is None


def test_a_packet_that_nobody_stands_behind_moves_nothing_where_the_known_mac_is_silent_too(kit, play):
    play.up()
    del play.hosts["172.16.1.100"]
    play.give(kit.arp(1, kit.STRANGER, "172.16.1.100", kit.REAL))
    play.live(2)
    assert play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.T1)


def test_a_mac_that_has_long_been_silent_gives_way_at_once(kit, play):
    play.up()
    del play.hosts["172.16.1.100"]
    play.live(40)
    play.give(kit.arp(1, kit.STRANGER, "172.16.1.100", kit.REAL))
    assert play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.STRANGER)
    assert play.said("which no longer answers")


def test_a_storm_of_claims_asks_little(kit, play):
    play.up()
    for n in range(300):
        play.give(kit.arp(1, f"02:00:00:00:aa:{n % 250:02x}", "172.16.1.100", kit.REAL))
        if n % 30 == 0:
            play.live(0.1)
    assert play.recompiles == 0
    assert len(play.frames(ARP)) < 40
    assert len(play.world.alarms) <= 3


def test_a_failed_vip_check_asks_everybody_at_once(kit, play):
    play.up()
    rebuilt = play.now
    play.hosts["172.16.1.100"] = kit.STRANGER
    play.live(6)
    assert play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.STRANGER)
    asked = [p for p in play.frames(ARP, rebuilt) if p[ARP].pdst == "172.16.1.100"]
    assert asked[0].dst == kit.EVERYONE


def test_the_vip_check_finds_the_right_one_of_two(kit):
    play = kit.make()
    play.tick()
    play.give(kit.arp(2, kit.STRANGER, T2_ADDRESS, kit.REAL, dst=kit.LB))  # the stranger was first
    play.hosts["172.16.1.77"] = kit.STRANGER
    play.no_alias.add(("172.16.1.77", kit.VIP))
    for _ in range(30):
        play.live(0.5)
        play.give(kit.arp(2, kit.STRANGER, T2_ADDRESS, kit.REAL, dst=kit.LB))
    assert play.world.neighbours[kit.ip(T2_ADDRESS)].mac == kit.mac(kit.T2)
    assert play.said(f"it was {kit.STRANGER}, which did not")


def test_another_host_with_real_is_a_conflict_on_a_backup_too(kit):
    for play in (kit.make(), kit.backup()):
        play.tick(3)
        play.give(kit.arp(1, kit.STRANGER, kit.REAL, GATEWAY))
        play.tick(3)
        assert alarm(play, kit.STRANGER, f"also claims {kit.REAL} (ours, network 1 real, at {kit.LB})")


def test_a_target_that_answers_for_others_has_its_alias_mask_named(kit, play):
    play.up()
    play.give(kit.arp(2, kit.T1, T2_ADDRESS, kit.REAL, dst=kit.LB))
    play.live(1)
    assert alarm(
        play, f"{kit.T1}, which is target 1 (172.16.1.100)", "arp_ignore=1", "the mask 255.255.255.255"
    )


# -- one MAC for several -----------------------------------------------------------------------------------------------


def test_two_targets_at_one_mac_are_an_alarm_until_they_are_not(kit):
    play = kit.make(hosts={"172.16.1.100": kit.T1, T2_ADDRESS: kit.T1})
    play.live(2)
    (notice,) = play.said("answers for")
    assert (notice.kind, notice.severity, notice.subject) == ("arp", "error", "target 1, target 2")
    assert f"{kit.T1} answers for 172.16.1.100 (target 1) and {T2_ADDRESS} (target 2);" in notice.message
    assert alarm(play, notice.message)
    play.hosts[T2_ADDRESS] = kit.T2
    play.live(15)
    assert not alarm(play, "answers for")
    assert play.said(f"are no longer all at {kit.T1}")


def test_a_target_at_the_gateways_mac_is_proxy_arp(kit):
    hosts = {"172.16.1.100": kit.T1, T2_ADDRESS: kit.ROUTER, GATEWAY: kit.ROUTER}
    play = kit.make(kit.seed(gateway=Gateway(ipaddr=GATEWAY)), hosts=hosts)
    play.live(2)
    assert alarm(
        play, f"{kit.ROUTER}, which is the gateway ({GATEWAY})", f"{T2_ADDRESS} (target 2)", "proxy_arp"
    )
    (entry,) = [e for e in play.chain.arp.entries(play.now) if str(e.address) == GATEWAY]
    assert (entry.kind, entry.owner, entry.state, entry.mac) == (
        "gateway",
        "the gateway",
        "resolved",
        kit.mac(kit.ROUTER),
    )
    assert "1 of" not in play.chain.arp.note()
    assert "2 of 2 targets resolved" in play.chain.arp.note()


def test_of_many_addresses_at_one_mac_four_are_named(kit):
    targets = [kit.target(n) for n in range(1, 8)]
    play = kit.make(kit.seed(targets=targets), hosts={t.ipaddr: kit.T1 for t in targets})
    play.live(2)
    assert alarm(play, "172.16.1.103 (target 4) and 3 more;")


# -- VLANs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vlan", "tag", "ours"),
    [
        (None, None, True),
        (None, 0xE000, True),
        (None, 200, False),
        (200, 200, True),
        (200, 0x60C8, True),
        (200, None, False),
        (200, 201, False),
    ],
)
def test_a_network_hears_its_vlan_only(kit, vlan, tag, ours):
    play = kit.make(vlan_seed(kit, vlan))
    play.tick()
    frame = Frame(1, kit.arp(1, kit.ROUTER, GATEWAY, kit.VIP), tag, 0x88A8)
    (sent,) = play.take(play.chain.handle(frame, play.now)).send or (None,)
    assert (sent is not None) is ours
    if sent is not None:
        assert (sent.vlan, sent.tpid) == (tag, 0x88A8)
    play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB), vlan=tag)
    assert (play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.T1)) is ours
    play.give(kit.arp(1, kit.STRANGER, kit.REAL, GATEWAY), vlan=tag)
    play.give(kit.arp(1, kit.STRANGER, kit.VIRT, GATEWAY), vlan=tag)
    play.tick(3)
    assert bool(alarm(play, f"also claims {kit.REAL}")) is ours
    assert bool(alarm(play, f"also claims {kit.VIRT}")) is ours


def test_what_we_say_of_our_own_is_under_the_networks_tag(kit):
    play = kit.make(vlan_seed(kit, 200), asks=True)
    play.tick()
    play.tick(1)
    play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB), vlan=200)
    play.give(kit.arp(2, kit.STRANGER, "172.16.1.100", kit.REAL, dst=kit.LB), vlan=200)
    play.tick(6)
    kinds = {(f.data[12:14], f.data[20:22]) for _, f in play.sent}
    assert len(kinds) >= 2
    assert {(f.vlan, f.tpid) for _, f in play.sent} == {(200, TPID_8021Q)}


@pytest.mark.parametrize(("to", "answers"), [("LB", 1), ("T1", 0), ("EVERYONE", 1)])
def test_a_request_to_another_stations_mac_is_not_answered(kit, play, to, answers):
    play.tick()
    assert len(answered(kit, play, dst=getattr(kit, to))) == answers


def test_two_networks_of_one_interface_are_told_apart_by_their_vlans(kit):
    config = vlan_seed(kit, None)
    config.networks.append(
        Network(
            number=2, addr="10.9.0.0", mask="255.255.255.0", real="10.9.0.2", interface=1, vlan=9,
            registered=True, enabled=True,
        )
    )  # fmt: skip
    config.servers.append(kit.server(2, ipaddr="10.9.0.10"))
    play = kit.make(config)
    play.world.links[1] = Link(number=1, name="eth0", ifindex=2, mac=kit.mac(kit.LB), mtu=1500, up=True)
    play.tick()
    ask = kit.arp(1, kit.ROUTER, "10.9.0.1", "10.9.0.10")
    assert play.give(ask).send == []
    assert [f.vlan for f in play.give(ask, vlan=9).send] == [9]
