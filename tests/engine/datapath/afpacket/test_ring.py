"""Sizes of rings: what the kernel takes, and what a worker may use."""

from __future__ import annotations

import mmap
import os
import socket
import struct

import pytest

from engine.datapath.afpacket import ring as module
from engine.datapath.afpacket import sockets
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
    assert ring.ready(8) == ring.ready(5) == 3
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


# -- what is asked of the kernel ----------------------------------------------------------------------------------------


class KernelSocket:
    """A packet socket that keeps what is asked of it, with memory to map."""

    def __init__(self, *kind):
        self.asked: list[tuple] = [kind]
        self.refuses = ""
        self.memory = os.memfd_create("test-ring")
        os.ftruncate(self.memory, 1 << 20)
        self.large = b""

    def setsockopt(self, _level, option, *value):
        self.asked.append((option, *value))

    def bind(self, address):
        if self.refuses:
            raise OSError(self.refuses)
        self.asked.append(("bind", *address))

    def fileno(self):
        return self.memory

    def getsockopt(self, level, option, size):
        assert (level, option) == (c.SOL_PACKET, c.PACKET_STATISTICS)
        return struct.pack("II", 100, 7)[:size]

    def recv_into(self, buffer, _size, _flags):
        memoryview(buffer)[: len(self.large)] = self.large  # a view does not grow
        return len(self.large)

    def send(self, data, flags):
        self.asked.append((data, flags))

    def close(self):
        if self.memory >= 0:
            os.close(self.memory)
        self.memory = -1


@pytest.fixture
def kernel(monkeypatch):
    made = []

    def open_one(*kind):
        made.append(KernelSocket(*kind))
        return made[-1]

    monkeypatch.setattr(module.socket, "socket", open_one)
    monkeypatch.setattr(module.packet_filter, "attach", lambda sock, _program: sock.asked.append(("filter",)))
    monkeypatch.setattr(sockets, "want_buffer", lambda sock, *wanted: sock.asked.append(wanted))
    yield made
    for sock in made:
        sock.close()


def test_a_socket_is_bound_when_its_filter_is_there_and_is_not_shown_what_others_send(kernel):
    asked = module.packet_socket("eth9").asked
    assert asked[0] == (socket.AF_PACKET, socket.SOCK_RAW, 0)
    assert asked[1:3] == [(c.SO_RCVBUFFORCE, 32 << 20), (c.SO_SNDBUFFORCE, 32 << 20)]
    assert asked[3] == ("filter",)
    assert asked[-1] == ("bind", "eth9", c.ETH_P_ALL)
    assert (c.PACKET_VNET_HDR, 1) in asked
    assert (c.PACKET_IGNORE_OUTGOING, 1) in asked
    assert (c.PACKET_QDISC_BYPASS, 1) not in asked  # it sends nothing


@pytest.mark.parametrize(("options", "direct"), [({}, True), ({"direct": False}, False)])
def test_a_socket_that_only_sends_passes_by_the_queues_if_wanted(kernel, options, direct):
    asked = module.packet_socket("eth9", protocol=0, **options).asked
    assert asked[-1] == ("bind", "eth9", 0)
    assert ((c.PACKET_QDISC_BYPASS, 1) in asked) == direct


def test_sockets_that_were_opened_ahead_are_taken_before_others_are_opened(kernel, monkeypatch):
    sockets.open_ahead(2)
    monkeypatch.setattr(sockets, "_open", lambda: "opened later")
    taken = {id(module.packet_socket("eth9")), id(module.packet_socket("eth9", protocol=0))}
    assert taken == {id(sock) for sock in kernel}
    assert sockets.take() == "opened later"


def test_a_socket_that_cannot_be_bound_is_closed(kernel, monkeypatch):
    monkeypatch.setattr(KernelSocket, "bind", lambda *_: (_ for _ in ()).throw(OSError("no such device")))
    with pytest.raises(OSError, match="no such device"):
        module.packet_socket("eth9")
    assert kernel[0].memory == -1


@pytest.mark.parametrize("kind", ["rx", "tx"])
def test_a_ring_is_asked_for_in_whole_blocks_and_can_be_written(kernel, kind):
    ring = {"rx": ReceiveRing, "tx": module.TransmitRing}[kind]("eth9", 64, 128)
    option = {"rx": c.PACKET_RX_RING, "tx": c.PACKET_TX_RING}[kind]
    asked = ring.sock.asked
    assert asked[-1] == (option, struct.pack("IIII", 4096, 2, 128, 64))
    assert asked.index((c.PACKET_VERSION, c.TPACKET_V2)) < len(asked) - 1
    if kind == "rx":
        assert {(c.PACKET_RESERVE, c.RX_RESERVE), (c.PACKET_COPY_THRESH, 1)} < set(asked)
    else:
        assert (c.PACKET_LOSS, 1) in asked
    ring.status[5] = c.TP_STATUS_USER
    assert (ring.slots, ring.words[5 * 32], ring.head) == (64, c.TP_STATUS_USER, 0)


@pytest.mark.parametrize(("slots", "slot"), [(64, 100), (33, 128)])
def test_a_ring_that_is_not_whole_is_refused(kernel, slots, slot):
    with pytest.raises(ValueError, match="slots must fill whole pages and whole blocks"):
        module.TransmitRing("eth9", slots, slot)


def test_the_largest_frame_of_all_is_taken_whole(kernel):
    ring = ReceiveRing("eth9", 32, 128)
    assert not ring.troubled
    ring.sock.large = b"x" * (c.VNET_BYTES + 14 + 4 + 65535)
    assert ring.take_large() == ring.sock.large


def test_losses_are_the_drops_of_the_kernel(kernel):
    assert ReceiveRing("eth9", 32, 128).lost() == 7


def test_a_flush_has_the_kernel_look_at_the_ring_without_waiting(kernel):
    ring = module.TransmitRing("eth9", 32, 128)
    ring.flush()
    assert ring.sock.asked[-1] == (b"", socket.MSG_DONTWAIT)
