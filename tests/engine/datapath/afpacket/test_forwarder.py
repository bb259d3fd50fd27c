"""Frames in batches over pretended rings: order, what is left to the other path, and a device that takes nothing."""

from __future__ import annotations

import errno
import struct

import numpy as np
import pytest
from scapy.layers.inet import IPOption_NOP

from engine.datapath.afpacket import forwarder as module
from engine.datapath.afpacket import slot
from engine.datapath.afpacket.forwarder import FEW
from engine.datapath.contract import NO_INTERFACE, DropReason
from engine.datapath.lookup import Egress, Lookup
from engine.datapath.table import Compiler, TargetInput
from engine.io import if_packet as c
from tests.helpers import fixtures
from tests.helpers.conformance import Bench, flat
from tests.helpers.frames import ICMP, TARGET_MAC, TCP, frame

CASE = fixtures.case("A first SYN makes a half-open flow")
ACK = TCP(sport=40000, dport=80, flags="A")


@pytest.fixture
def bench():
    made = Bench(CASE)
    yield made
    made.close()


def put(bench: Bench, *frames: bytes) -> int:
    for data in frames:
        bench.rx.put(data)
    return len(frames)


def client(n: int) -> bytes:
    return frame(ACK, src=f"192.0.2.{n}")


def moved(bench: Bench) -> dict[str, int]:
    return flat(bench.block.read())


def test_few_frames_are_handled_one_by_one_and_more_as_a_batch(bench, monkeypatch):
    took = []
    monkeypatch.setattr(bench.forwarder, "few", lambda count, now: took.append(("few", count, now)))
    monkeypatch.setattr(bench.forwarder, "batch", lambda count, now: took.append(("batch", count, now)))
    bench.forwarder.frames(FEW - 1, 7)
    bench.forwarder.frames(FEW, 8)
    assert took == [("few", FEW - 1, 7), ("batch", FEW, 8)]


def test_a_batch_leaves_in_its_order_and_gives_its_slots_back(bench):
    count = put(bench, *[client(n) for n in range(20)])
    bench.forwarder.batch(count, 100)
    assert [sent[10 + 26 : 10 + 30][-1] for sent in bench.tx.sent] == list(range(20))
    assert bench.rx.head == 20
    assert not bench.rx.status.any()
    assert bench.tx.head == 20
    assert moved(bench)["received"] == moved(bench)["forwarded"] == 20
    assert bench.tx.flushes == 1


def test_what_a_vector_chooses_and_what_it_leaves_over_is_taken_from_its_own_slots(bench, monkeypatch):
    bench.forwarder.batch(put(bench, *[client(n) for n in range(20)]), 100)
    alone = []
    monkeypatch.setattr(bench.forwarder, "one", lambda slot, _now_s: alone.append(slot))
    elsewhere = frame(ACK, dst="172.16.1.99")  # the address was ours when the frame came
    frames = [client(100 + n) for n in range(20)]
    frames[2] = frames[7] = elsewhere
    bench.forwarder.batch(put(bench, *frames), 100)
    assert alone == [22, 27]
    assert [sent[39] - 100 for sent in bench.tx.sent[20:]] == [n for n in range(20) if n not in {2, 7}]


@pytest.mark.parametrize(
    "runs",
    [(20, 0, FEW, 1), (FEW - 1, 20), (0, FEW, FEW - 1, 30), (0, 0, 0, 14), (14, 0), (2, 12, 2), (40,)],
)
def test_each_frame_of_a_batch_is_decided_the_way_it_is_made_for(bench, monkeypatch, runs):
    """`runs` are the numbers of plain frames before, between and behind frames with IP options."""
    scalar, vector = bench.forwarder.scalar.decide, bench.forwarder.vector.decide
    decided = []

    def one(data, size, now_s, vid):
        decided.append(("alone", data[39]))
        return scalar(data, size, now_s, vid)

    def many(columns, now_s, plain):
        decided.append(("vector", *(columns[slot.ADDRESSES] >> np.uint64(24) & np.uint64(255)).tolist()))
        return vector(columns, now_s, plain)

    monkeypatch.setattr(bench.forwarder.scalar, "decide", one)
    monkeypatch.setattr(bench.forwarder.vector, "decide", many)
    frames, expected = [], []
    for number, plain in enumerate(runs):
        if number:
            expected.append(("alone", len(frames)))
            frames.append(frame(ACK, src=f"192.0.2.{len(frames)}", options=[IPOption_NOP()] * 4))
        clients = list(range(len(frames), len(frames) + plain))
        expected += [("vector", *clients)] if plain >= FEW else [("alone", n) for n in clients]
        frames += [client(n) for n in clients]
    bench.forwarder.batch(put(bench, *frames), 100)
    assert decided == expected
    assert moved(bench)["forwarded"] == len(frames)


