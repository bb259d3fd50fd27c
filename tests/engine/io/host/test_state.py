"""What is wanted, found and ours, and how these differ: wanted x found x owned -> what is to be done."""

import pytest

from engine.config.model import Config, Interface, Network
from engine.domain.frame import Link
from engine.io.host.state import (
    MARK,
    Difference,
    Found,
    FoundAddress,
    FoundLink,
    Owned,
    Placed,
    Wanted,
    compare,
    configured_links,
    holders,
    network_of,
    still_owned,
    unclaimed,
    wanted_of,
)

REAL, VIP = "172.16.1.252", "172.16.1.10"
AT = Placed(2, REAL, 24)
LINK = Link(1, "eth0", 2, b"\x02" * 6, 1500, True)


def network(number=1, real=REAL, mask="255.255.255.0", interface=1):
    return Network(number=number, real=real, mask=mask, interface=interface)


def found(*addresses, routes=()):
    """Addresses are `(Placed, mark)` or `Placed`, which somebody else has set."""
    made = [each if isinstance(each, tuple) else (each, 0) for each in addresses]
    return Found(
        links=(FoundLink(2, "eth0", b"\x02" * 6, 1500, True), FoundLink(3, "eth1", b"\x03" * 6, 1500, True)),
        addresses=tuple(FoundAddress(at, at.address, mark) for at, mark in made),
        routes=frozenset(routes),
        networks=frozenset((at.ifindex, str(network_of(at))) for at, _ in made),
    )


def test_an_address_is_written_as_people_write_it():
    assert str(AT) == f"{REAL}/24"


# -- links --------------------------------------------------------------------------------------------------------------


def test_the_link_of_an_interface_is_the_one_that_has_its_name_now():
    config = Config(
        interfaces=[
            Interface(number=1, name="eth0", enabled=True),
            Interface(number=2, name="eth1"),
            Interface(number=3, name="eth2", enabled=True),
        ]
    )
    links = (
        FoundLink(7, "eth0", b"\x07" * 6, 9000, False),
        FoundLink(5, "old0", b"\x05" * 6, 1500, True),
        FoundLink(6, "eth1", b"\x06" * 6, 1500, True),
    )
    assert configured_links(config, links) == {1: Link(1, "eth0", 7, b"\x07" * 6, 9000, False)}


# -- wanted -------------------------------------------------------------------------------------------------------------


def test_wanted_is_the_real_address_of_every_network_on_a_link_and_a_route_for_every_virtual_one():
    networks = [
        network(),
        network(2, "10.0.0.2", "255.0.0.0"),
        network(3, "10.3.0.2", interface=3),  # no such link now
        network(4, None),
        network(5, "10.5.0.2", None),
        network(6, "10.6.0.2", interface=None),
    ]
    assert wanted_of(networks, {1: LINK}, [VIP]) == Wanted(
        frozenset({AT, Placed(2, "10.0.0.2", 8)}), frozenset({VIP})
    )


# -- ours ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "owned", "alone", "ours"),
    [
        ((AT, MARK), {AT: True}, False, {AT: True}),
        ((AT, MARK), {AT: True}, True, {AT: True}),
        ((AT, MARK), {}, True, {AT: True}),  # left by an engine that is no more
        ((AT, MARK), {}, False, {}),  # another engine's
        ((AT, 0), {AT: True}, True, {}),  # somebody has set it again
        ((AT, 0), {}, True, {}),
        ((AT, 4), {AT: True}, True, {}),
        ((AT, 0), {AT: False}, False, {AT: False}),  # a kernel that takes no mark
        ((AT, MARK), {AT: False}, False, {AT: True}),  # it takes one after all
        ((AT, 4), {AT: False}, True, {}),
        ((Placed(2, REAL, 16), 0), {AT: True}, True, {}),
        ((Placed(3, REAL, 24), 0), {AT: False}, True, {}),
    ],
)
def test_what_is_ours_of_an_address(there, owned, alone, ours):
    assert still_owned(found(there), Owned(owned), alone=alone).addresses == ours


