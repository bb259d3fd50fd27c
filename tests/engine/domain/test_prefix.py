"""A network: what is in it, where it begins and ends, and how long its mask is."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.address import Address, Prefix


@pytest.mark.parametrize(
    ("address", "netmask", "first", "last", "length"),
    [
        ("172.16.1.77", "255.255.255.0", "172.16.1.0", "172.16.1.255", 24),
        ("10.0.0.1", "255.255.255.254", "10.0.0.0", "10.0.0.1", 31),
        ("10.0.0.1", "255.255.255.255", "10.0.0.1", "10.0.0.1", 32),
        ("10.0.0.1", "0.0.0.0", "0.0.0.0", "255.255.255.255", 0),
        ("2001:db8::7", "ffff:ffff:ffff:ffff::", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", 64),
    ],
)
def test_a_network_has_a_first_and_a_last_address(address, netmask, first, last, length):
    network = Prefix.parse(address, netmask)
    assert (str(network.first), str(network.last)) == (first, last)
    assert network.family_length == length
    assert network.first in network
    assert network.last in network


def test_neighbours_are_outside():
    network = Prefix.parse("10.0.1.0", "255.255.255.0")
    assert Address.parse("10.0.0.255") not in network
    assert Address.parse("10.0.2.0") not in network
    assert Address.parse("::a00:100") not in network  # the same 32 bits, not an IPv4 address


@pytest.mark.parametrize(
    ("address", "netmask"),
    [("10.0.0.0", "255.0.255.0"), ("10.0.0.0", "0.0.0.255"), ("10.0.0.0", "ffff::"), ("x", "255.0.0.0")],
)
def test_what_is_no_network_is_refused(address, netmask):
    with pytest.raises(ValueError, match=r"."):
        Prefix.parse(address, netmask)


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_it_agrees_with_the_standard_library(address, length, other):
    reference = ipaddress.ip_network(f"{address}/{length}", strict=False)
    network = Prefix.parse(str(address), str(reference.netmask))
    assert (Address.parse(str(other)) in network) == (other in reference)
    assert str(network.first) == str(reference.network_address)
    assert str(network.last) == str(reference.broadcast_address)
    assert network.family_length == length
