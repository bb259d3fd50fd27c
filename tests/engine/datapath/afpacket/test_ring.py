"""Sizes of rings: what the kernel takes, and what a worker may use."""

from __future__ import annotations

import mmap

import pytest

from engine.datapath.afpacket.ring import RX_BYTES, RX_SLOTS, receive_slots, slot_bytes


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
