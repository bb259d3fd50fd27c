"""What the host does to a kernel: one that is pretended (tests/helpers/pretended_kernel.py)."""

import errno
from dataclasses import replace

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from engine.config.model import Network
from engine.io.host import host as module
from engine.io.host.host import Host, HostError
from engine.io.host.repairs import TOLD
from engine.io.host.state import MARK, FoundLink, Placed
from tests.helpers.pretended_kernel import AT, CONFIG, NETWORK, OTHER, REAL, VIP, Socket, right, told


async def test_what_is_wanted_is_added_and_taken_back(host, kernel):
    righted = await right(host)
    assert (told(righted), righted.wrong, righted.refusals) == ([], {}, [])
    assert list(kernel.addresses) == [AT]
    assert kernel.blackholes == {VIP: MARK}
    assert host.addresses == {"eth0": {REAL}}
    kernel.did.clear()
    await right(host)
    assert kernel.did == []
    await host.close()
    assert kernel.did == [("del route", VIP), ("del", AT), ("gone", None)]


async def test_what_was_gone_is_back_and_told(host, kernel):
    await right(host)
    kernel.addresses.clear()
    kernel.blackholes.clear()
    assert told(await right(host, 1)) == [
        ("datapath", "warning", "host", f"the address {REAL}/24 of eth0 was gone and is back"),
        ("datapath", "warning", "host", f"the blackhole route for {VIP} was gone and is back"),
    ]
    assert (list(kernel.addresses), list(kernel.blackholes)) == ([AT], [VIP])
    assert told(await right(host, 2)) == []


async def test_the_route_to_the_network_of_an_address_that_was_flushed_is_back_and_told(host, kernel):
    await right(host)
    network = (2, "172.16.1.0/24")
    for n in range(TOLD):
        kernel.flushed = {network}
        assert told(await right(host, n)) == [
            ("datapath", "warning", "host", "the route to 172.16.1.0/24 over eth0 was gone and is back")
        ]
        assert kernel.flushed == set()
    kernel.flushed = {network}
    righted = await right(host, TOLD)
    assert (righted.notices, kernel.flushed) == ([], set())
    assert "takes the route to 172.16.1.0/24 away again" in righted.wrong["contested"]
    kernel.flushed = {network}
    await right(host, TOLD + 0.1)
    assert kernel.flushed == {network}
    kernel.refuses = {"add network": NetlinkError(errno.ENOMEM, "no memory")}
    righted = await right(host, TOLD + 2)
    assert [text.partition(": ")[0] for text in righted.refusals] == ["no route to 172.16.1.0/24 over eth0"]
    for code in (errno.EEXIST, errno.ENETDOWN, errno.ENODEV):
        kernel.refuses = {"add network": NetlinkError(code)}
        assert (await right(host, TOLD + 4)).refusals == []


async def test_several_routes_are_told_at_once(host, kernel):
    virtual = [f"10.0.0.{n}" for n in range(1, 7)]
    for count, text in [
        (2, "10.0.0.1 and 10.0.0.2"),
        (4, "10.0.0.1, 10.0.0.2, 10.0.0.3 and 10.0.0.4"),
        (5, "10.0.0.1, 10.0.0.2, 10.0.0.3 and 2 more"),
        (6, "10.0.0.1, 10.0.0.2, 10.0.0.3 and 3 more"),
    ]:
        await right(host, 1000 * count, virtual=virtual[:count])
        kernel.blackholes.clear()
        righted = await right(host, 1000 * count + 1, virtual=virtual[:count])
        assert [n.message for n in righted.notices] == [
            f"the blackhole routes for {text} were gone and are back"
        ]


