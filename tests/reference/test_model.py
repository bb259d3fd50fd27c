"""The model on histories made by hand: what it says is what the specification says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.datapath.table import Compiler, ServerInput, TargetInput
from engine.domain.address import Address
from tests.reference.build import (
    OWN,
    OWN_TOO,
    ROUTER,
    STRANGER,
    datagram,
    ether,
    ip,
    padded,
    segment,
    target_mac,
)
from tests.reference.model import Model
from tests.reference.scenario import World
from tests.reference.table import Table
from tests.reference.wire import Frame, Offload, checksum

VIP, CLIENT = bytes((172, 16, 1, 10)), bytes((192, 0, 2, 1))
S, A, FA, R = 2, 16, 17, 4
TARGETS = tuple(TargetInput(n, f"172.16.1.{99 + n}:80", target_mac(n)) for n in (1, 2, 3))
SERVER = ServerInput(1, Address.of(VIP), 80, "tcp", "rr", by_port=False, idle_s=600, new=(1, 2), keep=(1, 2))


class Played:
    """A model with tables compiled one after the other, as an engine does it."""

    def __init__(self, *servers: ServerInput, lines: int = 16, **more) -> None:
        self.model = Model(lines, lambda stop: stop - 1)
        self.compiler = Compiler()
        self.install(*servers or (SERVER,), **more)

    def install(
        self, *servers: ServerInput, own: tuple[bytes, ...] = (OWN, OWN_TOO), targets=TARGETS
    ) -> Table:
        world = World(servers, targets, (Address.of(VIP),), own)
        self.model.install(table := Table(world.compile(self.compiler)))
        return table

    def __call__(self, data: bytes | Frame, now_s: int = 100) -> int | str:
        frame = data if isinstance(data, Frame) else Frame(data)
        self.fate = self.model.decide([frame], now_s)[0]
        return self.fate.target or self.fate.verdict


def client(number: int) -> bytes:
    return bytes((192, 0, 2, number))


def tcp(
    flags: int = S, source: bytes = CLIENT, port: int = 40000, service: int = 80, payload: bytes = b"", **more
) -> bytes:
    return padded(ether(ip(source, VIP, 6, segment(port, service, flags, payload), **more)))


def udp(port: int = 40000, service: int = 53, payload: bytes = b"", source: bytes = CLIENT, **more) -> bytes:
    return padded(ether(ip(source, VIP, 17, datagram(port, service, payload), **more)))


def error(about: bytes, port: int = 40000, **more) -> bytes:
    quote = ip(VIP, about, 6, b"\0\x50" + port.to_bytes(2, "big") + bytes(4), **more)
    return padded(ether(ip(bytes((198, 51, 100, 1)), VIP, 1, b"\x03\x04" + bytes(6) + quote)))


def later(ident: int = 7, protocol: int = 6, source: bytes = CLIENT) -> bytes:
    return padded(ether(ip(source, VIP, protocol, bytes(48), fragment=5, ident=ident)))


def test_a_frame_goes_out_with_two_macs_changed_and_nothing_else():
    play = Played()
    data = tcp(payload=b"hello")
    assert play(Frame(data, offload=Offload(flags=1, csum_start=34, csum_offset=16))) == 1
    (sent,) = play.fate.sent
    assert sent.data == target_mac(1) + OWN + data[12:]
    assert sent.offload == Offload(flags=1, csum_start=34, csum_offset=16)


@pytest.mark.parametrize(
    ("vlan", "tag"), [((0x4000, 0), b"\x81\0\x40\0"), ((0x2000, 0x88A8), b"\x88\xa8\x20\0")]
)
def test_a_tag_is_put_back_and_the_checksum_begins_behind_it(vlan, tag):
    play = Played()
    assert play(Frame(tcp(), vlan, Offload(flags=1, csum_start=34, csum_offset=16))) == 1
    (sent,) = play.fate.sent
    assert sent.data[12:18] == tag + b"\x08\0"
    assert sent.offload.csum_start == 38


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        pytest.param(ether(b"\0\1", kind=b"\x08\x06"), "unseen", id="ARP"),
        pytest.param(ether(bytes(60), kind=b"\x86\xdd"), "unseen", id="IPv6"),
        pytest.param(padded(ether(ip(CLIENT, bytes((172, 16, 1, 77)), 6, segment(1, 80, S)))), "unseen", id="elsewhere"),
        pytest.param(tcp()[:33], "unseen", id="cut in the addresses"),
        pytest.param(STRANGER + tcp()[6:], "pass", id="another host's MAC"),
        pytest.param(OWN_TOO + tcp()[6:], 1, id="the second of our MACs"),
        pytest.param(OWN + target_mac(2) + tcp()[12:], "loop", id="from a target"),
        pytest.param(OWN + OWN_TOO + tcp()[12:], "loop", id="from ourselves"),
        pytest.param(tcp(service=81), "no-server", id="unknown port"),
        pytest.param(udp(service=80), "no-server", id="unknown protocol"),
        pytest.param(padded(ether(ip(CLIENT, VIP, 47, bytes(8)))), "protocol", id="GRE"),
        pytest.param(padded(ether(ip(CLIENT, VIP, 1, b"\x08" + bytes(7)))), "unseen", id="echo request"),
        pytest.param(padded(ether(ip(CLIENT, VIP, 1, b"\x0d" + bytes(7)))), "protocol", id="timestamp"),
        pytest.param(padded(ether(ip(CLIENT, VIP, 1, b"\x0d\0\0"))), "malformed", id="short ICMP"),
        pytest.param(tcp()[:44], "malformed", id="cut"),
        pytest.param(tcp()[:14] + b"\x44" + tcp()[15:], "malformed", id="header of 16 bytes"),
        pytest.param(tcp()[:14] + b"\x65" + tcp()[15:], "malformed", id="version 6"),
        pytest.param(
            padded(ether(ip(CLIENT, VIP, 6, segment(1, 80, S)[:19]))), "malformed", id="TCP header of 19 bytes"
        ),
        pytest.param(ether(ip(CLIENT, VIP, 6, segment(1, 80, A, bytes(1461)))), "too-big", id="over the MTU"),
        pytest.param(ether(ip(CLIENT, VIP, 6, segment(1, 80, A, bytes(1460)))), 2, id="the MTU"),
        pytest.param(later(protocol=17), "fragment", id="later fragment of no server's protocol"),
        pytest.param(tcp(options=b"\x01" * 8), 1, id="options"),
    ],
)  # fmt: skip
def test_verdicts(data, verdict):
    assert Played()(data) == verdict


def test_what_was_cut_is_truncated():
    assert Played()(Frame(tcp(payload=bytes(100)), kept=60)) == "truncated"


def test_too_big_is_answered_once_it_may_not_be_fragmented():
    play = Played()
    big = ether(ip(CLIENT, VIP, 6, segment(40000, 80, A, bytes(1461))))
    assert play(big) == "too-big"
    (answer,) = (sent.data for sent in play.fate.sent)
    assert answer[:12] == ROUTER + OWN
    assert answer[26:34] == VIP + CLIENT
    assert answer[34:42:7] == b"\x03\xdc"  # type, and the MTU's last byte
    assert checksum(answer[14:34]) == checksum(answer[34:]) == 0
    assert answer[42:] == big[14:42]
    play(ether(ip(CLIENT, VIP, 6, segment(40000, 80, A, bytes(1461)), fragment=0)))
    assert play.fate.sent == ()
    for _ in range(200):
        play(big)
    assert play.fate.sent == ()  # a hundred a second
    play(big, 101)
    assert play.fate.sent


def test_round_robin_stays_with_its_clients_and_goes_on_after_a_change():
    play = Played()
    assert [play(tcp(source=client(n))) for n in (1, 2, 3, 1)] == [1, 2, 1, 1]
    play.install(SERVER)
    assert [play(tcp(source=client(n))) for n in (4, 2, 5)] == [2, 2, 1]


def test_session_weighs_what_is_there():
    targets = tuple(replace(t, weight=2 if t.number == 2 else 1) for t in TARGETS)
    play = Played(replace(SERVER, method="session"), targets=targets)
    assert [play(tcp(source=client(n))) for n in range(1, 7)] == [2, 1, 2, 2, 1, 2]


def test_idle_and_closing_times():
    play = Played(replace(SERVER, by_port=True, idle_s=100))
    assert [play(tcp(), 0), play(tcp(A), 1), play(tcp(), 101), play(tcp(), 202)] == [1, 1, 1, 2]
    assert [play(tcp(FA), 203), play(tcp(A), 263), play(tcp(), 324)] == [2, 2, 1]


def test_a_reset_opens_nothing():
    play = Played()
    play(tcp(R))
    assert play.model.flows.shown() == {}
    assert play.model.counts["forwarded"] == 1


def test_a_target_that_went_loses_its_flows_for_good_and_one_that_drains_keeps_them():
    play = Played()
    assert play(tcp()) == 1
    play.install(replace(SERVER, new=(2,)))
    assert play(tcp(A)) == 1
    play.install(replace(SERVER, new=(2,), keep=(2,)))
    play.install(replace(SERVER, new=(2,)))
    assert play(tcp(A)) == 2


def test_a_flow_that_lost_its_target_never_finds_it_again_however_often_that_comes_and_goes():
    play = Played(replace(SERVER, new=(1,), keep=(1,)))
    play(tcp())
    for _ in range(16):
        play.install(replace(SERVER, new=(2,), keep=(2,)))
        play.install(replace(SERVER, new=(2,)))
    assert play(tcp(A)) == 2


def test_later_fragments_follow_the_first_while_what_it_found_is_in_force():
    by_port = replace(SERVER, by_port=True)
    play = Played(by_port)
    assert play(later()) == "fragment"
    first = play(tcp(fragment=0x2000))
    assert [play(later()), play(later(), 130), play(later(), 131), play(later(8))] == [
        first,
        first,
        "fragment",
        "fragment",
    ]
    play(tcp(A, fragment=0x2000), 140)
    play.install()
    assert play(later(), 140) == "fragment"  # its server is gone
    play.install(by_port)
    assert play(tcp(A, fragment=0x2000), 141) in {1, 2}
    rest = 3 - play.fate.target
    play.install(replace(by_port, new=(rest,), keep=(rest,)))
    assert play(later(), 141) == "fragment"  # its target is gone


def test_errors_follow_the_flow_they_are_about():
    play = Played(replace(SERVER, by_port=True))
    found = play(tcp())
    assert play(error(CLIENT)) == found
    assert play(error(CLIENT, 40001)) == "icmp-no-flow"
    assert play(error(client(9))) == "icmp-no-flow"


def test_no_room_means_by_hash_whatever_the_flags():
    play = Played(SERVER, lines=1)
    for n in range(1, 9):
        play(tcp(source=client(n)))
    before = play.model.flows.shown()
    assert len({play(tcp(flags, source=client(20))) for flags in (S, A, A, FA)}) == 1
    assert play.model.flows.shown() == before


def test_only_a_syn_lets_the_method_choose():
    play = Played(SERVER, lines=1)
    for n in range(1, 9):
        play(tcp(source=client(n)), 100)
    unrecorded = {c: play(tcp(source=client(c)), 100) for c in range(20, 60)}
    assert {
        c: play(tcp(A, source=client(c)), 701) for c in unrecorded
    } == unrecorded  # though there is room now


def test_half_open_flows_live_ten_seconds_and_count_apart():
    play = Played(SERVER)
    assert [play(tcp(), 0), play(tcp(), 10), play(tcp(), 21)] == [1, 1, 2]
    assert play.model.sessions() == {("target_half_open", 2): 1, ("server_half_open", 1): 1}
    play(tcp(A), 22)
    assert play.model.sessions() == {("target_sessions", 2): 1, ("server_sessions", 1): 1}
    assert play(tcp(A), 600) == 2


def test_a_target_at_its_limit_gets_no_new_flow():
    play = Played(SERVER)
    play.model.table.limit = {1: 1, 2: 2}
    got = [play(tcp(flags, source=client(n))) for n in (1, 2, 3, 4, 1) for flags in (S, A)]
    assert got[::2] == [1, 2, 2, "no-target", 1]


def test_half_open_flows_fill_no_target():
    play = Played(SERVER)
    play.model.table.limit = {1: 1, 2: 1}
    assert [play(tcp(source=client(n))) for n in range(1, 7)] == [1, 2] * 3


def test_a_syn_of_a_flow_that_is_to_leave_is_chosen_anew():
    play = Played(replace(SERVER, new=(3,), keep=(1, 2, 3)))
    assert play(tcp()) == 3
    play.install(replace(SERVER, keep=(1, 2, 3))).leaving = frozenset({(1, 3)})
    assert [play(tcp(A)), play(tcp(S)), play(tcp(A))] == [3, 2, 2]


def test_an_error_about_an_unrecorded_flow_goes_by_the_hash():
    play = Played(replace(SERVER, method="hash"))
    found = {n: play(error(client(n))) for n in range(1, 9)}
    assert {n: play(tcp(source=client(n))) for n in found} == found


def test_a_quoted_later_fragment_has_no_ports():
    assert Played(replace(SERVER, by_port=True))(error(CLIENT, fragment=5)) == "no-server"
    play = Played()
    assert play(tcp()) == play(error(CLIENT, fragment=5))


def test_pieces_of_an_echo_request_pass_as_it_does():
    anything = replace(SERVER, port=0, protocol="any")
    assert Played(anything)(later(protocol=1)) == "pass"


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (tcp(source=bytes((127, 0, 0, 1))), "martian"),
        (tcp(source=bytes((0, 0, 0, 9))), "martian"),
        (tcp(source=bytes((224, 0, 0, 5))), "martian"),
        (tcp(source=bytes((255, 255, 255, 255))), "martian"),
        (tcp(source=VIP), "martian"),
        (tcp(ttl=0), "ttl"),
        (tcp(ttl=1), 1),
        (tcp()[:24] + b"\x12\x34" + tcp()[26:], "checksum"),
    ],
)
def test_martians(data, verdict):
    assert Played()(data) == verdict
