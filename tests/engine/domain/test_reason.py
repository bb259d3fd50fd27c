"""Causes and their sentences."""

import pytest

from engine.domain.address import Address
from engine.domain.reason import _SENTENCE, Cause, Reason, listed

A = Address.parse("172.16.1.100")
REFUSED = Cause(Reason.CHECK_FAILED, error="connection refused on 172.16.1.100:80")


def test_every_reason_has_a_sentence_and_every_sentence_can_be_filled_in():
    assert set(_SENTENCE) == set(Reason)
    for reason in Reason:
        assert "{" not in str(Cause(reason))


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (Cause(Reason.DISABLED), "disabled"),
        (Cause(Reason.TARGET_NOT_IPV4), "no address: only IPv4 targets are built yet"),
        (Cause(Reason.TARGET_NOT_IPV4, given="::1"), "::1: only IPv4 targets are built yet"),
        (
            Cause(Reason.NO_REAL, network=1, address=A),
            "network 1 has no real address to ask 172.16.1.100 from",
        ),
        (
            Cause(Reason.CHECK_PENDING, check="tcpopen", address=A, port=80),
            "waiting for the first answer of tcpopen 172.16.1.100:80",
        ),
        (
            Cause(Reason.CHECK_PENDING, check="ping", address=A),
            "waiting for the first answer of ping 172.16.1.100",
        ),
        (Cause(Reason.CHECK_FAILED), "no answer"),
        (REFUSED, "connection refused on 172.16.1.100:80"),
        (
            Cause(Reason.OUT_OF_SERVER, server=2, parts=(REFUSED,)),
            "out of server 2: connection refused on 172.16.1.100:80",
        ),
        (
            Cause(
                Reason.NO_TARGET_FIT,
                parts=tuple(
                    Cause(Reason.OF_TARGET, target=n, parts=(Cause(Reason.DRAINING),)) for n in range(1, 6)
                ),
            ),
            "target 1: draining; target 2: draining; target 3: draining; and 2 more",
        ),
        (
            Cause(Reason.STANDS_BY, parts=tuple(Cause(Reason.SERVER, server=n) for n in (1, 2, 3))),
            "stands by as backup of server 1, server 2, server 3",
        ),
    ],
)
def test_sentences(cause, sentence):
    assert str(cause) == sentence


def test_a_list_names_three_and_counts_the_others():
    assert listed("abc", ", ") == "a, b, c"
    assert listed("abcd", ", ") == "a, b, c, and 1 more"
    assert listed([], ", ") == ""
