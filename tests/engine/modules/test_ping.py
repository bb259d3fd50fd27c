"""Echo replies for the virtual addresses, and for nothing else."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, IPOption_LSRR, IPOption_RR, fragment
from scapy.layers.l2 import Ether

from engine.packets.checksum import checksum

CLIENT = "10.9.8.7"


def echo(kit, dst=None, payload=b"abcdefgh", *, eth=None, **ip):
    base = {"src": CLIENT, "dst": dst or kit.VIP}
    ether = Ether(src=kit.ROUTER, dst=kit.LB) if eth is None else eth
    return ether / IP(**{**base, **ip}) / ICMP(type=8, id=7, seq=9) / payload


@pytest.fixture
def ready(play):
    play.tick()
    play.forget()
    return play


@pytest.mark.parametrize("size", [0, 1, 56, 1472])
@pytest.mark.parametrize("address", ["172.16.1.10", "172.16.1.253"])
def test_an_echo_to_a_virtual_address_is_answered(kit, ready, address, size):
    payload = bytes(i & 0xFF for i in range(size))
    outcome = ready.give(bytes(echo(kit, address, payload)), vlan=0xE000)
    assert outcome.consumed
    (frame,) = outcome.send
    assert (frame.interface, frame.vlan) == (1, 0xE000)
    reply = Ether(frame.data)
    assert (reply.src, reply.dst) == (kit.LB, kit.ROUTER)
    assert (reply[IP].src, reply[IP].dst, reply[ICMP].type) == (address, CLIENT, 0)
    assert bytes(reply[ICMP].payload) == payload
    again = reply.copy()
    del again[IP].chksum, again[ICMP].chksum
    assert bytes(again) == frame.data


@pytest.mark.parametrize("address", ["172.16.1.252", "172.16.1.100", "172.16.1.11", "8.8.8.8"])
def test_any_other_address_is_not_ours_to_answer(kit, ready, address):
    outcome = ready.give(bytes(echo(kit, address)))
    assert outcome.send == []
    assert not outcome.consumed


def test_a_backup_does_not_answer(kit):
    play = kit.backup()
    play.tick()
    assert play.give(bytes(echo(kit))).send == []


def test_fragments_of_an_echo_are_ignored(kit, ready):
    pieces = fragment(echo(kit, payload=bytes(4000)), fragsize=1400)
    assert len(pieces) == 3
    for piece in pieces:
        outcome = ready.give(bytes(piece))
        assert outcome.consumed
        assert outcome.send == []


def test_options_are_tolerated_and_left_out_of_the_answer(kit, ready):
    request = echo(kit, options=[IPOption_RR(routers=["0.0.0.0", "0.0.0.0"])])
    assert request[IP].ihl is None
    (frame,) = ready.give(bytes(request)).send
    assert Ether(frame.data)[IP].ihl == 5
    assert bytes(Ether(frame.data)[ICMP].payload) == b"abcdefgh"


def test_a_source_route_is_not_answered(kit, ready):
    outcome = ready.give(bytes(echo(kit, options=[IPOption_LSRR(routers=["1.2.3.4"])])))
    assert outcome.consumed
    assert outcome.send == []


def with_options(frame, options: bytes) -> bytes:
    """Put options as they are behind the IP header of a frame."""
    data = bytearray(bytes(frame))
    data[14] += len(options) // 4
    data[16:18] = (int.from_bytes(data[16:18], "big") + len(options)).to_bytes(2, "big")
    data[24:26] = bytes(2)
    data[24:26] = checksum(bytes(data[14:34]) + options).to_bytes(2, "big")
    return bytes(data[:34] + options + data[34:])


@pytest.mark.parametrize(
    ("options", "answered"),
    [
        (b"\x01\x01\x01\x01", True),
        (b"\x01\x83\x03\x04", False),  # a source route behind a filler
        (b"\x07\x02\x00\x00", True),
        (b"\x00\x83\x03\x04", True),  # the list has ended before
        (b"\x01\x01\x01\x07", False),  # without its length
        (b"\x07\x01\x00\x00", False),  # a length that leads nowhere
        (b"\x07\x04\x83\x03", True),  # not a route: the value of another option
    ],
)
def test_options_are_read_one_after_the_other(kit, ready, options, answered):
    outcome = ready.give(with_options(echo(kit), options))
    assert outcome.consumed
    assert len(outcome.send) == answered


def spoiled(frame, at, value=None):
    data = bytearray(bytes(frame))
    data[at] = data[at] ^ 0x55 if value is None else value
    return bytes(data)


def test_a_message_with_a_wrong_checksum_is_not_answered(kit, ready):
    assert ready.give(spoiled(echo(kit), 45)).send == []
    assert ready.give(spoiled(echo(kit), 24)).send == []
    assert len(ready.give(bytes(echo(kit))).send) == 1


@pytest.mark.parametrize("source", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "172.16.1.10"])
def test_a_source_that_is_no_host_is_not_answered(kit, ready, source):
    assert ready.give(bytes(echo(kit, src=source))).send == []


def test_broadcasts_and_frames_for_other_stations_are_not_answered(kit, ready):
    for dst in (kit.EVERYONE, kit.T1, "01:00:5e:00:00:01"):
        assert ready.give(bytes(echo(kit, eth=Ether(src=kit.ROUTER, dst=dst)))).send == []
    assert ready.give(bytes(echo(kit, eth=Ether(src=kit.EVERYONE, dst=kit.LB)))).send == []
    assert ready.give(bytes(echo(kit, eth=Ether(src=kit.LB, dst=kit.LB)))).send == []


def test_other_icmp_and_tcp_pass(kit, ready):
    for payload in (ICMP(type=13), ICMP(type=0, id=1, seq=1), TCP(dport=80, flags="S")):
        frame = Ether(src=kit.ROUTER, dst=kit.LB) / IP(src=CLIENT, dst=kit.VIP) / payload
        outcome = ready.chain.ping.handle(frame_of(frame), ready.now)
        assert not outcome.consumed
        assert outcome.send == []


def frame_of(packet):
    from engine.domain.frame import Frame

    return Frame(1, bytes(packet))


def test_a_flood_is_held_to_the_rate_and_the_next_second_is_answered_again(kit, ready):
    flood = bytes(echo(kit))
    answered = 0
    for i in range(5000):
        ready.now = 2000.0 + i / 5000
        answered += len(ready.give(flood).send)
    assert 1100 <= answered <= 1200
    assert ready.chain.ping.note() == f"{answered} echo requests answered, {5000 - answered} over 1000/s"
    ready.now += 1
    assert len(ready.give(flood).send) == 1


def test_a_message_larger_than_the_mtu_is_not_answered(kit, ready):
    ready.world.links[1].mtu = 1400
    ready.tick(0.1)
    assert ready.give(bytes(echo(kit, payload=bytes(1400)))).send == []
    assert len(ready.give(bytes(echo(kit, payload=bytes(1372)))).send) == 1
