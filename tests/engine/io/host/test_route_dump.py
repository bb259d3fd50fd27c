"""Routes read from the kernel's messages, and what becomes of dumps that are interrupted, refused or left over."""

import errno
import struct

import pytest

from engine.io.host.route_dump import DUMPS, KernelRoute, RouteDump, decoded, messages

NEWROUTE, ERROR, DONE, INTERRUPTED = 24, 2, 3, 0x10


def attribute(kind, value):
    data = struct.pack("=HH", 4 + len(value), kind) + value
    return data + bytes(-len(data) % 4)


def route(*attributes, length=32, tos=0, table=254, kind=6):
    return struct.pack("=BBBBBBBBI", 2, length, 0, tos, table, 98, 0, kind, 0) + b"".join(attributes)


def message(kind, payload=b"", *, sequence=1, flags=0):
    data = struct.pack("=IHHII", 16 + len(payload), kind, flags, sequence, 0) + payload
    return data + bytes(-len(data) % 4)


def u32(value):
    return struct.pack("=I", value)


VIP = attribute(1, bytes([172, 16, 1, 10]))


def test_a_blackhole_route():
    assert decoded(route(VIP)) == KernelRoute("172.16.1.10", 32, 254, 6, 0, 0, 0)


def test_every_field():
    payload = route(
        attribute(15, u32(1000)), VIP, attribute(5, bytes(4)), attribute(6, u32(7)), attribute(4, u32(3)),
        length=24, tos=16, table=252, kind=1,
    )  # fmt: skip
    assert decoded(payload) == KernelRoute("172.16.1.10", 24, 1000, 1, 16, 7, 3)


def test_a_default_route_has_no_destination():
    assert decoded(route(length=0)).destination == "0.0.0.0"


def test_attributes_of_odd_sizes_are_stepped_over():
    assert decoded(route(attribute(99, b"odd"), attribute(98, b""), VIP)).destination == "172.16.1.10"


def test_messages_are_told_apart():
    data = message(24, b"odd", sequence=7, flags=2) + message(3, bytes(4), sequence=8)
    assert list(messages(data)) == [(24, 2, 7, b"odd"), (3, 0, 8, bytes(4))]
    assert list(messages(b"")) == []
    assert list(messages(data[:15])) == []


class Sock:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    def send(self, data):
        self.sent.append(data)

    def recv(self, _):
        return self.answers.pop(0)

    def close(self):
        pass


@pytest.fixture
def dump():
    made = RouteDump()

    def with_(*answers):
        made._sock.close()
        made._sock = Sock(*answers)
        return made

    yield with_
    made.close()


def test_what_is_asked_for(dump):
    made = dump(message(DONE, bytes(4)))
    assert made.read(98) == []
    (request,) = made._sock.sent
    assert request == struct.pack("=IHHII", 28, 26, 0x301, 1, 0) + bytes(
        [2, 0, 0, 0, 0, 98, 0, 0, 0, 0, 0, 0]
    )


def test_a_dump_of_several_pieces(dump):
    made = dump(
        message(NEWROUTE, route(VIP)) + message(NEWROUTE, route(length=0)),
        message(NEWROUTE, route(VIP, table=1)),
        message(DONE, bytes(4)),
    )
    assert [(r.length, r.table) for r in made.read(98)] == [(32, 254), (0, 254), (32, 1)]


def test_an_interrupted_dump_is_made_anew(dump):
    made = dump(
        message(NEWROUTE, route(VIP), flags=INTERRUPTED) + message(DONE, bytes(4)),
        message(DONE, bytes(4), sequence=2, flags=INTERRUPTED),
        message(NEWROUTE, route(VIP), sequence=3) + message(DONE, bytes(4), sequence=3),
    )
    assert len(made.read(98)) == 1
    assert len(made._sock.sent) == 3


def test_but_not_for_ever(dump):
    made = dump(
        *(
            message(NEWROUTE, route(VIP), sequence=n, flags=INTERRUPTED) + message(DONE, bytes(4), sequence=n)
            for n in range(1, DUMPS + 1)
        )
    )
    assert len(made.read(98)) == 1
    assert len(made._sock.sent) == DUMPS


def test_the_rest_of_an_earlier_dump_is_passed_over(dump):
    made = dump(
        message(NEWROUTE, route(VIP), sequence=9) + message(DONE, bytes(4), sequence=9),
        message(DONE, bytes(4)),
    )
    assert made.read(98) == []


def test_a_refusal_is_an_error(dump):
    with pytest.raises(OSError) as raised:
        dump(message(ERROR, struct.pack("=i", -errno.EPERM) + bytes(16))).read(98)
    assert raised.value.errno == errno.EPERM


def test_the_kernel_answers():
    made = RouteDump()
    assert made.read(2) == made.read(2)
    assert made.read(231) == []  # a protocol that nobody uses
    made.close()
