"""What the network hears from us by ARP, and what we learn from it."""

import itertools

import pytest
from scapy.layers.l2 import ARP, Ether

from engine.config.model import Server


def replies(outcome):
    return [Ether(f.data) for f in outcome.send if Ether(f.data)[ARP].op == 2]


def announcements(play, address, since=0.0):
    return [p for p in play.frames(ARP, since) if p[ARP].op == 1 and p[ARP].psrc == p[ARP].pdst == address]


def requests(play, address, since=0.0):
    return [
        p
        for p in play.frames(ARP, since)
        if p[ARP].op == 1 and p[ARP].pdst == address and p[ARP].psrc != address
    ]


def refreshes(play, address, since=0.0):
    """Requests to the MAC that is known; everybody is asked besides, in case that a second host has the address."""
    return [p for p in requests(play, address, since) if p.dst != "ff:ff:ff:ff:ff:ff"]


# -- answering --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asker", ["172.16.1.254", "0.0.0.0"])
@pytest.mark.parametrize("address", ["172.16.1.10", "172.16.1.253"])
def test_a_request_for_a_virtual_address_is_answered_once_with_our_mac(kit, play, asker, address):
    play.tick()
    outcome = play.give(kit.arp(1, kit.ROUTER, asker, address), vlan=0xE000)
    assert outcome.consumed
    assert [f.vlan for f in outcome.send] == [0xE000]  # a priority, and no VLAN
    (reply,) = replies(outcome)
    assert (reply.src, reply.dst) == (kit.LB, kit.ROUTER)
    arp = reply[ARP]
    assert (arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == (kit.LB, address, kit.ROUTER, asker)


@pytest.mark.parametrize("address", ["172.16.1.252", "172.16.1.100", "172.16.1.11", "8.8.8.8"])
def test_nothing_else_is_answered_the_kernel_has_real(kit, play, address):
    play.tick()
    outcome = play.give(kit.arp(1, kit.ROUTER, "172.16.1.254", address))
    assert outcome.consumed
    assert outcome.send == []


def test_a_reply_and_a_garbled_request_are_not_answered(kit, play):
    play.tick()
    good = kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP)
    assert play.give(good[:-1]).send == []
    assert play.give(kit.arp(2, kit.ROUTER, "172.16.1.254", kit.VIP)).send == []
    assert play.give(kit.arp(1, kit.EVERYONE, "172.16.1.254", kit.VIP)).send == []
    assert len(play.give(good + bytes(18)).send) == 1  # padded to 60 bytes, as real cards do


def test_a_backup_says_nothing_but_finds_its_targets(kit):
    play = kit.backup()
    play.tick(1)
    assert play.give(kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP)).send == []
    assert announcements(play, kit.VIP) == []
    assert requests(play, "172.16.1.100")


def test_a_disabled_server_is_not_answered_for_but_another_on_its_address_is_enough(kit, play):
    play.tick()
    play.world.server_admin[1] = "disabled"
    play.tick()
    ask = kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP)
    assert play.give(ask).send == []
    play.chain.reconfigure(kit.seed(servers=[kit.server(1), kit.server(2, port=443)]))
    assert len(replies(play.give(ask))) == 1


def test_a_request_is_answered_on_the_address_own_link_only(kit, play):
    from engine.domain.frame import Link

    play.world.links[2] = Link(number=2, name="eth1", ifindex=3, mac=kit.mac(kit.STRANGER), mtu=1500, up=True)
    play.tick()
    assert play.give(kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP), interface=2).send == []


# -- announcing -------------------------------------------------------------------------------------------------------


def test_five_announcements_five_more_after_five_seconds_then_about_one_a_minute(kit, play):
    start = play.now
    play.tick()
    play.tick(1.5)
    first = announcements(play, kit.VIP)
    assert len(first) == 5
    assert {(p.src, p.dst, p[ARP].hwsrc) for p in first} == {(kit.LB, kit.EVERYONE, kit.LB)}
    play.tick(3.3)
    assert len(announcements(play, kit.VIP)) == 5
    play.tick(1.5)
    assert len(announcements(play, kit.VIP)) == 10
    play.tick(300)
    later = [at - start for at, f in play.sent if is_announcement(f, kit.VIP)][10:]
    assert 4 <= len(later) <= 6
    gaps = [b - a for a, b in itertools.pairwise(later)]
    assert all(59 < gap < 61 for gap in gaps)
    assert len(announcements(play, kit.VIRT)) in range(14, 17)