def test_an_unmarked_address_that_was_set_again_is_not_ours():
    there = Found(addresses=(FoundAddress(AT, REAL, set_again=True),))
    assert still_owned(there, Owned({AT: False}), alone=True).addresses == {}
    marked = Found(addresses=(FoundAddress(AT, REAL, MARK, set_again=True),))
    assert still_owned(marked, Owned({AT: True}), alone=False).addresses == {AT: True}


def test_what_is_gone_is_not_ours_any_more():
    assert still_owned(found(), Owned({AT: True}, frozenset({VIP})), alone=False) == Owned({}, frozenset())


def test_routes_with_our_mark_are_ours_where_we_added_them_or_are_alone():
    there = found(routes=["10.0.0.1", "10.0.0.2"])
    owned = Owned({}, frozenset({"10.0.0.1", "10.0.0.9"}))
    assert still_owned(there, owned, alone=False).routes == {"10.0.0.1"}
    assert still_owned(there, owned, alone=True).routes == {"10.0.0.1", "10.0.0.2"}


@pytest.mark.parametrize(
    ("there", "owned", "unknown"),
    [
        (found(), Owned(), False),
        (found(AT), Owned(), False),
        (found((AT, MARK)), Owned(), True),
        (found((AT, MARK)), Owned({AT: True}), False),
        (found(routes=[VIP]), Owned(), True),
        (found(routes=[VIP]), Owned({}, frozenset({VIP})), False),
        (found(), Owned({AT: True}, frozenset({VIP})), False),
    ],
)
def test_only_what_carries_our_mark_and_was_not_added_here_raises_the_question_whose_it_is(
    there, owned, unknown
):
    assert unclaimed(there, owned) is unknown


# -- the comparison -----------------------------------------------------------------------------------------------------

WANTED = Wanted(frozenset({AT}), frozenset({VIP}))
OWNED = Owned({AT: True}, frozenset({VIP}))


@pytest.mark.parametrize(
    ("there", "owned", "difference"),
    [
        (found(), Owned(), Difference(missing_addresses=(AT,), missing_routes=(VIP,))),
        (found((AT, MARK), routes=[VIP]), OWNED, Difference()),
        (found((AT, MARK)), OWNED, Difference(missing_routes=(VIP,), leftover_routes=())),
        (found(routes=[VIP]), Owned({}, frozenset({VIP})), Difference(missing_addresses=(AT,))),
        # Somebody else's: it serves, with whatever prefix length, and is never a leftover.
        (found(AT, routes=[VIP]), Owned(), Difference()),
        (found(Placed(2, REAL, 16), routes=[VIP]), Owned(), Difference()),
        (found(Placed(2, "172.16.1.77", 24), routes=[VIP]), Owned(), Difference(missing_addresses=(AT,))),
        # On another interface it does not serve.
        (found(Placed(3, REAL, 24), routes=[VIP]), Owned(), Difference(missing_addresses=(AT,))),
        # Ours with another prefix length: the configuration has changed.
        (
            found((Placed(2, REAL, 16), MARK), routes=[VIP]),
            Owned({Placed(2, REAL, 16): True}, frozenset({VIP})),
            Difference(missing_addresses=(AT,), leftover_addresses=(Placed(2, REAL, 16),)),
        ),
        # Ours on another interface: that one has been renamed.
        (
            found((Placed(3, REAL, 24), MARK), routes=[VIP]),
            Owned({Placed(3, REAL, 24): True}, frozenset({VIP})),
            Difference(missing_addresses=(AT,), leftover_addresses=(Placed(3, REAL, 24),)),
        ),
        # Another engine's, which we do not own.
        (found((AT, MARK), (Placed(2, "10.0.0.1", 8), MARK), routes=[VIP, "10.0.0.9"]), OWNED, Difference()),
        # Not needed any more.
        (
            found((AT, MARK), routes=[VIP, "10.0.0.9"]),
            Owned({AT: True}, frozenset({VIP, "10.0.0.9"})),
            Difference(leftover_routes=("10.0.0.9",)),
        ),
    ],
)
def test_how_the_kernel_differs_from_what_is_wanted(there, owned, difference):
    assert compare(WANTED, there, owned) == difference