def test_what_is_chosen_out_of_a_batch_leaves_in_its_order_beside_drops_and_single_frames(bench):
    loop, ping = frame(ACK, by=TARGET_MAC[1]), frame(ICMP(type=8))
    bench.plain.sent = bench.tx.sent  # few between others go by the socket
    count = put(bench, client(1), loop, client(2), ping, frame(TCP(dport=81)), client(3))
    bench.forwarder.batch(count, 100)
    assert [sent[39] for sent in bench.tx.sent] == [1, 2, 3]
    counted = moved(bench)
    assert counted["received"] == 6
    assert counted["forwarded"] == 3
    assert counted["passed"] == 1
    assert (counted["dropped.loop"], counted["dropped.no-server"]) == (1, 1)
    assert sum(counted.get(f"target_packets.{n}", 0) for n in (1, 2)) == 3
    assert counted["server_packets.1"] == 3


def test_a_batch_goes_on_round_the_end_of_the_transmit_ring(bench):
    bench.tx.head = bench.tx._next = 60
    bench.forwarder.batch(put(bench, *[client(n) for n in range(10)]), 100)
    assert [sent[39] for sent in bench.tx.sent] == list(range(10))
    assert bench.tx.head == 6


def test_frames_of_different_lengths_go_out_whole(bench):
    frames = [frame(ACK, src=f"192.0.2.{n}", payload=b"z" * (n * 20)) for n in range(1, 15)]
    bench.forwarder.batch(put(bench, *frames), 100)
    assert [sent[22:] for sent in bench.tx.sent] == [data[12:] for data in frames]
    sizes = sum(len(data) for data in frames)
    counted = moved(bench)
    assert counted["target_bytes.1"] + counted["target_bytes.2"] == counted["server_bytes.1"] == sizes


def test_a_batch_with_a_super_frame_is_handled_in_order_one_by_one(bench):
    bench.rx.put(client(1))
    bench.rx.put(
        frame(ACK, src="192.0.2.2", payload=b"x" * 3000),
        virtio=bytes([0, 1, 54, 0, 0xA8, 5, 0, 0, 0, 0]),
        copied=True,
    )
    bench.forwarder.batch(2, 100)
    assert [sent[39] for sent in bench.plain.sent] == [1]
    assert [sent[39] for sent in bench.cutting.sent] == [2]
    assert bench.tx.sent == []
    assert bench.rx.head == 2


def test_a_device_that_takes_nothing_keeps_frames_waiting_and_then_takes_them(bench):
    bench.tx.refuses = errno.EAGAIN
    bench.forwarder.batch(put(bench, client(1), client(2)), 100)
    assert bench.forwarder.unsent
    assert "dropped.tx-error" not in moved(bench)
    bench.tx.refuses = 0
    assert bench.own.flush() == DropReason.TX_FULL
    bench.forwarder.flush()
    assert not bench.forwarder.unsent
    assert [sent[39] for sent in bench.tx.sent] == [1, 2]


def test_a_frame_refused_twice_is_given_up_and_the_next_ones_go(bench):
    bench.tx.refuses = errno.ENOBUFS
    bench.forwarder.batch(put(bench, client(1), client(2)), 100)
    assert bench.forwarder.unsent
    assert "dropped.tx-error" not in moved(bench)
    bench.forwarder.flush()
    assert moved(bench)["dropped.tx-error"] == 1
    bench.tx.refuses = 0
    bench.forwarder.flush()
    assert [sent[39] for sent in bench.tx.sent] == [2]
    assert not bench.forwarder.unsent
    # One that went in between: the next refusal of the same slot is a first one again.
    assert bench.own._refused == -1


def test_what_is_only_waited_for_twice_is_not_given_up(bench):
    bench.tx.refuses = errno.EAGAIN
    bench.forwarder.batch(put(bench, client(1)), 100)
    bench.forwarder.flush()
    assert "dropped.tx-error" not in moved(bench)
    assert bench.forwarder.unsent