def is_announcement(frame, address):
    return announced(frame) == address


def announced(frame):
    """The address a frame announces, or None; read by hand, because scapy takes a while for thousands."""
    data = frame.data
    if data[12:14] != b"\x08\x06" or data[28:32] != data[38:42]:
        return None
    return ".".join(map(str, data[28:32]))


def test_a_new_server_is_announced_and_the_others_are_not_again(kit, play):
    play.tick(8)
    play.forget()
    new = kit.server(2, ipaddr="172.16.1.11")
    play.chain.reconfigure(kit.seed(servers=[kit.server(), new]))
    play.tick(1.5)
    assert len(announcements(play, "172.16.1.11")) == 5
    assert announcements(play, kit.VIP) == []


def test_a_link_that_comes_back_is_announced_on_again(kit, play):
    play.tick(8)
    play.world.links[1].up = False
    play.tick(1)
    play.forget()
    play.tick(70)
    assert play.sent == []
    play.world.links[1].up = True
    play.tick(1.5)
    assert len(announcements(play, kit.VIP)) == 5


def test_512_addresses_are_spread_and_all_told_once_before_any_is_told_thrice(kit):
    servers = [kit.server(n, ipaddr=f"172.16.{n // 200 + 2}.{n % 200 + 1}") for n in range(1, 513)]
    play = kit.make(kit.seed(servers=servers))
    play.tick()
    play.tick(2)
    per_tick: dict[float, int] = {}
    for at, frame in play.sent:
        per_tick[at] = per_tick.get(at, 0) + (announced(frame) is not None)
    assert max(per_tick.values()) <= 64
    told: dict[str, int] = {}
    for address in filter(None, (announced(f) for _, f in play.sent)):
        told[address] = told.get(address, 0) + 1
        if told[address] == 3:
            break
    assert len(told) == 513
    play.tick(12)
    sent = [announced(f) for _, f in play.sent]
    assert all(sent.count(s.ipaddr) == 10 for s in servers[::100])


# -- resolving --------------------------------------------------------------------------------------------------------


UNCHECKED = ["vrrp", "arp", "master", "slb"]
"""Modules without hc, whose failed checks have targets asked for at once."""


def test_targets_are_asked_for_from_real_once_a_second_until_they_answer(kit):
    play = kit.make(kit.seed(modules=UNCHECKED))
    play.tick()
    play.tick(4)
    asked = requests(play, "172.16.1.100")
    assert len(asked) == 5
    assert {(p[ARP].psrc, p[ARP].hwsrc, p.src, p.dst) for p in asked} == {
        (kit.REAL, kit.LB, kit.LB, kit.EVERYONE)
    }
    assert len(play.said("172.16.1.100 (target 1) does not answer ARP requests from 172.16.1.252")) == 1
    outcome = play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB, tha=kit.LB))
    assert outcome.recompile
    assert play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.T1)
    assert play.said(f"{kit.T1} is 172.16.1.100 (target 1)")
    play.forget()
    play.tick(15)
    assert refreshes(play, "172.16.1.100") == []
    assert ("arp", "172.16.1.100") not in play.world.alarms


def test_everybody_is_asked_for_a_known_address_every_ten_seconds(kit, play):
    play.up()
    start = play.now
    play.live(41)
    assert (
        refreshes(play, "172.16.1.100") == []
    )  # whoever has answered everybody's question need not be asked alone
    surveys = [
        at - start
        for at, f in play.sent
        if f.data[:6] == b"\xff" * 6 and f.data[38:42] == kit.ip("172.16.1.100").packed
    ]
    assert len(surveys) == 4
    assert [b - a for a, b in itertools.pairwise(surveys)] == pytest.approx([10.0] * 3, abs=0.1)
    assert play.notices == []


def test_another_mac_is_taken_up_when_the_known_one_is_asked_and_silent(kit, play):
    play.up()
    play.hosts["172.16.1.100"] = kit.STRANGER  # the machine was rebuilt
    play.give(kit.arp(1, kit.STRANGER, "172.16.1.100", "172.16.1.254"))
    claimed = play.now
    play.live(0.6)
    assert play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.T1)
    asked = requests(play, "172.16.1.100", claimed)
    assert [p.dst for p in asked] == [kit.T1, kit.STRANGER] * 3
    assert {(p[ARP].psrc, p[ARP].hwsrc) for p in asked} == {(kit.REAL, kit.LB)}
    assert play.recompiles == 0
    play.live(0.3)
    assert play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.STRANGER)
    assert play.recompiles
    assert [
        n.severity
        for n in play.said(
            f"{kit.STRANGER} is 172.16.1.100 (target 1) now; it was {kit.T1}, which did not answer 3 requests"
        )
    ] == ["warning"]


