"""Which server a destination belongs to, and what of a table can be told beforehand."""

from __future__ import annotations

import pytest

from engine.datapath.contract import ForwardingTable
from engine.datapath.keys import swap16
from engine.datapath.lookup import Lookup
from engine.domain.address import Address
from tests.helpers.frames import OWN, TARGET_MAC, VIP, compiled, mac, server

HTTP, OTHER = swap16(80), swap16(8080)
TCP, UDP, GRE = 6, 17, 47


def word(address: str) -> int:
    return int.from_bytes(Address.parse(address).packed, "little")


def found(lookup: Lookup, address: str = VIP, port: int = HTTP, protocol: int = TCP) -> int:
    return lookup.find_row(word(address), port, protocol)


def test_the_most_exact_server_comes_first():
    any_port, any_protocol = server(2, port=0), server(3, protocol="any")
    anything = server(4, port=0, protocol="any")
    lookup = Lookup(compiled(anything, any_protocol, any_port, server(1)))
    assert [lookup.number[found(lookup, port=p, protocol=q)] for p, q in [(HTTP, TCP), (OTHER, TCP)]] == [
        1,
        2,
    ]
    assert lookup.number[found(lookup, protocol=UDP)] == 3
    assert lookup.number[found(lookup, port=OTHER, protocol=UDP)] == 4
    assert lookup.number[found(lookup, port=0, protocol=GRE)] == 4
    assert found(lookup, address="172.16.1.11") == -1


@pytest.mark.parametrize(
    ("only", "rows"),
    [
        ({}, (0, -1, -1, -1)),
        ({"port": 0}, (0, 0, -1, -1)),
        ({"protocol": "any"}, (0, -1, 0, -1)),
        ({"port": 0, "protocol": "any"}, (0, 0, 0, 0)),
    ],
)
def test_a_server_alone_takes_what_it_names_and_nothing_else(only, rows):
    lookup = Lookup(compiled(server(**only)))
    asked = ((HTTP, TCP), (OTHER, TCP), (HTTP, UDP), (OTHER, UDP))
    assert tuple(found(lookup, port=port, protocol=protocol) for port, protocol in asked) == rows


def test_servers_of_one_address_are_named():
    lookup = Lookup(compiled(server(1), server(2, address=Address.parse("172.16.1.11")), server(3, port=443)))
    assert lookup.rows_at(word(VIP)) == [0, 2]
    assert lookup.rows_at(word("172.16.1.12")) == []


def test_a_server_that_is_not_ipv4_is_not_found_and_counts_as_a_row():
    six = Address.parse("2001:db8::ac10:10a")
    lookup = Lookup(compiled(server(1, address=six), server(2)))
    assert found(lookup) == 1
    assert len(lookup.row_of) == 1
    assert lookup.by_vlan() == {0: [Address.parse(VIP).packed]}


def test_macs_are_words_in_the_order_of_a_frame():
    lookup = Lookup(compiled(server()))
    assert lookup.own == [int.from_bytes(mac(OWN), "little")] == [lookup.source]
    assert lookup.egress[0].mac == mac(OWN)
    assert lookup.mac_bytes[3] == mac(TARGET_MAC[3])
    assert int(lookup.mac[3]) == int.from_bytes(mac(TARGET_MAC[3]), "little")
    assert lookup.blocked - {lookup.source} == {int.from_bytes(mac(m), "little") for m in TARGET_MAC.values()}
    assert lookup.blocked_words.tolist() == sorted(lookup.blocked)


def test_only_who_ends_like_a_blocked_host_or_like_us_may_be_a_loop():
    lookup = Lookup(compiled(server()))
    ends = {int.from_bytes(mac(m)[4:], "little") for m in (*TARGET_MAC.values(), OWN)}
    assert set(lookup.blocked_filter.nonzero()[0].tolist()) == ends


def test_whether_all_servers_tell_clients_apart_by_address_alone():
    assert Lookup(compiled(server())).all_by_address
    assert not Lookup(compiled(server(), server(2, port=443, by_port=True))).all_by_address


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"method": "first", "new": (2, 1)}, 2),
        ({"new": (1,)}, 1),
        ({"new": ()}, None),
        ({"new": (1, 2)}, None),
        ({"method": "random"}, None),
    ],
)
def test_the_target_of_a_new_flow_is_foretold_where_there_is_one_choice(changes, target):
    lookup = Lookup(compiled(server(2, port=443, new=(3,)), server(**changes)))
    assert lookup.would_pick(1, 12345) == target


def test_by_hash_it_is_the_bucket_of_the_flow():
    lookup = Lookup(compiled(server(2, port=443, new=(3,)), server(method="hash", new=(1, 2), keep=(1, 2))))
    buckets = lookup.table.buckets[1:]
    assert [lookup.would_pick(1, n << 20) for n in range(20)] == buckets[:20].tolist()


def test_the_empty_table_has_nothing():
    lookup = Lookup(ForwardingTable.empty())
    assert (lookup.own, lookup.source, lookup.egress[0].mac) == ([], 0, bytes(6))
    assert found(lookup) == -1
    assert lookup.rows_at(word(VIP)) == []
    assert lookup.by_vlan() == {}
    assert lookup.all_by_address
    assert lookup.keys.tolist() == [0xFFFF_FFFF_FFFF_FFFF]  # beyond every frame's key