def without_networks(*links, address=AT, secondary=False, owned=True, wanted=True):
    there = Found(links, (FoundAddress(address, address.address, MARK, secondary),), frozenset({VIP}))
    difference = compare(
        Wanted(frozenset({address} if wanted else ()), frozenset({VIP})),
        there,
        Owned({address: True} if owned else {}, frozenset({VIP})),
    )
    return difference.missing_networks


UP, DOWN = FoundLink(2, "eth0", b"", 1500, True), FoundLink(2, "eth0", b"", 1500, False)


def test_the_network_of_an_address_of_ours_has_a_route():
    assert without_networks(UP) == (AT,)
    assert without_networks(DOWN) == without_networks() == ()
    assert without_networks(UP, secondary=True) == ()
    assert without_networks(UP, owned=False) == ()
    assert without_networks(UP, wanted=False) == ()
    assert without_networks(UP, address=Placed(2, REAL, 32)) == ()
    assert without_networks(UP, address=Placed(2, REAL, 31)) == (Placed(2, REAL, 31),)
    elsewhere = found((AT, MARK), routes=[VIP])
    for networks in ({(3, "172.16.1.0/24")}, {(2, "172.16.1.0/25")}):
        there = Found(elsewhere.links, elsewhere.addresses, elsewhere.routes, frozenset(networks))
        assert compare(WANTED, there, OWNED).missing_networks == (AT,)


def test_a_network_is_written_as_people_write_it():
    assert str(network_of(AT)) == "172.16.1.0/24"
    assert str(network_of(Placed(2, "10.1.2.3", 8))) == "10.0.0.0/8"
    assert str(network_of(Placed(2, "10.1.2.3", 32))) == "10.1.2.3/32"
    assert str(network_of(Placed(2, "10.1.2.3", 0))) == "0.0.0.0/0"


def test_differences_come_in_order():
    many = Wanted(frozenset(Placed(2, f"10.0.0.{n}", 8) for n in (3, 1, 2)), frozenset("cab"))
    difference = compare(many, Found(), Owned())
    assert [at.address for at in difference.missing_addresses] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert difference.missing_routes == ("a", "b", "c")
    owned = Owned(dict.fromkeys(many.addresses, True), many.routes)
    difference = compare(Wanted(), Found(), owned)
    assert [at.address for at in difference.leftover_addresses] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert difference.leftover_routes == ("a", "b", "c")


def test_who_holds_an_address():
    there = found(Placed(3, VIP, 32), Placed(2, "10.0.0.1", 8), Placed(9, "10.0.0.2", 8))
    assert holders(there, {VIP, "172.16.1.11", "10.0.0.2"}) == {VIP: "eth1", "10.0.0.2": "?"}


def test_a_network_on_a_vlan_has_its_address_on_the_link_of_that_vlan():
    network = Network(
        number=4,
        real="172.16.4.252",
        mask="255.255.255.0",
        interface=1,
        vlan=42,
        registered=True,
        enabled=True,
    )
    found = (
        FoundLink(8, "lan42", b"", 1500, True, below=9, vlan=42),  # of another card
        FoundLink(6, "eth0.43", b"", 1500, True, below=LINK.ifindex, vlan=43),
        FoundLink(7, "eth0.42", b"", 1500, True, below=LINK.ifindex, vlan=42),
    )
    wanted = wanted_of([network], {1: LINK}, [], found)
    assert wanted == Wanted(frozenset({Placed(7, "172.16.4.252", 24)}))
    lacking = wanted_of([network], {1: LINK}, [], found[:2])
    assert lacking.addresses == frozenset()
    (text,) = lacking.lacking
    assert "network 4 is on VLAN 42" in text
    assert "ip link add link eth0 name eth0.42 type vlan id 42" in text
