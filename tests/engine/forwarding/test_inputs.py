"""What the compiler is told: servers of an interface, targets whose MAC is known."""

from __future__ import annotations

from engine.datapath.contract import NO_INTERFACE, NOT_MEMBER, Pick
from engine.datapath.table import EgressInput
from engine.domain.address import Address
from engine.domain.checks import VIP, ProbeKey
from engine.domain.states import NodeRole
from engine.forwarding.inputs import Inputs
from engine.modules.state.world import CheckResult, Neighbour, ServerDecision
from tests.engine.forwarding.conftest import CONFIG, DECISIONS, MAC, OWN, link

VIP1, VIP2 = Address.parse("172.16.1.10"), Address.parse("172.16.2.10")


def inputs(play, decisions=DECISIONS) -> Inputs:
    return Inputs(play.world, play.view, decisions)


def test_a_server_is_told_as_it_is_configured_and_decided(play):
    (server,) = inputs(play).servers(1)
    assert (server.number, server.address, server.port, server.protocol) == (1, VIP1, 80, "tcp")
    assert (server.method, server.by_port, server.idle_s) == ("hash", True, 77)
    assert (server.new, server.keep) == ((1, 2), (1, 2))
    (other,) = inputs(play).servers(2)
    assert (other.number, other.address, other.by_port) == (2, VIP2, False)
    assert inputs(play).servers(3) == []


def test_new_and_kept_targets_are_told_apart(play):
    decisions = {1: ServerDecision(1, (2,), (1, 2))}
    (server,) = inputs(play, decisions).servers(1)
    assert (server.new, server.keep) == ((2,), (1, 2))


def test_full_targets_are_told_for_the_datapath_counts_itself(play):
    decisions = {1: ServerDecision(1, (2,), (1, 2), full=(1,))}
    (server,) = inputs(play, decisions).servers(1)
    assert server.new == (1, 2)
    play.view.targets[2].maxsessions = 50
    assert [t.limit for t in inputs(play).targets] == [0, 50, 0]


def test_targets_whose_mac_is_not_known_are_left_out(play):
    play.resolve(1, None)
    assert [t.number for t in inputs(play).targets] == [2, 3]
    (server,) = inputs(play).servers(1)
    assert (server.new, server.keep) == ((2,), (2,))


def test_a_target_is_told_with_identity_mac_and_weight(play):
    one, two, _ = inputs(play).targets
    assert (one.number, one.identity, one.mac, one.weight) == (1, "172.16.1.100:80", MAC[1], 1)
    assert (two.number, two.weight) == (2, 3)


def test_blocked_are_the_macs_that_are_proved_to_be_of_targets_that_get_frames_and_our_own_elsewhere(play):
    assert inputs(play).blocked_mac(1) == [OWN[2]]
    prove(play, 1, 2, 3)
    assert inputs(play).blocked_mac(1) == [OWN[2], *sorted(MAC.values())]
    assert inputs(play, {1: ServerDecision(1, (2,), (1, 2))}).blocked_mac(1) == [OWN[2], MAC[1], MAC[2]]
    play.resolve(2, MAC[1])  # not where its check was accepted
    assert inputs(play).blocked_mac(1) == [OWN[2], MAC[1], MAC[3]]
    prove(play, 2, state="down")
    prove(play, 1, state="down")
    assert inputs(play).blocked_mac(1) == [OWN[2], MAC[3]]
    play.world.config.modules.remove("hc")  # nothing is checked, so nothing can be proved
    assert inputs(play).blocked_mac(1) == [OWN[2], MAC[1], MAC[3]]


def test_the_gateway_is_never_blocked(play):
    prove(play, 1, 2, 3)
    play.view.gateway = Address.parse("172.16.1.254")
    play.world.neighbours[play.view.gateway] = Neighbour(mac=MAC[2])
    assert inputs(play).blocked_mac(1) == [OWN[2], MAC[1], MAC[3]]


def test_a_server_whose_address_is_not_taken_does_not_answer(play):
    play.world.withheld.add(VIP1)
    assert inputs(play).virtual(1) == []
    assert [s.answers for s in inputs(play).servers(1)] == [False]
    assert inputs(play).virtual(2) == [VIP2]


def prove(play, *targets, state="up"):
    """Have the VIP checks of targets answer at their MACs."""
    for number in targets:
        key = ProbeKey(number, VIP, VIP1, 80, 3, 10)
        play.world.checks[key] = CheckResult(state=state, mac=MAC[number])