def test_when_the_interface_is_down_all_that_waits_is_given_up(bench):
    bench.tx.refuses = errno.EAGAIN
    bench.forwarder.batch(put(bench, client(1), client(2)), 100)
    bench.tx.refuses = errno.ENETDOWN
    assert bench.own.flush() == DropReason.TX_ERROR
    bench.forwarder.flush()
    assert not bench.forwarder.unsent
    assert moved(bench)["dropped.tx-error"] == 2
    bench.tx.refuses = 0
    bench.forwarder.flush()
    assert bench.tx.sent == []


def test_what_finds_no_room_is_dropped_and_only_the_rest_is_counted_as_forwarded(bench):
    bench.tx.refuses = errno.EAGAIN
    bench.tx.status[3:] = c.TP_STATUS_SEND_REQUEST
    bench.tx.length[3:] = 60
    bench.forwarder.batch(put(bench, *[client(n) for n in range(5)]), 100)
    counted = moved(bench)
    assert (counted["forwarded"], counted["dropped.tx-full"], counted["received"]) == (3, 2, 5)


def test_with_a_full_ring_on_an_interface_that_is_down_drops_say_so(bench):
    bench.tx.fill()
    bench.tx.refuses = errno.ENETDOWN
    bench.forwarder.batch(put(bench, client(1)), 100)
    counted = moved(bench)
    assert "dropped.tx-full" not in counted
    assert counted["dropped.tx-error"] == bench.tx.slots + 1


def test_senders_are_told_of_the_mtu_at_most_some_times_a_second(bench, monkeypatch):
    monkeypatch.setattr(module, "_ICMP_A_SECOND", 2)
    big = frame(ACK, payload=b"x" * 1461, flags="DF")
    bench.forwarder.few(put(bench, big, big, big), 100)
    assert len(bench.plain.sent) == 2
    bench.forwarder.few(put(bench, big), 101)
    assert len(bench.plain.sent) == 3
    assert moved(bench)["dropped.too-big"] == 4


def test_an_answer_that_cannot_be_sent_is_an_error_of_sending(bench):
    bench.plain.refuses = errno.ENETDOWN
    bench.forwarder.few(put(bench, frame(ACK, payload=b"x" * 1461, flags="DF")), 100)
    counted = moved(bench)
    assert (counted["dropped.too-big"], counted["dropped.tx-error"]) == (1, 1)


def test_a_fault_drops_the_frame_and_leaves_the_others(bench, monkeypatch):
    decide = bench.forwarder.scalar.decide

    def faulty(data, size, now_s, vid):
        if data[39] == 3:  # the client's last byte
            raise IndexError("no such row")
        return decide(data, size, now_s, vid)

    def no_vector(*_):
        raise IndexError("no such column")

    monkeypatch.setattr(bench.forwarder.scalar, "decide", faulty)
    monkeypatch.setattr(bench.forwarder.vector, "decide", no_vector)
    for handle in (bench.forwarder.few, bench.forwarder.batch):
        bench.plain.sent.clear()
        handle(put(bench, *[client(n) for n in range(20)]), 100)
        assert [sent[39] for sent in bench.plain.sent] == [n for n in range(20) if n != 3]
    counted = moved(bench)
    assert (counted["dropped.fault"], counted["forwarded"], counted["received"]) == (2, 38, 40)
    assert bench.forwarder.fault.startswith("IndexError at test_forwarder.py:")


def test_a_single_frame_does_not_overtake_those_that_wait_in_the_ring(bench):
    bench.tx.refuses = errno.EAGAIN
    bench.forwarder.batch(put(bench, *[client(n) for n in range(12)]), 100)
    bench.forwarder.few(put(bench, client(12)), 100)
    bench.rx.put(client(13), vlan=0x6000)
    bench.forwarder.few(1, 100)
    super_frame = frame(ACK, src="192.0.2.14", payload=b"x" * 3000)
    bench.rx.put(super_frame, virtio=bytes([0, 1, 54, 0, 0xA8, 5, 0, 0, 0, 0]), copied=True)
    bench.forwarder.few(1, 100)
    assert bench.plain.sent == bench.cutting.sent == []
    bench.tx.refuses = 0
    bench.forwarder.flush()
    assert [sent[39] for sent in bench.tx.sent[:13]] == list(range(13))
    assert bench.tx.sent[13][22:26] == bytes.fromhex("81006000")
    assert moved(bench)["dropped.tx-full"] == 1  # what the ring cannot hold
    bench.forwarder.few(put(bench, client(15)), 100)
    assert [sent[39] for sent in bench.plain.sent] == [15]


# -- several ways out ---------------------------------------------------------------------------------------------------