def test_two_hosts_with_one_address_cause_one_change_a_second_at_most(kit, play):
    play.up()
    for _ in range(10):
        play.give(kit.arp(1, kit.STRANGER, "172.16.1.100", "172.16.1.254"))
        play.give(kit.arp(1, kit.T1, "172.16.1.100", "172.16.1.254"))
    assert play.recompiles == 0
    play.live(5)
    assert play.recompiles == 0
    assert (
        len(requests(play, "172.16.1.100")) <= 3
    )  # one examination, which the first answer ended, and a survey


def test_a_silent_target_keeps_its_mac_and_is_called_stale_until_it_answers(kit, play):
    play.up()
    address = "172.16.1.100"
    del play.hosts[address]
    play.live(40)
    assert play.world.neighbours[kit.ip(address)].mac == kit.mac(kit.T1)
    assert len(play.said(f"its last MAC {kit.T1} stays in use")) == 1
    assert stated(play, address) == ["stale"]
    assert kit.EVERYONE in {p.dst for p in requests(play, address)}
    assert ("arp", address) in play.world.alarms
    play.hosts[address] = kit.T1
    play.live(2)
    assert len(play.said(f"{address} answers ARP again")) == 1
    assert stated(play, address) == ["resolved"]
    assert ("arp", address) not in play.world.alarms


def stated(play, address):
    return [s.state for s in play.chain.arp.entries(play.now) if str(s.address) == address]


def test_a_target_that_is_gone_from_the_file_is_forgotten_and_others_keep_their_mac(kit, play):
    play.up()
    play.chain.reconfigure(kit.seed(targets=[kit.target(2)], servers=[kit.server(targets=[2])]))
    play.tick(0.1)
    assert list(map(str, play.world.neighbours)) == ["172.16.1.101"]
    assert play.world.neighbours[kit.ip("172.16.1.101")].mac == kit.mac(kit.T2)


def test_1024_targets_are_all_asked_within_a_second_and_a_half(kit):
    targets = [kit.target(n, ipaddr=f"10.0.{n // 250}.{n % 250 + 1}") for n in range(1, 1025)]
    config = kit.seed(targets=targets, servers=[Server(number=1)])
    config.networks[0].addr, config.networks[0].mask, config.networks[0].real = (
        "10.0.0.0",
        "255.255.0.0",
        "10.0.9.9",
    )
    play = kit.make(config)
    play.tick()
    play.tick(1.2)
    assert len({p[ARP].pdst for p in play.frames(ARP) if p[ARP].psrc == "10.0.9.9"}) == 1024


# -- conflicts --------------------------------------------------------------------------------------------------------


def test_a_target_that_answers_for_the_virtual_address_is_a_conflict_that_names_it_and_the_cure(kit, play):
    play.up()
    outcome = play.give(kit.arp(2, kit.T1, kit.VIP, kit.REAL, dst=kit.LB, tha=kit.LB))
    (notice,) = outcome.notices
    assert (notice.kind, notice.severity, notice.subject) == ("arp", "error", kit.VIP)
    for part in (
        kit.VIP,
        kit.T1,
        kit.LB,
        "target 1",
        "172.16.1.100",
        "net.ipv4.conf.all.arp_ignore=1",
        "net.ipv4.conf.all.arp_announce=2",
    ):
        assert part in notice.message
    assert [a.message for key, a in play.world.alarms.items() if key[0] == "arp"] == [notice.message]
    (again,) = outcome.send
    assert is_announcement(again, kit.VIP)


def test_a_request_that_uses_the_virtual_address_as_its_source_is_one_too_and_is_answered_if_it_asks_for_ours(
    kit, play
):
    play.up()
    outcome = play.give(kit.arp(1, kit.T2, kit.VIP, "172.16.1.254"))
    assert "target 2 (172.16.1.101)" in outcome.notices[0].message
    outcome = play.give(kit.arp(1, kit.T2, kit.VIP, kit.VIRT))
    assert [p[ARP].psrc for p in replies(outcome)] == [kit.VIRT]


