"""Addresses that are not wanted any more: they go where nobody relies on them, and nothing else goes with them."""

import errno

import pytest

from engine.config.model import Network
from engine.io.host import removal
from engine.io.host.host import ASK_AGAIN_S
from engine.io.host.reliance import ForeignRoute, Hop
from engine.io.host.state import MARK
from tests.helpers.pretended_kernel import AT, REAL, SECOND, Socket, right, told


async def test_an_address_that_is_not_needed_any_more_goes(host, kernel):
    await right(host)
    righted = await right(host, networks=[])
    assert [n.message for n in righted.notices] == [
        f"removed {REAL}/24 from eth0, where it is not needed any more"
    ]
    assert kernel.addresses == {}


async def test_what_has_gone_is_not_ours_when_somebody_else_adds_it_on_a_kernel_without_marks(host, kernel):
    kernel.takes_marks = False
    await right(host)
    await right(host, networks=[])
    kernel.give(AT)
    await host.close()
    assert list(kernel.addresses) == [AT]


async def test_one_that_somebody_relies_on_stays_is_told_once_and_asked_about_again(host, kernel, caplog):
    await right(host)
    kernel.others = [ForeignRoute("default", REAL, (Hop(3),))]
    righted = await right(host, 0, networks=[])
    reason = "the route to default has it as its source"
    assert told(righted) == [("datapath", "warning", "host", f"{REAL}/24 stays on eth0: {reason}")]
    assert told(await right(host, 1, networks=[])) == []
    assert told(await right(host, ASK_AGAIN_S, networks=[])) == []
    kernel.others = []
    assert told(await right(host, 2 * ASK_AGAIN_S - 0.1, networks=[])) == []
    assert len(told(await right(host, 2 * ASK_AGAIN_S, networks=[]))) == 1
    assert kernel.addresses == {}


async def test_at_the_end_one_that_somebody_relies_on_stays_and_the_log_says_why(host, kernel, caplog):
    await right(host)
    kernel.others = [ForeignRoute("default", REAL, (Hop(3),))]
    await host.close()
    assert list(kernel.addresses) == [AT]
    assert f"{REAL}/24 stays on eth0: the route to default has it as its source" in caplog.text
    assert kernel.blackholes == {}


async def test_too_many_routes_to_look_through_are_a_reason_to_stay(host, kernel, caplog, monkeypatch):
    monkeypatch.setattr(removal, "ROUTES_S", 0.02)
    await right(host)
    kernel.others = None
    await host.close()
    assert list(kernel.addresses) == [AT]
    assert "more routes than can be looked through" in caplog.text


async def test_routes_that_go_with_the_last_address_are_put_back(host, kernel, caplog):
    await right(host)
    kernel.others = [
        ForeignRoute("default", None, (Hop(2, "172.16.1.254", True),)),
        ForeignRoute("10.0.0.0/8"),
    ]
    kernel.refuses = {"put back": OSError(errno.ENETUNREACH, "unreachable")}
    await host.close()
    assert kernel.did[-3:] == [("del", AT), ("put back", "default"), ("gone", None)]
    assert "the route to default went with an address and cannot be put back" in caplog.text


@pytest.mark.parametrize("promoting", [None, "all", "eth0"])
async def test_a_secondary_address_of_somebody_else_holds_ours_unless_it_is_promoted(
    host, kernel, promoting, tmp_path
):
    for name in ("all", "eth0"):
        folder = tmp_path / "conf" / name
        folder.mkdir(parents=True)
        (folder / "promote_secondaries").write_text(f"{int(name == promoting)}\n")
    await right(host)
    kernel.give(SECOND, secondary=True)
    await host.close()
    assert (AT in kernel.addresses) is (promoting is None)


async def test_a_secondary_address_of_ours_is_there_again_when_it_went_with_the_primary_one(host, kernel):
    await right(host)
    kernel.give(SECOND, secondary=True, mark=MARK)
    remove = Socket.remove_address

    async def with_secondary(self, at):
        await remove(self, at)
        kernel.addresses.clear()

    other = Network(number=2, real=SECOND.address, mask="255.255.255.0", interface=1)
    try:
        Socket.remove_address = with_secondary
        await right(host, networks=[other])
    finally:
        Socket.remove_address = remove
    assert list(kernel.addresses) == [SECOND]
