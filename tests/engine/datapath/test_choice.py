from __future__ import annotations

import pytest

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.choice import choose
from engine.datapath.contract import DatapathError


@pytest.mark.parametrize("wanted", ["auto", "afpacket"])
def test_the_fastest_that_can_be_used_is_taken_and_why_no_faster_one(wanted):
    choice = choose(wanted)
    assert choice.kind == AfPacketDatapath.kind == "afpacket"
    assert choice.make is AfPacketDatapath
    assert choice.why == ("xdp: not built into this version",)


@pytest.mark.parametrize("wanted", ["xdp", "xdp-generic"])
def test_what_cannot_be_used_is_refused_with_what_to_do(wanted):
    with pytest.raises(DatapathError, match=r"^xdp: not built into this version; use auto or afpacket$"):
        choose(wanted)


def test_what_nobody_knows_is_refused():
    with pytest.raises(DatapathError, match="no datapath 'dpdk'"):
        choose("dpdk")