def test_a_node_that_is_not_the_master_serves_nobody_but_keeps_its_addresses(play):
    play.world.role = NodeRole.BACKUP
    assert inputs(play).servers(1) == []
    assert inputs(play).virtual(1) == [VIP1]
    assert inputs(play).virtual(2) == [VIP2]


def test_a_disabled_server_does_not_answer_and_keeps_its_flows(play):
    play.world.server_admin[1] = "disabled"
    play.view.refresh()
    (server,) = inputs(play, {1: ServerDecision(1, (), (1, 2))}).servers(1)
    assert (server.answers, server.new, server.keep) == (False, (), (1, 2))
    assert [(s.number, s.answers) for s in inputs(play).servers(2)] == [(2, True)]


def test_a_server_that_is_gone_is_not_told(play):
    assert inputs(play, {9: ServerDecision(9, (1,), (1,))}).servers(1) == []


def test_compiled_tables_hold_what_is_on_their_interface(play):
    prove(play, 1, 2, 3)
    play.follow()
    play.links(link(1, 1400), link(2))
    play.forwarding.compile(DECISIONS)
    (table,) = play.on("eth0").tables
    assert table.server_number.tolist() == [1]
    assert table.virtual_addr.tobytes() == VIP1
    assert table.server_addr.tobytes() == VIP1
    assert table.own_mac.tobytes() == OWN[1]
    assert [mac.tobytes() for mac in table.blocked_mac] == [OWN[2], *sorted(MAC.values())]
    assert table.mtu == 1400
    assert table.server_pick.tolist() == [Pick.HASH]
    assert table.member[1, [1, 2, 3]].tolist() == [0, 0, NOT_MEMBER]
    assert [table.target_mac[n].tobytes() for n in (1, 2)] == [MAC[1], MAC[2]]
    (other,) = play.on("eth1").tables
    assert other.server_number.tolist() == [2]
    assert other.virtual_addr.tobytes() == VIP2
    assert other.own_mac.tobytes() == OWN[2]


def test_an_interface_that_is_gone_is_compiled_as_it_was(play):
    play.follow()
    play.links(link(2))
    play.forwarding.compile(DECISIONS)
    (table,) = play.on("eth0").tables
    assert (table.own_mac.tobytes(), table.mtu) == (OWN[1], 1500)


# -- targets in other networks ------------------------------------------------------------------------------------------


def ways_out(play, interface: int) -> dict[int, EgressInput | None]:
    return {t.number: t.egress for t in inputs(play).targets_from(interface)}


def test_a_target_in_another_network_is_reached_by_its_interface(play):
    play.links(link(1), link(2, 1400))
    assert ways_out(play, 1) == {1: None, 2: None, 3: EgressInput(12, OWN[2], 1400)}
    assert ways_out(play, 2) == {1: EgressInput(11, OWN[1], 1500), 2: EgressInput(11, OWN[1], 1500), 3: None}


def test_a_target_whose_interface_is_missing_cannot_be_reached(play):
    play.links(link(1))
    assert ways_out(play, 1)[3] == EgressInput(NO_INTERFACE, bytes(6), 0xFFFF)


def test_a_target_on_a_vlan_is_reached_under_its_tag(play):
    play.configure(
        CONFIG.replace("interface 2\n}\nregister networks", "interface 2\n    vlan 200\n}\nregister networks")
    )
    assert ways_out(play, 1)[3] == EgressInput(12, OWN[2], 1500, 200)
    assert ways_out(play, 2)[3] is None  # its own servers' frames come under the same tag


def test_two_vlans_of_one_interface_are_told_apart(play):
    text = CONFIG.replace(
        "interface 2\n}\nregister networks", "interface 1\n    vlan 200\n}\nregister networks"
    )
    play.configure(text)
    untagged, tagged = EgressInput(0, OWN[1], 1500, 0), EgressInput(0, OWN[1], 1500, 200)
    assert ways_out(play, 1) == {1: untagged, 2: untagged, 3: tagged}


def test_a_compiled_table_says_by_which_way_a_target_is_reached(play):
    play.follow()
    play.forwarding.compile(DECISIONS)
    (table,) = play.on("eth0").tables
    assert table.target_egress[[1, 2, 3]].tolist() == [0, 0, 1]
    assert (table.egress_ifindex.tolist(), table.egress_mac.tobytes()) == ([12], OWN[2])
    assert (table.egress_mtu.tolist(), table.egress_vlan.tolist()) == ([1500], [0])
