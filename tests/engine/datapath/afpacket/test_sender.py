"""The way out by one interface: tags put in their place."""

from __future__ import annotations

from engine.datapath.afpacket.sender import tag_bytes, tagged
from engine.io import if_packet as c
from tests.helpers.frames import TCP, frame

ACK = TCP(sport=40000, dport=80, flags="A")


def test_a_tag_goes_back_with_the_protocol_it_came_with():
    data = memoryview(bytes([c.VNET_NEEDS_CSUM, 0, 0, 0, 0, 0, 34, 0, 16, 0]) + frame(ACK))
    made = tagged(data, tag_bytes(0x0064, 0x88A8))
    assert made[22:26] == b"\x88\xa8\x00\x64"
    assert made[10:22] == data[10:22]
    assert made[26:] == data[22:]
    assert made[6:8] == (38).to_bytes(2, "little")  # where the checksum begins moves with it
    plain = tagged(memoryview(bytes(10) + frame(ACK)), tag_bytes(0x0064))
    assert plain[22:26] == b"\x81\x00\x00\x64"
    assert plain[:10] == bytes(10)
