"""One type for IPv4 and IPv6: what goes in comes out, and the standard library agrees."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.address import UNSPECIFIED_V4, Address, Prefix

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None)


@given(address=st.one_of(V4, V6))
def test_text_and_bytes_are_those_of_the_standard_library(address):
    ours = Address.parse(str(address))
    assert ours == Address.of(address.packed)
    assert (str(ours), ours.packed, ours.family) == (str(address), address.packed, address.version)
    assert len(ours) == 16
    assert repr(ours) == f"Address('{address}')"


@given(first=V4, second=V4)
def test_order_and_equality_are_those_of_the_numbers(first, second):
    ours, other = Address.parse(str(first)), Address.parse(str(second))
    assert (ours < other) == (first < second)
    assert (ours == other) == (first == second)
    assert ours.word - other.word == int(first) - int(second)


@pytest.mark.parametrize("text", ["", "172.16.1", "172.16.1.256", "server", "1.2.3.4/24"])
def test_what_is_not_an_address_is_refused(text):
    with pytest.raises(ValueError):
        Address.parse(text)
    assert Address.parse_v4(text) is None


@pytest.mark.parametrize("length", [0, 3, 5, 15, 17])
def test_other_lengths_are_refused(length):
    with pytest.raises(ValueError, match=f"16 bytes, not {length}"):
        Address.of(bytes(length))


def test_only_ipv4_is_read_as_ipv4():
    assert Address.parse_v4("172.16.1.10") == Address.parse("172.16.1.10")
    assert Address.parse_v4("2001:db8::1") is None
    assert Address.parse_v4(None) is None
    assert Address.parse("0.0.0.0") == UNSPECIFIED_V4


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("1.0.0.0", True),
        ("126.255.255.255", True),
        ("127.0.0.1", False),
        ("128.0.0.1", True),
        ("223.255.255.255", True),
        ("224.0.0.0", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::2", True),
        ("2001:db8::1", True),
        ("fe80::1", True),
        ("ff02::1", False),
    ],
)
def test_which_addresses_a_host_may_have(text, host):
    assert Address.parse(text).is_host == host


@given(address=V4, other=V4, length=st.integers(0, 32))
def test_a_network_contains_what_the_standard_library_says(address, other, length):
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    prefix = Prefix(Address.parse(str(address)), Address.parse(str(network.netmask)))
    assert (Address.parse(str(other)) in prefix) == (other in network)
    assert Address.parse(str(address)) in prefix
    assert prefix.length == 96 + length
    assert Address.parse("2001:db8::1") not in prefix


@given(address=V6, other=V6, length=st.integers(0, 128))
def test_one_of_ipv6_too(address, other, length):
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    prefix = Prefix(Address.parse(str(address)), Address.parse(str(network.netmask)))
    assert (Address.parse(str(other)) in prefix) == (other in network)
    assert prefix.length == length


def test_a_mask_with_holes_or_of_another_family_is_refused():
    with pytest.raises(ValueError, match=r"255\.0\.255\.0 is not a network mask"):
        Prefix(Address.parse("10.0.0.0"), Address.parse("255.0.255.0"))
    with pytest.raises(ValueError, match="different families"):
        Prefix(Address.parse("10.0.0.0"), Address.parse("ffff::"))
