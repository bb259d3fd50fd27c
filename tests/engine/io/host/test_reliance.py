"""Who relies on an address, so that it stays when we go."""

import pytest

from engine.io.host.reliance import ForeignRoute, Hop, lost_with, order_of_removal, relied_on
from engine.io.host.state import FoundAddress, Placed

OURS = Placed(2, "172.16.1.252", 24)
GATEWAY = "172.16.1.254"


def at(address, length=24, ifindex=2):
    return Placed(ifindex, address, length)


def have(place, *, secondary=False, network=None):
    return FoundAddress(place, network or place.address, secondary=secondary)


def route(destination="10.0.0.0/8", *, via=None, over=2, source=None, onlink=False):
    return ForeignRoute(destination, source, (Hop(over, via, onlink),))


def reasons(*beside, routes=(), promoting=(), restored=(), ours=(OURS,)):
    addresses = [*(have(place) if isinstance(place, Placed) else place for place in ours), *beside]
    candidates = [each.at for each in addresses[: len(ours)]]
    return relied_on(candidates, addresses, routes, promoting, restored)


SECOND = at("172.16.1.251")
SECONDARY = have(SECOND, secondary=True)


def test_alone_it_can_go():
    assert reasons() == {}
    assert relied_on([], [have(OURS)], [route(via=GATEWAY)], ()) == {}
    assert relied_on([OURS], [], [route(via=GATEWAY)], ()) == {}  # it is gone already


# -- secondary addresses ------------------------------------------------------------------------------------------------


def test_an_address_that_is_secondary_to_it_holds_it():
    assert reasons(SECONDARY) == {
        OURS: "172.16.1.251/24 is secondary to it and would go with it (promote_secondaries is off)"
    }


@pytest.mark.parametrize(
    "other",
    [
        have(SECOND),  # it came first, ours is the secondary one
        have(at("172.16.1.251", 25), secondary=True),
        have(at("172.16.2.251"), secondary=True),
        have(at("172.16.1.251", ifindex=3), secondary=True),
    ],
)
def test_other_addresses_do_not(other):
    assert reasons(other) == {}


def test_where_ours_is_secondary_itself_no_other_one_goes_with_it():
    assert (
        reasons(have(SECOND), have(at("172.16.1.250"), secondary=True), ours=[have(OURS, secondary=True)])
        == {}
    )


def test_where_secondary_ones_are_promoted_none_is_lost():
    assert reasons(SECONDARY, promoting=[2]) == {}
    assert OURS in reasons(SECONDARY, promoting=[3])


def test_a_secondary_one_that_is_added_again_holds_nothing():
    assert reasons(SECONDARY, restored=[SECOND]) == {}
    assert OURS in reasons(SECONDARY, have(at("172.16.1.250"), secondary=True), restored=[SECOND])


def test_both_ours_go_together_but_what_holds_the_one_holds_the_other():
    assert reasons(ours=[OURS, SECONDARY]) == {}
    held = reasons(routes=[route(source=SECOND.address, over=3)], ours=[OURS, SECONDARY])
    assert held[SECOND] == "the route to 10.0.0.0/8 has it as its source"
    assert "172.16.1.251/24 is secondary" in held[OURS]


# -- sources ------------------------------------------------------------------------------------------------------------


def test_a_route_that_has_it_as_its_source_holds_it():
    assert reasons(have(at("10.9.9.9")), routes=[route(source=OURS.address, over=3)]) == {
        OURS: "the route to 10.0.0.0/8 has it as its source"
    }
    assert reasons(routes=[route(source="172.16.1.251", over=3)]) == {}


def test_not_where_the_same_address_is_there_once_more():
    again = have(at(OURS.address, 16, ifindex=3))
    assert reasons(again, routes=[route(source=OURS.address, over=3)]) == {}


# -- gateways -----------------------------------------------------------------------------------------------------------


def test_a_route_whose_gateway_it_reaches_holds_it():
    assert reasons(have(at("10.9.9.9")), routes=[route("default", via=GATEWAY)]) == {
        OURS: f"the route to default has its gateway {GATEWAY} in the address's network"
    }


@pytest.mark.parametrize(
    "other",
    [
        route(via="10.9.9.1"),
        route(),  # over the link itself, which has another address
        route(via=GATEWAY, over=3),
        route(via=GATEWAY, onlink=True),
        ForeignRoute("10.0.0.0/8"),  # a blackhole
    ],
)
def test_other_routes_do_not(other):
    assert reasons(have(at("10.9.9.9")), routes=[other]) == {}


@pytest.mark.parametrize(
    ("other", "held"),
    [
        (have(at("172.16.5.1", 16)), False),
        (have(at("172.16.1.200", 30)), True),  # of the same network, but too small for the gateway
        (have(at("172.16.1.253", 30)), False),
        (have(at("172.16.5.1", 16, ifindex=3)), True),
        (have(at("192.0.2.1", 32), network="172.16.1.254"), False),  # a point-to-point link to it
    ],
)
def test_not_where_another_address_reaches_the_gateway(other, held):
    assert (OURS in reasons(other, routes=[route(via=GATEWAY)])) is held


def test_one_of_several_next_hops_is_enough():
    both = ForeignRoute("default", None, (Hop(3, "10.1.1.1"), Hop(2, GATEWAY)))
    assert OURS in reasons(have(at("10.9.9.9")), routes=[both])


# -- the last address ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("via", [None, GATEWAY, "10.9.9.1"])
def test_with_the_last_address_every_route_over_the_interface_would_go(via):
    assert reasons(routes=[route(via=via)]) == {
        OURS: "it is the last address of its interface, over which the route to 10.0.0.0/8 goes"
    }
    assert reasons(routes=[route(over=3)]) == {}


def test_a_next_hop_that_is_not_known_may_be_over_any_interface():
    assert OURS in reasons(routes=[route(over=0)])


def test_an_onlink_next_hop_needs_no_address_and_is_put_back():
    onlink = route("default", via=GATEWAY, onlink=True)
    assert reasons(routes=[onlink]) == {}
    assert lost_with([OURS], [have(OURS)], [onlink, route(over=3), ForeignRoute("blackhole")]) == [onlink]
    assert lost_with([OURS], [have(OURS), have(at("10.9.9.9"))], [onlink]) == []
    assert lost_with([OURS, SECOND], [have(OURS), SECONDARY], [onlink]) == [onlink]
    assert lost_with([], [have(OURS)], [onlink]) == []


def test_a_route_whose_source_is_gone_is_lost_too():
    sourced = route(over=3, source=SECOND.address)
    assert lost_with([SECOND], [have(OURS), SECONDARY], [sourced]) == [sourced]
    assert lost_with([OURS], [have(OURS), SECONDARY], [sourced]) == []


def test_secondary_addresses_are_removed_first():
    first, last = at("172.16.1.1"), at("172.16.1.9")
    addresses = [have(first), have(OURS, secondary=True), have(last, secondary=True)]
    assert order_of_removal([first, last, OURS], addresses) == [OURS, last, first]
    assert order_of_removal([last, first], []) == [first, last]
