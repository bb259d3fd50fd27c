"""What the bench sends is what it says: checksums are right, or the frames would be dropped."""

import pytest

from engine.datapath.afpacket.icmp import checksum
from tests.bench import traffic
from tests.bench.traffic import CLIENTS, _heads, packet, with_options


@pytest.mark.parametrize("make", [lambda frame: frame, with_options], ids=["plain", "with options"])
def test_heads_made_beforehand_are_those_of_the_frames(make):
    heads = _heads(make(packet(0)), flows=70_000, chunk=10)
    for number in (0, 1, 255, 65_535, 65_536, 69_999):
        assert heads[number].tobytes() == make(packet(CLIENTS + number))[24:30]
    assert heads[70_003].tobytes() == heads[3].tobytes()


@pytest.mark.parametrize(
    "frame", [packet(CLIENTS), with_options(packet(CLIENTS))], ids=["plain", "with options"]
)
def test_header_checksums_are_right(frame):
    assert checksum(frame[14 : 14 + (frame[14] & 15) * 4] + bytes(0)) == 0


def test_options_stand_between_header_and_ports():
    plain, longer = packet(CLIENTS), with_options(packet(CLIENTS))
    assert longer[34:38] == b"\1\1\1\1"
    assert longer[38:] == plain[34:]
    assert int.from_bytes(longer[16:18], "big") == int.from_bytes(plain[16:18], "big") + 4


def test_a_tag_stands_behind_the_macs():
    assert traffic.TAGGED.on_the_wire(packet(1))[12:18] == b"\x81\0\0\xc8\x08\0"


def test_the_other_server_is_on_another_port():
    assert traffic.ELSEWHERE.usual[36:38] == (81).to_bytes(2, "big")