def syn(n: int) -> bytes:
    return frame(TCP(sport=40000, dport=80, flags="S"), src=f"192.0.2.{n}")


def two_cards(bench: Bench, **ways_out: str) -> None:
    """Have targets 1 and 2 take turns, each by a way out of tests/fixtures."""
    common = fixtures.server_input(
        {"number": 1, "address": "172.16.1.10", "port": 80, "protocol": "tcp", "new": [1, 2]}
    )
    targets = [
        TargetInput(n, f"t{n}", fixtures.target_mac(n), egress=fixtures.egress(ways_out.get(f"target{n}")))
        for n in (1, 2)
    ]
    table = Compiler().compile(
        [common], targets, virtual=[common.address], own_mac=[fixtures.own_mac()], blocked_mac=[], mtu=1500
    )
    bench.tables.install(Lookup(table))
    bench.forwarder.follow_table(100)


def clients_by(bench: Bench) -> dict[int, list[int]]:
    """Return the last bytes of the clients' addresses, in their order, by the index of the interface."""
    found = {}
    for ifindex, sent in bench.sent():
        tag = 4 if sent[22:24] == b"\x81\0" else 0
        found.setdefault(ifindex, []).append(sent[39 + tag])
    return found


@pytest.mark.parametrize("handle", ["few", "batch"])
def test_frames_of_a_batch_leave_by_the_interfaces_of_their_targets_in_their_order(bench, handle):
    two_cards(bench, target2="tagged")
    count = put(bench, *[syn(n % 8) for n in range(40)])
    getattr(bench.forwarder, handle)(count, 100)
    by = clients_by(bench)
    assert by.keys() == {0, 8}
    for sent in by.values():
        assert len(sent) == 20
        assert sent == (sent[:4] * 5)  # the flows in turn, five times
    assert not set(by[0]) & set(by[8])
    assert all(sent[16:22] == fixtures.mac("02:00:00:00:08:01") for n, sent in bench.sent() if n == 8)
    assert all(sent[22:26] == bytes.fromhex("810000c8") for n, sent in bench.sent() if n == 8)
    counted = moved(bench)
    assert counted["forwarded"] == counted["received"] == 40
    assert counted["target_packets.1"] == counted["target_packets.2"] == 20
    assert counted["target_bytes.2"] == 20 * len(syn(1))  # a tag is no byte of the packet


def test_where_the_checksum_begins_and_the_header_ends_moves_with_a_tag(bench):
    two_cards(bench, target1="tagged", target2="tagged")
    for n in range(2):
        bench.rx.put(syn(n), virtio=bytes([c.VNET_NEEDS_CSUM * n, 0, 0, 0, 0, 0, 34 * n, 0, 16 * n, 0]))
    bench.forwarder.batch(2, 100)
    size = len(syn(1))
    plain, partial = (sent for _, sent in bench.sent())
    for sent, virtio in ((plain, (0, size + 4, 0, 0)), (partial, (c.VNET_NEEDS_CSUM, size + 4, 38, 16))):
        assert struct.unpack_from("<BxHxxHH", sent) == virtio
        assert len(sent) == 10 + size + 4
        assert sent[26:] == syn(sent[43])[12:]


def test_a_device_that_takes_nothing_holds_up_no_other(bench):
    two_cards(bench, target2="other")
    bench.interfaces[7].refuse(errno.EAGAIN)
    bench.forwarder.batch(put(bench, *[syn(n) for n in range(20)]), 100)
    assert bench.forwarder.unsent
    assert len(clients_by(bench)[0]) == 10
    bench.interfaces[7].refuse(0)
    bench.forwarder.flush()
    assert not bench.forwarder.unsent
    assert len(clients_by(bench)[7]) == 10


@pytest.mark.parametrize("handle", ["few", "batch"])
def test_an_interface_that_is_gone_costs_its_own_frames_and_is_tried_again(bench, handle):
    two_cards(bench, target2="other")
    former = bench.interfaces[7]
    former.refuse(errno.ENXIO)
    run = getattr(bench.forwarder, handle)
    run(put(bench, *[syn(n) for n in range(20)]), 100)
    counted = moved(bench)
    assert (counted["forwarded"], counted["target_packets.1"]) == (10, 10)
    assert bench.block.server_dropped[1, DropReason.TX_ERROR] == 10
    assert counted["dropped.tx-error"] == 10
    bench.forwarder.flush()
    run(put(bench, *[syn(n) for n in range(20)]), 101)
    assert bench.interfaces[7] is not former
    assert former.plain.closed
    assert len(clients_by(bench)[7]) == 10