def test_a_foreign_announcement_is_answered_by_ours_alone(kit, play):
    play.up()
    outcome = play.give(kit.arp(1, kit.STRANGER, kit.VIP, kit.VIP))
    assert replies(outcome) == []
    assert len(outcome.send) == 1
    assert "unknown host" in outcome.notices[0].message


def test_an_unknown_host_is_named_by_the_address_it_gave_before(kit, play):
    play.up()
    play.give(kit.arp(1, kit.STRANGER, "172.16.1.77", "172.16.1.254"))
    outcome = play.give(kit.arp(2, kit.STRANGER, kit.VIP, kit.REAL))
    assert "unknown host (172.16.1.77)" in outcome.notices[0].message


def test_a_conflict_is_told_once_cleared_after_30_s_without_and_told_again_when_it_recurs(kit, play):
    play.up()
    claim = kit.arp(2, kit.T1, kit.VIP, kit.REAL)
    for _ in range(5):
        play.give(claim)
        play.live(5)
    assert len(play.said("also claims")) == 1
    play.live(24)
    assert play.said("no longer claimed") == []
    play.live(2)
    (over,) = play.said("no longer claimed")
    assert over.severity == "info"
    assert kit.T1 in over.message
    assert not [key for key in play.world.alarms if key[0] == "arp"]
    play.give(claim)
    assert len(play.said("also claims")) == 2


def test_our_announcements_against_a_claim_are_limited_to_one_a_second(kit, play):
    play.up()
    for _ in range(50):
        play.give(kit.arp(2, kit.T1, kit.VIP, kit.REAL))
    assert len(announcements(play, kit.VIP)) == 1
    play.now += 1.0
    play.give(kit.arp(2, kit.T1, kit.VIP, kit.REAL))
    assert len(announcements(play, kit.VIP)) == 2


def test_each_virtual_address_is_probed_for_from_nobody_every_five_to_ten_seconds(kit, play):
    play.tick()
    play.tick(60)
    for address in (kit.VIP, kit.VIRT):
        probes = [p for p in requests(play, address) if p[ARP].psrc == "0.0.0.0"]
        assert 6 <= len(probes) <= 13
        assert {(p.dst, p.src, p[ARP].hwsrc, p[ARP].hwdst) for p in probes} == {
            (kit.EVERYONE, kit.LB, kit.LB, "00:00:00:00:00:00")
        }


def test_a_fluxing_target_is_found_by_the_probe_and_named_though_its_mac_was_not_known_yet(kit):
    play = kit.make()
    play.tick()
    play.give(kit.arp(2, kit.T1, kit.VIP, "0.0.0.0", dst=kit.LB))
    assert play.said("also claims") == []  # a name is waited for
    play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB))
    play.tick(0.1)
    assert "which is target 1 (172.16.1.100)" in play.said("also claims")[0].message


def test_an_unnamed_conflict_waits_two_seconds_at_most(kit):
    play = kit.make()
    play.tick()
    play.give(kit.arp(2, kit.STRANGER, kit.VIP, "0.0.0.0", dst=kit.LB))
    play.tick(2.1)
    assert "unknown host" in play.said("also claims")[0].message


def test_our_own_frames_are_no_conflict(kit, play):
    play.up()
    play.give(kit.arp(1, kit.LB, kit.VIP, kit.VIP))
    assert play.notices == []
    assert play.sent == []


def test_a_host_that_makes_up_macs_fills_neither_memory_nor_the_log(kit, play):
    play.up()
    for n in range(1000):
        play.give(kit.arp(2, f"02:aa:00:00:{n // 256:02x}:{n % 256:02x}", kit.VIP, kit.REAL))
    assert len(play.said("also claims")) == 256
    assert len(play.world.alarms) == 256


def test_the_alarm_goes_with_the_server(kit, play):
    play.up()
    play.give(kit.arp(2, kit.T1, kit.VIP, kit.REAL))
    play.world.server_admin[1] = "disabled"
    play.tick(0.1)
    assert not [key for key in play.world.alarms if key[0] == "arp"]


def test_show_arp_lists_conflicts_virtual_addresses_and_targets(kit, play):
    play.up()
    play.give(kit.arp(2, kit.T1, kit.VIP, kit.REAL))
    rows = [
        (s.kind, str(s.address), s.mac.hex(":"), s.owner, s.state) for s in play.chain.arp.entries(play.now)
    ]
    assert rows == [
        ("conflict", kit.VIP, kit.T1, "target 1 (172.16.1.100)", "conflict"),
        ("virtual", kit.VIRT, kit.LB, "network 1 virt", "answering"),
        ("virtual", kit.VIP, kit.LB, "server 1", "answering"),
        ("target", "172.16.1.100", kit.T1, "target 1", "resolved"),
        ("target", "172.16.1.101", kit.T2, "target 2", "resolved"),
    ]