async def test_a_contest_is_an_alarm_until_it_is_over(host, kernel):
    await right(host)
    for n in range(TOLD):
        kernel.blackholes.clear()
        kernel.addresses.clear()
        righted = await right(host, n / 10)
        assert (len(righted.notices), righted.wrong) == (2, {})
    kernel.blackholes.clear()
    kernel.addresses.clear()
    righted = await right(host, 0.5)
    assert righted.notices == []
    assert list(righted.wrong) == ["contested"]
    assert (
        f"takes the address {REAL}/24 of eth0 and the blackhole route for {VIP} away again and again; put back"
        in righted.wrong["contested"]
    )
    kernel.blackholes.clear()
    kernel.addresses.clear()
    kernel.did.clear()
    await right(host, 0.6)
    assert kernel.did == []  # not faster than once a second
    righted = await right(host, 1.5)
    assert kernel.did == [("add", AT), ("add route", VIP)]
    assert righted.notices == []
    assert "contested" in (await right(host, 60)).wrong
    assert (await right(host, 62)).wrong == {}


async def test_what_the_host_refuses_keeps_nothing_else_from_being_put_right(host, kernel):
    kernel.links = [FoundLink(2, "eth0", b"\x02" * 6, 1500, False)]
    kernel.refuses = {
        "add": NetlinkError(errno.EPERM, "not permitted"),
        "up": NetlinkError(errno.EBUSY, "busy"),
    }
    righted = await right(host)
    assert [text.partition(": ")[0] for text in righted.refusals] == [
        "eth0 cannot be set up",
        f"{REAL}/24 cannot be added to eth0",
    ]
    assert kernel.blackholes == {VIP: MARK}
    kernel.refuses = {"add route": NetlinkError(errno.ENOMEM, "no memory")}
    righted = await right(host, virtual=[VIP, OTHER])
    assert [text.partition(": ")[0] for text in righted.refusals] == [f"no blackhole route for {OTHER}"]
    assert list(kernel.addresses) == [AT]
    assert kernel.did.count(("up", 2)) == 2  # refused at first, and asked again
    kernel.refuses = {}
    assert (await right(host, virtual=[VIP, OTHER])).refusals == []
    assert kernel.did.count(("up", 2)) == 2  # whoever sets it down now means it


async def test_a_link_that_goes_meanwhile_is_no_refusal(host, kernel):
    kernel.links = [FoundLink(2, "eth0", b"\x02" * 6, 1500, False)]
    kernel.refuses = {"add": NetlinkError(errno.ENODEV), "up": NetlinkError(errno.ENODEV)}
    assert (await right(host)).refusals == []
    kernel.refuses = {}
    await right(host)
    assert kernel.did.count(("up", 2)) == 2


async def test_only_links_that_are_needed_are_set_up(host, kernel):
    kernel.links = [FoundLink(2, "eth0", b"\x02" * 6, 1500, False)]
    await right(host, networks=[])
    assert ("up", 2) not in kernel.did


async def test_an_address_of_somebody_else_serves_and_stays(host, kernel):
    kernel.give(Placed(2, REAL, 16))
    await right(host)
    await host.close()
    assert list(kernel.addresses) == [Placed(2, REAL, 16)]


async def test_an_address_that_somebody_sets_again_is_his(host, kernel, caplog):
    caplog.set_level("INFO")
    await right(host)
    kernel.give(AT)
    await right(host)
    assert f"{REAL}/24 of eth0 is not ours any more" in caplog.text
    await host.close()
    assert list(kernel.addresses) == [AT]


async def test_an_address_that_is_set_again_at_the_last_moment_stays(host, kernel):
    await right(host)
    foreign = Socket.foreign_routes

    async def meanwhile(_):
        kernel.give(AT)
        return await foreign(_)

    try:
        Socket.foreign_routes = meanwhile
        await host.close()
    finally:
        Socket.foreign_routes = foreign
    assert list(kernel.addresses) == [AT]


async def test_on_a_kernel_without_marks_the_record_says_what_is_ours(host, kernel, tmp_path):
    kernel.takes_marks = False
    await right(host)
    again = Host(tmp_path / "added.json")
    await again.open()
    await right(again)
    await again.close()
    assert kernel.addresses == {}


async def test_there_an_address_that_somebody_sets_again_stays_too(host, kernel):
    kernel.takes_marks = False
    await right(host)
    kernel.addresses[AT] = replace(kernel.addresses[AT], set_again=True)
    await host.close()
    assert list(kernel.addresses) == [AT]


