"""`udp` and `dns` against sockets of this host: answered, refused, and not answered."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from engine.domain.address import Address
from engine.domain.checks import CHECK_KINDS, ProbeKey, ProbeStart
from engine.health import udp
from engine.packets.questions import QUESTIONS

HERE = Address.parse("127.0.0.1")


def probe(kind: str, port: int, attempt_s: int = 1, source: str = "127.0.0.1"):
    key = ProbeKey(1, kind, HERE, port, attempt_s, 10)
    return asyncio.run(udp.run(ProbeStart(key, Address.parse(source))))


@pytest.fixture
def service():
    """A bound socket; call it with a function of the datagram to have it answer one."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(5)
    got = []

    def answer(*answers):
        def run():
            data, peer = sock.recvfrom(2048)
            got.append(data)
            for one in answers:
                sock.sendto(one(data), peer)

        threading.Thread(target=run, daemon=True).start()

    sock_port = sock.getsockname()[1]
    yield sock_port, answer, got
    sock.close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(udp, "SILENT_S", 0.05)


@pytest.mark.parametrize("kind", ["udp", "dns"])
def test_nothing_on_the_port_is_certain(kind):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    answer = probe(kind, port)
    assert (answer.ok, answer.certain) == (False, True)
    assert answer.error == f"port unreachable: nothing on UDP port {port} of 127.0.0.1"


def test_silence_to_an_empty_datagram_is_no_fault(service, quick):
    port, _, _ = service
    answer = probe("udp", port)
    assert (answer.ok, answer.silent, answer.rtt_ms) == (True, True, None)


def test_whatever_a_service_says_to_an_empty_datagram_is_an_answer(service):
    port, answers, got = service
    answers(lambda _: b"what?")
    answer = probe("udp", port)
    assert (answer.ok, answer.silent) == (True, False)
    assert answer.rtt_ms is not None
    assert got == [b""]


def test_a_name_server_has_to_answer_the_question_it_was_asked(service):
    port, answers, _ = service
    answers(
        lambda _: b"",
        lambda data: b"\xff" + data[1:],
        lambda data: data,
        lambda data: data[:2] + b"\x80\x05" + data[4:],
    )
    answer = probe("dns", port)
    assert (answer.ok, answer.silent) == (True, False)


def test_a_name_server_that_keeps_silent_is_bad_but_not_certainly(service):
    port, _, _ = service
    answer = probe("dns", port)
    assert (answer.ok, answer.certain) == (False, False)
    assert answer.error == f"no answer to a DNS query on UDP port {port} of 127.0.0.1 within 1 s"


def test_an_address_that_is_not_ours_cannot_be_sent_from():
    answer = probe("udp", 9, source="192.0.2.77")
    assert (answer.ok, answer.certain) == (False, False)
    assert answer.error == "cannot send from 192.0.2.77: Cannot assign requested address"


def test_every_kind_over_udp_has_its_question():
    assert {word for word, kind in CHECK_KINDS.items() if kind.over_udp} == set(QUESTIONS)
