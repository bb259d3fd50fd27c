"""Who asks for virtual addresses from time to time, and whom a flood does not bring among them."""

from engine.domain.address import Address
from engine.modules.arp.askers import CALM_PPS, FORGET_S, MOST, Askers


def host(number):
    return Address.of((0x0A00_0000 + number).to_bytes(4, "big")), bytes([2]) + number.to_bytes(5, "big")


ROUTER = host(1)


def ask(askers, number, now, interface=1):
    askers.asked(interface, *host(number), now)


def test_who_asks_is_known_on_its_interface():
    askers = Askers()
    ask(askers, 1, 1.0)
    ask(askers, 2, 2.0, interface=2)
    assert askers.known(1) == [ROUTER]
    assert askers.known(2) == [host(2)]


def test_two_hosts_with_one_address_are_two():
    askers = Askers()
    address, mac = ROUTER
    askers.asked(1, address, mac, 1.0)
    askers.asked(1, address, b"\2" * 6, 2.0)
    assert askers.known(1) == [ROUTER, (address, b"\2" * 6)]


def test_a_flood_of_strangers_neither_gets_among_them_nor_pushes_one_out():
    askers = Askers()
    ask(askers, 1, 1.5)
    for number in range(100_000):
        ask(askers, 100 + number, 10 + number / 2000)
    assert ROUTER in askers.known(1)
    assert len(askers.known(1)) <= 1 + CALM_PPS
    ask(askers, 7, 60.5)  # half a second after it
    assert host(7) not in askers.known(1)
    ask(askers, 7, 62.5)
    assert host(7) in askers.known(1)


def test_a_full_list_has_room_only_for_one_that_takes_the_place_of_a_silent_one():
    askers = Askers()
    for number in range(MOST):
        ask(askers, number, number * 1.0)
    ask(askers, 500, 100.0)
    assert len(askers.known(1)) == MOST
    assert host(500) not in askers.known(1)
    ask(askers, 0, FORGET_S)
    ask(askers, 500, FORGET_S + 1.0)  # the one that asked at 1 s has been silent for so long
    assert len(askers.known(1)) == MOST
    assert host(500) in askers.known(1)
    assert host(0) in askers.known(1)
    assert host(1) not in askers.known(1)