# -- to the moment ----------------------------------------------------------------------------------------------------


def sent_at(play, what):
    return [at - 1000.0 for at, f in play.sent if what(f)]


def is_probe(frame):
    return frame.data[28:32] == bytes(4)


def test_announcements_go_out_to_the_moment(kit):
    play = kit.make()
    play.tick()
    play.tick(6)
    times = sent_at(play, lambda f: is_announcement(f, kit.VIP))
    assert times == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 5.0, 5.2, 5.4, 5.6, 5.8], abs=0.06)
    play.tick(54)
    (steady,) = [t for t in sent_at(play, lambda f: is_announcement(f, kit.VIP)) if t > 6]
    assert 5.8 + 30 <= steady <= 5.8 + 60


def test_two_addresses_are_not_announced_in_step_from_the_second_minute_on(kit):
    play = kit.make(kit.seed(servers=[kit.server(n, ipaddr=f"172.16.1.{n}") for n in range(1, 9)]))
    play.tick()
    play.tick(70)
    late = [at for at, f in play.sent if announced(f) and at > 1006]
    assert max(late) - min(late) > 10


def test_a_request_is_repeated_every_second_and_a_mac_refreshed_within_18_to_22(kit):
    play = kit.make(kit.seed(modules=UNCHECKED))
    play.tick()
    play.tick(3.5)
    asks = sent_at(play, lambda f: f.data[38:42] == kit.ip("172.16.1.100").packed)
    assert asks == pytest.approx([0, 1, 2, 3], abs=0.06)
    heard = play.now
    play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB))
    play.forget()
    play.tick(25)
    first = min(
        at
        for at, f in play.sent
        if f.data[38:42] == kit.ip("172.16.1.100").packed and f.data[:6] == kit.mac(kit.T1)
    )
    assert 18 <= first - heard <= 22.1


def test_three_requests_without_an_answer_make_a_target_silent_and_the_fourth_goes_to_everybody(kit):
    play = kit.make(kit.seed(modules=UNCHECKED))
    play.live(4)
    play.forget()
    address = "172.16.1.100"
    del play.hosts[address]
    neighbour = play.world.neighbours[kit.ip(address)]
    for asked in range(1, 5):
        for _ in range(250):
            if neighbour.asked >= asked:
                break
            play.tick(0.1)
        assert neighbour.asked == asked
        assert bool(play.said("no longer answers")) == (asked == 4)
    assert [p.dst for p in refreshes(play, address)] == [kit.T1] * 3
    assert requests(play, address)[-1].dst == kit.EVERYONE


def test_a_conflict_is_over_thirty_seconds_after_the_last_claim_and_not_before(kit, play):
    play.up()
    play.give(kit.arp(2, kit.T1, kit.VIP, kit.REAL))
    claimed = play.now
    assert claimed < play.chain.arp._conflicts.next_due() <= claimed + 30
    play.live(29.9)
    assert play.said("no longer claimed") == []
    (entry,) = [e for e in play.chain.arp.entries(play.now) if e.kind == "conflict"]
    assert entry.age_s == pytest.approx(29.9, abs=0.05)
    play.live(0.2)
    assert len(play.said("no longer claimed")) == 1


def test_a_conflict_is_over_at_the_moment_at_which_it_is_due(kit, play):
    play.up()
    play.give(kit.arp(2, kit.T1, kit.VIP, kit.REAL))
    conflicts, over = play.chain.arp._conflicts, play.now + 30
    assert not [n for n in conflicts.due(over - 0.001).notices if "no longer claimed" in n.message]
    assert [n for n in conflicts.due(over).notices if "no longer claimed" in n.message]


def test_whose_a_mac_is_may_turn_out_until_every_target_was_asked_three_times(kit, play):
    play.tick()
    one, other = play.world.neighbours.values()
    one.mac, other.asked = kit.mac(kit.T1), 2
    assert not play.chain.arp._neighbours.settled()
    other.asked = 3
    assert play.chain.arp._neighbours.settled()


