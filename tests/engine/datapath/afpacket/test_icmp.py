"""What the datapath says of packets that are too big, as scapy reads it."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, IPerror, TCPerror

from engine.datapath.afpacket.icmp import checksum, fragmentation_needed
from tests.helpers.frames import ICMP, OWN, ROUTER, TCP, UDP, VIP, VNET, Ether, frame

BIG = b"x" * 1600


def answer(data: bytes, mtu: int = 1400) -> Ether | None:
    made = fragmentation_needed(memoryview(bytearray(VNET + data)), mtu)
    if made is None:
        return None
    assert made[: len(VNET)] == bytes(len(VNET))
    return Ether(made[len(VNET) :])


def test_the_sender_is_told_the_mtu_and_which_packet():
    sent = frame(TCP(sport=40000, dport=80, flags="A"), payload=BIG, flags="DF")
    told = answer(sent)
    assert (told.src, told.dst) == (OWN, ROUTER)
    assert (told[IP].src, told[IP].dst) == (VIP, "192.0.2.10")
    icmp = told[ICMP]
    assert (icmp.type, icmp.code, icmp.nexthopmtu) == (3, 4, 1400)
    assert (told[IPerror].dst, told[TCPerror].sport) == (VIP, 40000)
    again = Ether(bytes(told))
    del again[IP].chksum, again[ICMP].chksum
    assert bytes(again) == bytes(told)  # scapy makes the same checksums


def test_what_may_be_fragmented_is_not_answered():
    assert answer(frame(UDP(sport=1, dport=80), payload=BIG)) is None


@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12])
def test_an_error_is_never_answered(kind):
    about = IP(src=VIP, dst="192.0.2.10") / TCP(sport=80, dport=40000)
    error = frame(ICMP(type=kind) / about, payload=BIG, flags="DF")
    assert answer(error) is None


def test_an_echo_request_is_answered():
    assert answer(frame(ICMP(type=8), payload=BIG, flags="DF"))[ICMP].code == 4


@pytest.mark.parametrize("source", ["0.0.0.0", "127.0.0.1", "224.0.0.9", "255.255.255.255"])
def test_nobody_in_particular_is_told_nothing(source):
    assert answer(frame(src=source, payload=BIG, flags="DF")) is None


def test_nor_who_sent_to_many_or_a_later_fragment():
    assert answer(frame(to="ff:ff:ff:ff:ff:ff", payload=BIG, flags="DF")) is None
    assert answer(frame(by="01:00:5e:00:00:01", payload=BIG, flags="DF")) is None
    later = IP(frame(payload=BIG, flags="DF")[14:])
    later.frag = 100
    whole = Ether(dst=OWN, src=ROUTER) / later
    assert answer(bytes(whole)) is None


def test_the_longest_header_is_quoted_whole_and_eight_bytes_behind_it():
    from scapy.layers.inet import IPOption_NOP

    sent = frame(UDP(sport=1, dport=80), payload=b"x", flags="DF", options=[IPOption_NOP()] * 40)
    assert len(sent) == 14 + 60 + 9  # one byte over the smallest MTU there is
    made = fragmentation_needed(memoryview(bytearray(VNET + sent)), 68)
    assert made[-68:] == sent[14 : 14 + 68]


def test_a_carry_out_of_a_carry_is_added_too():
    assert checksum(b"\xff\xff\xff\xff\x00\x01") == 0xFFFE
