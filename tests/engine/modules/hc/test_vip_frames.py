"""The VIP check on the wire, with scapy as the other side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import Ether

from engine.domain.address import Address
from engine.domain.mac import mac_text
from engine.modules.hc import vip_frames as vip

US, TARGET = b"\x02\x00\x00\x00\x00\x52", b"\x02\x00\x00\x00\x01\x00"
REAL, VIRTUAL = Address.parse("172.16.1.252"), Address.parse("172.16.1.10")

SYN = st.builds(
    vip.VipId,
    source=st.just(REAL),
    virtual=st.just(VIRTUAL),
    port=st.integers(1, 65535),
    local=st.sampled_from(vip.PORTS),
    seq=st.integers(0, 2**32 - 1),
)


def back(packet):
    return Ether(src=packet.dst, dst=packet.src) / IP(src=packet[IP].dst, dst=packet[IP].src)


@given(attempt=SYN)
def test_a_syn_ack_is_tied_to_its_syn_and_reset(attempt):
    syn = Ether(vip.question(attempt, US, TARGET))
    assert (syn.src, syn.dst) == (mac_text(US), mac_text(TARGET))
    tcp = TCP(sport=syn[TCP].dport, dport=syn[TCP].sport, flags="SA", ack=(syn[TCP].seq + 1) % 2**32, seq=99)
    answer = vip.read_answer(bytes(back(syn) / tcp))
    assert answer == vip.VipAnswer(attempt, "accepted", TARGET, half_open=True)
    rst = Ether(vip.reset(answer, US))
    assert (rst.src, rst.dst, rst[TCP].flags) == (syn.src, syn.dst, "R")
    assert (rst[IP].src, rst[IP].dst, rst[TCP].sport, rst[TCP].dport) == (
        syn[IP].src,
        syn[IP].dst,
        syn[TCP].sport,
        syn[TCP].dport,
    )
    assert (
        rst[TCP].seq == tcp.ack
    )  # the only number that a host in SYN-RECEIVED takes (RFC 9293 section 3.10.7.4)


@given(attempt=SYN)
def test_a_reset_is_a_refusal(attempt):
    syn = Ether(vip.question(attempt, US, TARGET))
    tcp = TCP(sport=syn[TCP].dport, dport=syn[TCP].sport, flags="RA", ack=(syn[TCP].seq + 1) % 2**32)
    assert vip.read_answer(bytes(back(syn) / tcp)) == vip.VipAnswer(attempt, "refused", TARGET)


def test_an_echo_reply_is_tied_to_its_request():
    attempt = vip.VipId(REAL, VIRTUAL, None, 7, 9)
    echo = Ether(vip.question(attempt, US, TARGET))
    reply = back(echo) / ICMP(type=0, id=echo[ICMP].id, seq=echo[ICMP].seq) / bytes(echo[ICMP].payload)
    assert vip.read_answer(bytes(reply)) == vip.VipAnswer(attempt, "accepted", TARGET)


@pytest.mark.parametrize("port", [80, None])
@pytest.mark.parametrize("quoted", [8, 20, 64])
def test_an_icmp_error_is_tied_to_what_it_quotes(port, quoted):
    attempt = vip.VipId(REAL, VIRTUAL, port, 61500, 9)
    asked = Ether(vip.question(attempt, US, TARGET))
    quote = bytes(asked[IP])[: 20 + quoted]
    error = Ether(src=TARGET, dst=US) / IP(src="172.16.1.100", dst="172.16.1.252") / ICMP(type=3, code=13)
    assert vip.read_answer(bytes(error / quote)) == vip.VipAnswer(attempt, "unreachable", TARGET, code=13)
    assert vip.read_answer(bytes(error / quote[:27])) is None


@pytest.mark.parametrize("flags", ["S", "A", "R", "PA", "FA"])
def test_other_segments_are_no_answer(flags):
    packet = Ether(src=TARGET, dst=US) / IP(src="172.16.1.10", dst="172.16.1.252")
    assert vip.read_answer(bytes(packet / TCP(sport=80, dport=61500, flags=flags, ack=1))) is None


def test_the_ports_are_none_of_the_kernels():
    assert vip.PORTS[0] > 60999  # net.ipv4.ip_local_port_range ends there
    assert vip.PORTS[-1] == 65535


@given(data=st.binary(max_size=200))
def test_reading_never_raises(data):
    vip.read_answer(data)
    vip.read_answer(bytes(12) + b"\x08\x00E" + data)
