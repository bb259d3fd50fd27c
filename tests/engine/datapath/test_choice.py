from __future__ import annotations

import pytest

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.choice import choose
from engine.datapath.contract import DatapathError


def test_auto_takes_the_fastest_that_it_may_and_says_why_no_faster_one():
    choice = choose("auto")
    assert choice.kind == AfPacketDatapath.kind == "afpacket"
    assert choice.make is AfPacketDatapath
    assert choice.why == (
        "xdp: only where it is asked for by its name",
        "xdp-generic: only where it is asked for by its name",
    )


@pytest.mark.parametrize("wanted", ["xdp", "xdp-generic", "afpacket"])
def test_what_is_asked_for_is_taken(wanted):
    choice = choose(wanted)
    assert choice.kind == wanted
    assert choice.why == ()


def test_what_nobody_knows_is_refused():
    with pytest.raises(
        DatapathError, match="no datapath 'dpdk'; use auto or one of xdp, xdp-generic, afpacket"
    ):
        choose("dpdk")
