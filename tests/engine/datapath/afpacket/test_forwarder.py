"""Frames in batches over pretended rings: order, what is left to the other path, and a device that takes nothing."""

from __future__ import annotations

import errno

import pytest

from engine.datapath.afpacket import forwarder as module
from engine.datapath.afpacket.forwarder import FEW
from engine.datapath.contract import DropReason
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
    assert bench.forwarder.flush() == DropReason.TX_FULL
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
    assert bench.forwarder._refused == -1


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
    assert bench.forwarder.flush() == DropReason.TX_ERROR
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


def test_a_tag_goes_back_with_the_protocol_it_came_with():
    data = memoryview(bytes([c.VNET_NEEDS_CSUM, 0, 0, 0, 0, 0, 34, 0, 16, 0]) + frame(ACK))
    tagged = module.tagged(data, 0x88A8_0064, c.TP_STATUS_VLAN_TPID_VALID)
    assert tagged[22:26] == b"\x88\xa8\x00\x64"
    assert tagged[10:22] == data[10:22]
    assert tagged[26:] == data[22:]
    assert tagged[6:8] == (38).to_bytes(2, "little")  # where the checksum begins moves with it
    plain = module.tagged(memoryview(bytes(10) + frame(ACK)), 0x88A8_0064, 0)
    assert plain[22:26] == b"\x81\x00\x00\x64"
    assert plain[:10] == bytes(10)


def test_a_fault_drops_the_frame_and_leaves_the_others(bench, monkeypatch):
    decide = bench.forwarder.scalar.decide

    def faulty(data, size, now_s):
        if data[39] == 3:  # the client's last byte
            raise IndexError("no such row")
        return decide(data, size, now_s)

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
    bench.rx.put(client(13), vlan=100)
    bench.forwarder.few(1, 100)
    super_frame = frame(ACK, src="192.0.2.14", payload=b"x" * 3000)
    bench.rx.put(super_frame, virtio=bytes([0, 1, 54, 0, 0xA8, 5, 0, 0, 0, 0]), copied=True)
    bench.forwarder.few(1, 100)
    assert bench.plain.sent == bench.cutting.sent == []
    bench.tx.refuses = 0
    bench.forwarder.flush()
    assert [sent[39] for sent in bench.tx.sent[:13]] == list(range(13))
    assert bench.tx.sent[13][22:26] == bytes.fromhex("81000064")
    assert moved(bench)["dropped.tx-full"] == 1  # what the ring cannot hold
    bench.forwarder.few(put(bench, client(15)), 100)
    assert [sent[39] for sent in bench.plain.sent] == [15]
