"""scapy is the oracle: what it builds we read, what we build it finds right, checksums included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether

from engine.domain.address import Address
from engine.domain.mac import mac_text
from engine.packets import build, read
from engine.packets.checksum import checksum
from engine.packets.headers import Arp

A, B = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"
MAC = st.binary(min_size=6, max_size=6)
ADDRESS = st.binary(min_size=4, max_size=4).map(Address.of)
U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)


def as_scapy_builds(data: bytes) -> bytes:
    """The same frame with every checksum and length made by scapy."""
    packet = Ether(data)
    for layer, name in ((IP, "chksum"), (IP, "len"), (TCP, "chksum"), (TCP, "dataofs"), (ICMP, "chksum")):
        if layer in packet:
            delattr(packet[layer], name)
    return bytes(packet)


@given(data=st.binary(max_size=200))
def test_the_checksum_is_the_one_of_rfc_1071(data):
    words = data + b"\x00" * (len(data) % 2)
    total = sum(int.from_bytes(words[i : i + 2], "big") for i in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum(data) == total ^ 0xFFFF


@given(kind=st.sampled_from(["syn", "rst"]), src=ADDRESS, dst=ADDRESS, sport=U16, dport=U16, seq=U32)
def test_tcp_segments_are_what_scapy_builds(kind, src, dst, sport, dport, seq):
    data = build.tcp(kind, (A, B), (src, dst), (sport, dport), seq)
    assert data == as_scapy_builds(data)
    packet = Ether(data)
    assert (packet.src, packet.dst) == (mac_text(A), mac_text(B))
    assert (packet[TCP].sport, packet[TCP].dport, packet[TCP].seq) == (sport, dport, seq)
    assert packet[TCP].flags == {"syn": "S", "rst": "R"}[kind]
    ip = read.ipv4(data)
    assert ip is not None
    assert (ip.src, ip.dst, ip.end) == (src, dst, len(data))
    assert read.tcp(data, ip)[:3] == (sport, dport, seq)


@given(src=ADDRESS, dst=ADDRESS, ident=U16, seq=U16)
def test_echo_requests_are_what_scapy_builds(src, dst, ident, seq):
    data = build.echo_request((A, B), (src, dst), ident, seq)
    assert data == as_scapy_builds(data)
    assert (Ether(data)[ICMP].type, Ether(data)[ICMP].id, Ether(data)[ICMP].seq) == (8, ident, seq)


@given(payload=st.binary(max_size=1472), ident=U16, seq=U16, tos=st.integers(0, 255))
def test_an_echo_reply_is_the_request_turned_round(payload, ident, seq, tos):
    echo = ICMP(type=8, id=ident, seq=seq) / payload
    request = bytes(Ether(src=A, dst=B) / IP(src="10.9.8.7", dst="172.16.1.10", tos=tos, ttl=3) / echo)
    data = build.echo_reply(request, read.ipv4(request), B)
    assert data == as_scapy_builds(data)
    reply = Ether(data)
    assert (reply.src, reply.dst) == (mac_text(B), mac_text(A))
    assert (reply[IP].src, reply[IP].dst, reply[IP].ttl, reply[IP].tos) == (
        "172.16.1.10",
        "10.9.8.7",
        64,
        tos,
    )
    assert (reply[ICMP].type, reply[ICMP].id, reply[ICMP].seq) == (0, ident, seq)
    assert bytes(reply[ICMP].payload) == payload


@given(op=U16, sha=MAC, spa=ADDRESS, tha=MAC, tpa=ADDRESS, to=MAC)
def test_arp_packets_are_read_as_they_were_built(op, sha, spa, tha, tpa, to):
    data = build.arp(Arp(op, sha, spa, tha, tpa), to=to)
    packet = Ether(data)
    assert packet.dst == mac_text(to)
    assert packet[ARP].hwsrc == mac_text(sha)
    station = not sha[0] & 1 and any(sha)
    assert read.arp(data) == (Arp(op, sha, spa, tha, tpa) if station else None)


@pytest.mark.parametrize(
    "change",
    [
        {"hwtype": 6},
        {"ptype": 0x86DD},
        {"hwlen": 8},
        {"plen": 16},
        {"hwsrc": "ff:ff:ff:ff:ff:ff"},
        {"hwsrc": "00:00:00:00:00:00"},
    ],
)
def test_arp_of_another_kind_is_not_read(change):
    good = {"hwsrc": "02:00:00:00:00:01", "psrc": "1.2.3.4", "pdst": "1.2.3.5", "hwdst": "00:00:00:00:00:00"}
    frame = Ether(src=A, dst=B) / ARP(**good)
    assert read.arp(bytes(frame)) is not None
    for name, value in change.items():
        setattr(frame[ARP], name, value)
    assert read.arp(bytes(frame)) is None


def test_padding_is_no_payload_and_a_total_length_beyond_the_frame_is_malformed():
    data = bytes(Ether(src=A, dst=B) / IP(src="1.2.3.4", dst="5.6.7.8") / TCP(flags="S"))
    assert read.ipv4(data + bytes(6)).end == len(data)
    assert read.ipv4(data[:-1]) is None


def test_a_header_with_a_wrong_checksum_is_malformed():
    data = bytearray(bytes(Ether(src=A, dst=B) / IP(src="1.2.3.4", dst="5.6.7.8") / TCP(flags="S")))
    data[22] ^= 1
    assert read.ipv4(bytes(data)) is None


@given(data=st.binary(max_size=120))
def test_no_reader_raises(data):
    read.arp(data)
    for frame in (data, bytes(12) + b"\x08\x00E" + data):
        for embedded in (False, True):
            ip = read.ipv4(frame, embedded=embedded)
            if ip is not None:
                assert ip.start <= ip.end <= len(frame)
                read.tcp(frame, ip)
                read.echo(frame, ip)
