"""A table as pages: what the program looks for it finds, by the same hashes, within the probes that it makes."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from engine.datapath.contract import NOT_MEMBER, Pick
from engine.datapath.table import Compiler, EgressInput, ServerInput, TargetInput
from engine.datapath.xdp import image
from engine.datapath.xdp.image import HEAD, PAGE, SERVER, TARGET, VIRTUAL, Image
from engine.domain.address import Address

MULTIPLIER = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
OWN = [bytes.fromhex("020000000002"), bytes.fromhex("00005e000107"), bytes.fromhex("00005e000108")]
C_TYPE = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}


def spread(word):
    return (word ^ word >> 32) * MULTIPLIER & MASK


def mac(number):
    return bytes.fromhex(f"02000000{number:04x}")


def compiled(servers=3, targets=4, method="hash", **more):
    made = [
        TargetInput(n, f"10.0.{n >> 8}.{n & 255}:80", mac(n), weight=n % 3 + 1, **more)
        for n in range(1, targets + 1)
    ]
    numbers = tuple(t.number for t in made)
    addresses = [Address.of(bytes((172, 16, n >> 8, n & 255))) for n in range(servers)]
    return Compiler().compile(
        [
            ServerInput(
                n + 1, address, 80, "tcp", method, by_port=False, idle_s=600, new=numbers, keep=numbers
            )
            for n, address in enumerate(addresses)
        ],
        made,
        virtual=[*addresses, Address.parse("2001:db8::10")],
        own_mac=OWN,
        blocked_mac=[t.mac for t in made],
        mtu=1500,
    )


class Read:
    """An image, read as the program reads it."""

    def __init__(self, table):
        made = Image(table, 64, 5)
        self.memory = bytearray(made.pages * PAGE)
        made.write(memoryview(self.memory))
        self.head = np.frombuffer(self.memory, HEAD, 1)[0]

    def row(self, kind, first, at):
        return np.frombuffer(self.memory, kind, 1, int(self.head[first]) + at * np.dtype(kind).itemsize)[0]

    def virtual(self, address):
        high, low = (int.from_bytes(address[at : at + 8], "little") for at in (0, 8))
        found = spread(high * MULTIPLIER & MASK ^ low)
        for probe in range(8):
            row = self.row(VIRTUAL, "virtual_first", (found >> 32) + probe & int(self.head["virtual_mask"]))
            if not row["number"] or bytes(row["address"]) == address:
                return row
        return None

    def server(self, number, port, protocol):
        key = 1 << 63 | number << 32 | int.from_bytes(port.to_bytes(2, "big"), "little") << 16 | protocol
        for probe in range(8):
            at = (spread(key) >> 32) + probe & int(self.head["server_mask"])
            row = self.row(SERVER, "server_first", at)
            if not row["key"] or row["key"] == key:
                return row
        return None

    def is_known(self, address):
        found = int.from_bytes(address, "little")
        hashed = spread(found)
        line = self.row(("<u8", 8), "mac_first", hashed >> 32 & int(self.head["mac_mask"])).tolist()
        bit = int(self.head["mac_filter"][hashed >> 61]) >> (hashed >> 55 & 63) & 1
        return bool(bit) and any(word & (1 << 48) - 1 == found and word for word in line)

    def buckets(self, row):
        return np.frombuffer(self.memory, "<u2", int(row["ring_len"]), int(row["ring_first"]))


@pytest.mark.parametrize("servers", [0, 1, 3, 512])
def test_every_server_is_found_where_the_program_looks(servers):
    table = compiled(servers)
    read = Read(table)
    for at in range(servers):
        virtual = read.virtual(table.server_addr[at].tobytes())
        row = read.server(int(virtual["number"]), 80, 6)
        assert row["number"] == table.server_number[at]
        assert virtual["only_server"] == row["number"]
        first, length = int(table.bucket_start[at]), int(table.bucket_len[at])
        assert (read.buckets(row) == table.buckets[first : first + length]).all()
    assert read.virtual(Address.parse("2001:db8::10"))["only_server"] == 0
    assert read.virtual(Address.parse("172.16.99.99"))["number"] == 0


def test_neighbours_in_number_do_not_crowd():
    """Addresses and MACs of a site differ in their last bytes, wherever those stand in a word."""
    read = Read(compiled(512, targets=1000))
    assert read.head["virtual_mask"] < 4096
    assert read.head["server_mask"] < 4096
    assert read.head["mac_mask"] < 1024


def test_every_mac_is_known_and_no_other():
    read = Read(compiled(targets=1000))
    assert all(read.is_known(mac(n)) for n in range(1, 1001))
    assert all(map(read.is_known, OWN))
    assert not any(read.is_known(mac(n)) for n in range(1001, 3000))
    assert read.head["own_count"] == 3


@pytest.mark.parametrize("length", [1, 2, 3, 11, 4096, 65536, 65537])
def test_the_remainder_by_multiplication_is_the_remainder(length):
    reciprocal = (MASK // length + 1) & MASK
    rng = random.Random(length)
    for number in [0, 1, length - 1, length, 2**32 - 1, *(rng.getrandbits(32) for _ in range(2000))]:
        part = reciprocal * number & MASK
        assert ((part >> 32) * length + ((part & 0xFFFFFFFF) * length >> 32)) >> 32 == number % length


def test_targets_have_their_ways_out():
    away = EgressInput(7, bytes.fromhex("020000000701"), 1400, 200)
    read = Read(compiled(egress=away, limit=9))
    row = read.row(TARGET, "target_first", 2)
    assert bytes(row["mac"]) == mac(2)
    assert bytes(row["source"]) == away.mac
    assert [int(row[name]) for name in ("ifindex", "mtu", "vlan", "retag", "gone", "limit")] == [
        7, 1400, 200, 1, 0, 9,
    ]  # fmt: skip
    assert read.head["mtu_most"] == 1500


def test_where_the_first_of_equals_is_chosen_the_order_stays():
    row = Read(compiled(method="session", servers=1)).server(1, 80, 6)
    assert row["pick"] == Pick.LEAST
    read = Read(compiled(method="session", servers=1))
    choice = np.frombuffer(read.memory, "<u2", int(row["choice_len"]), int(row["choice_first"]))
    assert choice.tolist() == [1, 2, 3, 4]


def test_members_keep_their_generation_and_what_is_no_member_stays_none():
    table = compiled()
    read = Read(table)
    member = np.frombuffer(read.memory, np.uint8, table.member.size, int(read.head["member_first"]))
    assert (member == table.member.ravel()).all()
    assert NOT_MEMBER | 0x40 == NOT_MEMBER


@pytest.mark.parametrize(
    ("struct", "kind"), [("head", HEAD), ("virtual", VIRTUAL), ("server", SERVER), ("target", TARGET)]
)
def test_rows_are_laid_out_as_in_table_h(struct, kind):
    text = Path(image.__file__).with_name("table.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    body = re.search(rf"struct {struct} {{(.*?)}};", text, re.DOTALL)[1]
    at, places = 0, {}
    for width, names in re.findall(r"(u8|u16|u32|u64) ([^;]+);", body):
        for name, count in re.findall(r"(\w+)(?:\[(\d+)\])?", names):
            at = -(-at // C_TYPE[width]) * C_TYPE[width]
            places[name] = at
            at += C_TYPE[width] * int(count or 1)
    assert at == kind.itemsize
    assert places == {name: kind.fields[name][1] for name in kind.names}
