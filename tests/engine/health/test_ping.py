"""Real echo requests over the loopback interface, and the reading of answers that loopback cannot give."""

import asyncio
import os
import socket

import pytest
from scapy.layers.inet import ICMP, IP

from engine.domain.address import Address
from engine.domain.checks import ProbeKey, ProbeStart
from engine.health import ping

HERE = "127.0.0.1"
ip = Address.parse


def once(address, source, timeout_s):
    """One attempt of a check."""
    return ping.run(ProbeStart(ProbeKey(1, "ping", ip(address), None, timeout_s, timeout_s), ip(source)))


def may_open():
    for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except PermissionError:
            continue
        return True
    return False


@pytest.fixture
async def pinger():
    if not may_open():
        reason = "needs CAP_NET_RAW, or this group in net.ipv4.ping_group_range"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    found = ping.Pinger(ip(HERE))
    found.start()
    yield found
    found.close()


async def test_a_host_that_is_there_answers(pinger):
    answer = await pinger.probe(ip("127.0.0.9"), 1)
    assert answer.ok
    assert 0 < answer.rtt_ms < 500
    assert pinger._asked == {}


async def test_a_thousand_at_once_all_answer(pinger):
    answers = []
    for _ in range(8):
        hosts = [f"127.0.1.{n}" for n in range(1, 129)]
        answers += await asyncio.gather(*(pinger.probe(ip(host), 2) for host in hosts))
    assert [a.error for a in answers if not a.ok] == []


async def test_closing_ends_what_is_in_flight_and_later_probes_say_so(pinger):
    pinger._request = lambda _number: b"\x00" * 8  # an echo reply nobody asked for: no answer will come
    task = asyncio.get_running_loop().create_task(pinger.probe(ip("127.0.0.9"), 5))
    await asyncio.sleep(0.02)
    pinger.close()
    assert (await task).error == "the check was stopped"
    assert (await pinger.probe(ip(HERE), 1)).error == "the check was stopped"
    pinger.close()


async def test_silence_is_no_answer_and_not_certain(pinger):
    pinger._request = lambda _number: b"\x00" * 8
    answer = await pinger.probe(ip("127.0.0.9"), 0.1)
    assert (answer.ok, answer.certain) == (False, False)
    assert answer.error == "no echo reply from 127.0.0.9 within 0.1 s"


async def test_the_shared_socket_is_opened_once_and_closed_at_the_end(pinger):
    assert (await once("127.0.0.9", HERE, 1)).ok
    shared = ping._shared[ip(HERE)]
    assert (await once("127.0.0.8", HERE, 1)).ok
    assert ping._shared == {ip(HERE): shared}
    ping.close()
    assert ping._shared == {}
    assert shared._sock is None


async def test_an_address_that_is_not_ours_says_so(pinger):
    answer = await once(HERE, "192.0.2.1", 1)
    assert not answer.ok
    assert not answer.certain
    assert answer.error == "cannot send echo requests from 192.0.2.1: Cannot assign requested address"
    assert ip("192.0.2.1") not in ping._shared


class Flight:
    """A pinger with one echo request to 172.16.1.100 in flight, and no socket."""

    def __init__(self):
        self.pinger = ping.Pinger(ip("172.16.1.252"))
        self.pinger._ident = 0x1234
        self.answer = asyncio.get_running_loop().create_future()
        self.pinger._asked[77] = ping._Asked(ip("172.16.1.100"), 5.0, self.answer)

    def take(self, packet, sender):
        self.pinger._take(bytes(packet), sender, 5.25)
        return self.answer.result() if self.answer.done() else None


def reply(**fields):
    return IP(src="172.16.1.100", dst="172.16.1.252") / ICMP(**{"type": 0, "id": 0x1234, "seq": 77, **fields})


async def test_only_the_reply_that_fits_is_taken():
    flight = Flight()
    for wrong in (reply(id=1), reply(seq=78), reply(type=8)):
        assert flight.take(wrong, "172.16.1.100") is None
    assert flight.take(reply(), "172.16.1.101") is None
    assert flight.take(reply(), "172.16.1.100").rtt_ms == pytest.approx(250)


async def test_unreachable_is_certain_if_it_quotes_our_request():
    quote = IP(src="172.16.1.252", dst="172.16.1.100") / ICMP(type=8, id=0x1234, seq=77)
    error = IP(src="172.16.1.252", dst="172.16.1.252") / ICMP(type=3, code=1)
    flight = Flight()
    other = IP(src="172.16.1.252", dst="172.16.1.101") / ICMP(type=8, id=0x1234, seq=77)
    assert flight.take(error / other, "172.16.1.252") is None
    assert flight.take(bytes(error) + bytes(quote)[:20], "172.16.1.252") is None
    answer = flight.take(error / quote, "172.16.1.252")
    assert (answer.ok, answer.certain, answer.error) == (False, True, "172.16.1.100 is unreachable")


async def test_short_messages_are_no_answer():
    flight = Flight()
    whole = bytes(reply())
    for length in range(28):
        assert flight.take(whole[:length], "172.16.1.100") is None
