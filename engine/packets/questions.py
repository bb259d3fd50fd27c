"""What checks ask a service over UDP, by the word of the check: the datagram, and what counts as its answer."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DNS_HEADER = struct.Struct("!HHHHHH")
_DNS_RESPONSE = 0x8000  # QR, RFC 1035 section 4.1.1
_ROOT_NS_IN = b"\0" + struct.pack("!HH", 2, 1)


@dataclass(frozen=True, slots=True)
class Question:
    """`build` makes the datagram of an attempt's 16-bit number, `answers` tells whether data answers that one.

    `asks` is the clause for people. Not `must_answer`: a service may well keep silent, which then says nothing.
    """

    asks: str
    build: Callable[[int], bytes]
    answers: Callable[[bytes, int], bool]
    must_answer: bool


def _dns_query(number: int) -> bytes:
    """Ask for the root's name servers without recursion: a question that every server can answer or refuse at once."""
    return _DNS_HEADER.pack(number, 0, 1, 0, 0, 0) + _ROOT_NS_IN


def _dns_answer(data: bytes, number: int) -> bool:
    """Whether it is a response to the query, whatever it says (RFC 1035 section 4.1.1)."""
    if len(data) < _DNS_HEADER.size:
        return False
    ident, flags, *_ = _DNS_HEADER.unpack_from(data)
    return ident == number and bool(flags & _DNS_RESPONSE)


QUESTIONS: dict[str, Question] = {
    "udp": Question("an empty datagram", lambda _: b"", lambda _, __: True, must_answer=False),
    "dns": Question("a DNS query", _dns_query, _dns_answer, must_answer=True),
}