def test_a_conflict_without_a_name_is_reported_after_two_seconds_and_is_due_then(kit):
    play = kit.make()
    play.tick()
    play.give(kit.arp(2, kit.STRANGER, kit.VIP, "0.0.0.0", dst=kit.LB))
    assert play.now < play.chain.arp._conflicts.next_due() <= play.now + 2
    play.tick(1.9)
    assert play.said("also claims") == []
    play.tick(0.15)
    assert len(play.said("also claims")) == 1


def test_many_addresses_are_probed_for_more_slowly_but_within_ten_seconds(kit):
    servers = [kit.server(n, ipaddr=f"10.1.{n // 250}.{n % 250 + 1}") for n in range(1, 400)]
    play = kit.make(kit.seed(servers=servers))
    play.tick()
    play.tick(25)
    probes: dict[bytes, list[float]] = {}
    for at, frame in play.sent:
        if is_probe(frame):
            probes.setdefault(frame.data[38:42], []).append(at)
    gaps = [b - a for times in probes.values() for a, b in itertools.pairwise(times)]
    assert len(probes) == 401  # and `real`
    assert 7.9 <= min(gaps) <= max(gaps) <= 8.2  # 400 at 50 a second


def test_the_first_probes_are_spread_over_the_second_after_the_announcements(kit):
    play = kit.make(kit.seed(servers=[kit.server(n, ipaddr=f"172.16.1.{n}") for n in (1, 2, 3)]))
    play.tick()
    play.tick(2)
    assert sent_at(play, is_probe) == pytest.approx([0.3, 0.5, 0.7, 0.9, 1.1], abs=0.03)


def test_a_machine_that_has_just_started_takes_up_macs_and_defends_its_addresses(kit):
    play = kit.make(now=0.25)
    play.tick()
    play.give(kit.arp(2, kit.T1, "172.16.1.100", kit.REAL, dst=kit.LB))
    assert play.world.neighbours[kit.ip("172.16.1.100")].mac == kit.mac(kit.T1)
    outcome = play.give(kit.arp(2, kit.STRANGER, kit.VIP, kit.REAL))
    assert [announced(f) for f in outcome.send] == [kit.VIP]


def test_an_address_is_defended_again_after_a_second(kit, play):
    play.up()
    begun, defended = play.now, []
    for after in (0, 0.75, 1):
        play.now = begun + after
        defended.append(len(play.give(kit.arp(2, kit.STRANGER, kit.VIP, kit.REAL)).send))
    assert defended == [1, 0, 1]


def test_whoever_claimed_an_address_last_does_not_have_the_last_word(kit, play):
    play.up()
    play.tick(12)  # the announcements of the start are over
    waits = []
    for _ in range(2):
        for _ in range(5):
            play.give(kit.arp(1, kit.STRANGER, kit.VIP, kit.VIP))
            play.tick(0.1)
        claimed = play.now - 0.1
        before = len(sent_at(play, lambda f: announced(f) == kit.VIP))
        play.tick(2.5)
        later = sent_at(play, lambda f: announced(f) == kit.VIP)[before:]
        assert len(later) == 1
        waits.append(later[0] - claimed + 1000)
    assert waits == pytest.approx([1.1, 2.2], abs=0.11)


def test_a_host_is_not_named_by_an_address_that_it_claims_of_another(kit, play):
    play.up()
    play.give(kit.arp(1, kit.STRANGER, kit.REAL, kit.REAL))
    assert f"{kit.STRANGER}, which is unknown host, also claims" in play.said("also claims")[0].message


def test_an_announcement_waits_for_its_link_and_comes_with_it(kit):
    play = kit.make()
    play.world.links[1].up = False
    play.tick()
    play.tick(3)
    assert play.sent == []
    play.world.links[1].up = True
    back = play.now
    play.tick(1.0)
    first = min(at for at, f in play.sent if is_announcement(f, kit.VIP))
    assert first - back <= 1.0


def test_where_nobody_answers_arp_a_backup_asks_all_the_same_and_announces_nothing_when_due(kit):
    play = kit.backup()
    play.tick()
    assert play.chain.arp.next_due(play.now) == pytest.approx(play.now + 0.3)  # who else has `real`
    play.tick(5)
    assert not [f for _, f in play.sent if announced(f)]


def test_the_note_counts_answers_and_found_targets(kit, play):
    play.up()
    play.give(kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP))
    assert play.chain.arp.note() == "1 answers for 2 virtual addresses, 2 of 2 targets resolved"