def test_an_interface_that_cannot_be_opened_is_tried_once_a_second(bench, monkeypatch):
    tried = []
    monkeypatch.setattr(
        bench.forwarder, "_open_sender", lambda n: tried.append(n) or bench.open(NO_INTERFACE)
    )
    two_cards(bench, target2="other")
    assert tried == [7]
    bench.forwarder.few(put(bench, *[syn(n) for n in range(20)]), 100)
    assert tried == [7]
    bench.forwarder.few(put(bench, *[syn(n) for n in range(20)]), 101)
    assert tried == [7, 7]
    assert moved(bench)["dropped.tx-error"] == 20


def test_interfaces_that_a_table_does_not_need_are_closed(bench):
    two_cards(bench, target2="other")
    two_cards(bench, target2="tagged")
    assert bench.interfaces[7].plain.closed
    assert not bench.interfaces[8].plain.closed
    two_cards(bench)
    assert bench.interfaces[8].plain.closed
    assert not bench.plain.closed


@pytest.mark.parametrize(
    ("tag", "ifindex", "vlan", "out"),
    [
        pytest.param("8100a005", 0, 5, "8100a005", id="the VLAN it came by"),
        pytest.param("88a8a005", 0, 5, "88a8a005", id="of a provider, on the VLAN it came by"),
        pytest.param("8100a000", 0, 0, "8100a000", id="a priority alone, on the same card"),
        pytest.param("8100a005", 0, 7, "8100a007", id="another VLAN: the priority stays"),
        pytest.param("8100a005", 0, 0, "", id="no VLAN any more"),
        pytest.param("8100a000", 3, 0, "", id="a priority alone, on another card"),
        pytest.param("8100a005", 3, 5, "8100a005", id="the same VLAN on another card"),
        pytest.param("", 3, 7, "81000007", id="it came without"),
        pytest.param("", 3, 0, "", id="it came without, and goes without"),
    ],
)
def test_the_tag_on_another_way_out_is_the_targets(tag, ifindex, vlan, out):
    egress = Egress(ifindex, bytes(6), 1500, vlan)
    assert module._retagged(bytes.fromhex(tag), egress).hex() == out


def options(n: int) -> bytes:
    return frame(ACK, src=f"192.0.2.{n}", options=[IPOption_NOP()] * 4)


def crowd(bench: Bench, waiting: int) -> list[int]:
    """Have a batch of plain frames, others and super-frames handled while so many wait; returns who got through, in order."""
    bench.plain.sent = bench.cutting.sent = bench.tx.sent
    count = 0
    for n in range(40):
        if n % 10 == 5:
            bench.rx.put(
                frame(ACK, src=f"192.0.2.{n}", payload=bytes([n]) * (3000 + n)),
                virtio=bytes([0, 1, 54, 0, 0xA8, 5, 0, 0, 0, 0]),
                copied=True,
            )
        else:
            bench.rx.put(options(n) if n % 10 > 5 else client(n))
        count += 1
    bench.rx.ready_frames = waiting
    bench.forwarder.batch(count, 100)
    assert bench.rx.head == count
    assert moved(bench)["received"] == count
    assert moved(bench)["forwarded"] == len(bench.tx.sent) == count - moved(bench).get("dropped.overload", 0)
    return [sent[39] for sent in bench.tx.sent]


ODD = [n for n in range(40) if n % 10 > 5]


def turns(odd: list[int]) -> int:
    return module.ODD_IN_A_CROWD + len(odd) // module.ODD_COST


def test_nobody_is_given_up_while_few_frames_wait(bench):
    assert crowd(bench, module.CROWD + 40) == list(range(40))


def test_in_a_crowd_a_few_frames_that_are_not_plain_have_their_turn_and_super_frames_have_theirs(bench):
    kept = [n for n in range(40) if n not in ODD[turns(ODD) :]]
    assert crowd(bench, module.CROWD + 41) == kept
    by_server = bench.block.read().server_dropped
    assert by_server[1, DropReason.OVERLOAD] == by_server.sum() == len(ODD) - turns(ODD)


def test_where_the_ring_is_about_to_be_full_super_frames_are_given_up_too(bench):
    odd = [n for n in range(40) if n % 10 >= 5]
    kept = [n for n in range(40) if n not in odd[turns(odd) :]]
    assert crowd(bench, module.CRAMPED + 41) == kept
    assert bench.rx.take_large() is None
