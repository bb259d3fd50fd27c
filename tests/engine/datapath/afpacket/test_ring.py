"""Sizes of rings: what the kernel takes, and what a worker may use."""

from __future__ import annotations

import mmap

import pytest

from engine.datapath.afpacket.ring import RX_BYTES, RX_SLOTS, ReceiveRing, receive_slots, slot_bytes
from engine.io import if_packet as c
from tests.helpers.rings import PretendedReceiveRing, PretendedTransmitRing


@pytest.mark.parametrize("mtu", [68, 1280, 1400, 1500, 4000, 9000, 65535])
def test_a_receive_ring_is_whole_pages_within_its_memory(mtu):
    slot, slots = slot_bytes(mtu), receive_slots(mtu)
    assert slot >= mtu + 14 + 4
    assert slots % 32 == 0
    assert slot * 32 % mmap.PAGESIZE == 0
    assert 32 <= slots <= RX_SLOTS
    assert slot * slots <= RX_BYTES


def test_at_the_usual_mtu_nothing_is_cut_off():
    assert receive_slots(1500) == RX_SLOTS


def test_a_slot_is_an_odd_multiple_of_128_that_holds_its_headers():
    assert slot_bytes(1500) == 13 * 128
    assert [slot_bytes(mtu) // 128 % 2 for mtu in range(68, 3000, 7)] == [1] * len(range(68, 3000, 7))
    assert slot_bytes(1664 - 96) == 13 * 128  # to the byte
    assert slot_bytes(1664 - 95) == 15 * 128


def test_frames_are_ready_up_to_a_gap_and_up_to_the_end():
    ring = PretendedReceiveRing(slots=8)
    assert ring.ready(5) == 0
    for _ in range(3):
        ring.put(b"x" * 60)
    assert [ring.ready(most) for most in (1, 3, 5)] == [1, 3, 3]
    ring.status[4] = c.TP_STATUS_USER
    assert ring.ready(8) == 3
    ring.release(2)
    assert ring.head == 2
    assert ring.ready(8) == 1
    ring.status[:] = c.TP_STATUS_USER | c.TP_STATUS_COPY
    assert ring.ready(100) == 6
    ring.release(6)
    assert ring.head == 0
    assert ring.ready(100) == 2  # not beyond what was given back


def test_room_is_up_to_a_slot_that_waits_and_up_to_the_end():
    ring = PretendedTransmitRing(slots=8)
    assert [ring.room(most) for most in (1, 8, 20)] == [1, 8, 8]
    ring.status[3] = c.TP_STATUS_SEND_REQUEST
    assert ring.room(8) == 3
    ring.advance(4)
    assert ring.head == 4
    assert ring.room(8) == 4
    ring.advance(4)
    assert ring.head == 0
    ring.status[0] = c.TP_STATUS_SEND_REQUEST
    assert ring.room(8) == 0


def test_what_waits_is_named_the_oldest_first_and_can_be_passed_over():
    ring = PretendedTransmitRing(slots=8)
    ring.head = 2
    for slot in (1, 6, 7):
        ring.status[slot], ring.length[slot] = c.TP_STATUS_SEND_REQUEST, 60
    assert ring.waiting().tolist() == [6, 7, 1]
    ring.skip(ring.waiting()[:2])
    assert ring.waiting().tolist() == [1]


def test_a_frame_larger_than_a_slot_is_taken_from_the_socket_and_its_error_is_kept():
    class Sock:
        def __init__(self, *answers):
            self.answers = list(answers)

        def recv_into(self, buffer, _size, _flags):
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            buffer[: len(answer)] = answer
            return len(answer)

    def taking(*answers):
        ring = PretendedReceiveRing()
        ring._large = bytearray(100)
        ring.sock = Sock(*answers)
        return ring, ReceiveRing.take_large(ring)

    assert taking(b"whole")[1] == b"whole"
    assert taking(BlockingIOError())[1] is None
    ring, found = taking(OSError("down"), b"next")
    assert (ring.troubled, found) == (True, b"next")
    assert taking(OSError("down"), OSError("down"), b"third")[1] is None