async def test_what_a_dead_engine_left_is_ours_where_we_are_alone(host, kernel):
    kernel.give(AT, mark=MARK)
    kernel.give(Placed(3, "10.0.0.1", 8), mark=MARK)
    kernel.blackholes = {VIP: MARK, OTHER: MARK, "10.0.0.9": 3}
    kernel.alone = False
    await right(host)
    await right(host)
    assert len(kernel.addresses) == 2
    assert set(kernel.blackholes) == {VIP, OTHER, "10.0.0.9"}
    kernel.alone = True
    righted = await right(host)
    assert [n.message for n in righted.notices] == [
        "removed 10.0.0.1/8 from ?, where it is not needed any more"
    ]
    assert set(kernel.blackholes) == {VIP, "10.0.0.9"}
    await host.close()
    assert (kernel.addresses, kernel.blackholes) == ({}, {"10.0.0.9": 3})


async def test_of_another_engine_nothing_is_taken_away(host, kernel):
    kernel.alone = False
    kernel.give(AT, mark=MARK)
    kernel.blackholes = {VIP: MARK}
    await right(host, virtual=[VIP, OTHER])
    await host.close()
    assert (list(kernel.addresses), kernel.blackholes) == ([AT], {VIP: MARK})


async def test_another_route_in_place_of_ours_is_wrong_unless_it_discards_too(host, kernel):
    kernel.blackholes = {VIP: 3}
    righted = await right(host)
    assert "ip route del 172.16.1.10" in righted.wrong["routes in place"]
    kernel.discarded = {VIP}
    assert (await right(host)).wrong == {}


# -- trouble ------------------------------------------------------------------------------------------------------------


async def test_a_virtual_address_that_the_host_owns_is_refused_with_what_to_do(host, kernel):
    kernel.give(Placed(2, VIP, 32))
    await host.links(CONFIG)
    host.refuse_owned([OTHER])
    with pytest.raises(HostError, match=rf"{VIP} on eth0; remove it: ip addr del {VIP} dev eth0"):
        host.refuse_owned([OTHER, VIP])


async def test_a_netlink_socket_that_is_deaf_is_replaced(host, kernel, monkeypatch):
    await right(host)
    monkeypatch.setattr(module, "REPLY_S", 0.02)
    kernel.deaf = True
    with pytest.raises(OSError, match="no answer within"):
        await host.links(CONFIG)
    assert kernel.sockets == 0
    kernel.deaf = False
    assert (await right(host)).refusals == []
    assert kernel.sockets == 1


async def test_a_kernel_that_says_nothing_at_the_end_leaves_the_record(
    host, kernel, monkeypatch, tmp_path, caplog
):
    await right(host)
    monkeypatch.setattr(module, "REPLY_S", 0.02)
    kernel.deaf = True
    await host.close()
    assert "what was added stays" in caplog.text
    assert (tmp_path / "added.json").exists()


async def test_without_open_there_is_nothing_to_take_back(kernel, tmp_path):
    await Host(tmp_path / "added.json").close()
    assert kernel.did == []


async def test_what_is_still_needed_stays_ours_when_something_else_goes(host, kernel):
    kernel.alone = False  # nothing is found to be ours by its mark alone
    other = Network(number=2, real="10.0.0.2", mask="255.0.0.0", interface=1)
    await right(host, networks=[NETWORK, other])
    await right(host)
    assert list(kernel.addresses) == [AT]
    await host.close()
    assert kernel.addresses == {}


async def test_a_vlan_without_a_link_of_the_host_is_an_alarm_until_there_is_one(host, kernel):
    network = Network(number=1, real=REAL, mask="255.255.255.0", interface=1, vlan=200)
    righted = await right(host, networks=(network,))
    assert "network 1 is on VLAN 200, which this host has no link of" in righted.wrong["vlan"]
    assert kernel.addresses == {}
    kernel.links.append(FoundLink(9, "eth0.200", b"\x02" * 6, 1500, True, below=2, vlan=200))
    righted = await right(host, 1.0, networks=(network,))
    assert righted.wrong == {}
    assert [at.ifindex for at in kernel.addresses] == [9]
