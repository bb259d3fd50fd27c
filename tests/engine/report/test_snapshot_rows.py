"""The state that every console draws from: what is told of servers, targets, links and networks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engine.api.messages import MemberState
from engine.changes.admin import AdminState
from engine.config.model import Config, Interface, Network, Server, Target
from engine.datapath.contract import Counters
from engine.domain.address import Address
from engine.domain.checks import ProbeKey
from engine.domain.frame import FrameClass, Link
from engine.domain.reason import Cause, Reason
from engine.domain.states import NodeRole
from engine.io.control_sockets import QueueCount
from engine.modules.state.view import View
from engine.modules.state.world import CheckResult, Membership, Neighbour, ServerDecision, TargetStatus, World
from engine.report.snapshot import Gatherer

MAC = bytes.fromhex("020000000201")


def server(number, **changes):
    fields = {"name": "www", "ipaddr": "172.16.1.10", "port": 80, "protocol": "tcp", "targets": [1, 2]}
    return Server(number=number, **{**fields, "registered": True, "enabled": True, **changes})


def target(number, **changes):
    fields = {"name": "web", "ipaddr": f"172.17.2.{number}", "port": 80, "protocol": "tcp", "dsr": True}
    return Target(number=number, **{**fields, "registered": True, "enabled": True, **changes})


CONFIG = Config(
    interfaces=[
        Interface(number=number, name=f"eth{number}", registered=number < 4) for number in range(1, 5)
    ],
    networks=[
        Network(number=1, name="lan", addr="172.16.1.0", mask="255.255.255.0", virt="172.16.1.1", interface=1, registered=True),
        Network(number=2, registered=True),
        Network(number=3, addr="10.0.0.0"),
    ],
    servers=[
        server(1, backup=[3]),
        server(2, targets=[2], backup=[1], enabled=False),
        server(3, ipaddr=None, targets=[]),
        server(4, registered=False, targets=[3], backup=[2]),
    ],
    targets=[target(1, weight=5), target(2), target(3, ipaddr=None), target(4, registered=False)],
)  # fmt: skip


@pytest.fixture
def world():
    return World(CONFIG, role=NodeRole.MASTER)


RATES = SimpleNamespace(
    server=lambda number: (number + 0.26, 8.24), target=lambda number: (number + 0.26, 8.24)
)


def gatherer(world, decisions=None, statuses=None, members=None):
    slb = SimpleNamespace(
        eligibility=lambda _: decisions or {},
        targets=lambda _: statuses or {},
        members=lambda _: members or {},
    )
    view = View(world)
    view.refresh()
    return Gatherer(world, SimpleNamespace(slb=slb, view=view), None, RATES, AdminState(world, file=None))


def row(number, value):
    rows = np.zeros(2000, np.int64)
    rows[number] = value
    return rows


SERVING = {1: ServerDecision(1, new=(1,), keep=(1, 2))}


def test_a_server_as_consoles_see_it(world):
    read = Counters(
        server_packets=row(1, 10),
        server_bytes=row(1, 900),
        server_sessions=row(1, 4),
        server_half_open=row(1, 3),
    )
    first, *others = gatherer(world, SERVING).servers(read, 100.0)
    assert [one.number for one in others] == [2, 3]
    assert (first.number, first.name, first.ipaddr, first.port, first.protocol, first.method) == (
        (1, "www", "172.16.1.10", 80, "tcp", "rr")
    )  # fmt: skip
    assert (first.targets, first.backup) == ([1, 2], [3])
    assert (first.sessions, first.packets, first.bytes, first.pps, first.bps) == (4, 10, 900, 1.3, 8.2)
    assert first.half_open == 3
    assert others[1].ipaddr == ""


def test_a_server_that_was_not_decided_yet_is_not_operational_and_has_no_reason(world):
    state = gatherer(world).servers(Counters(), 100.0)[0]
    assert (state.admin, state.operational, state.reason) == ("enabled", False, None)
    assert gatherer(world).servers(Counters(), 100.0)[1].reason == "disabled"


def test_a_server_tells_how_it_sees_its_targets(world):
    cause = Cause(Reason.CHECK_FAILED, error="does not accept 172.16.1.10")
    members = {1: (Membership(1, False, "up", True, None), Membership(2, True, "down", False, cause))}
    told = gatherer(world, members=members)
    first, second, _ = told.servers(Counters(), 100.0)
    assert first.members == [
        MemberState(target=1, backup=False, health="up", able=True, reason=None),
        MemberState(target=2, backup=True, health="down", able=False, reason="does not accept 172.16.1.10"),
    ]
    assert second.members == []
    assert told.servers(Counters(), 101.0)[0].members is first.members  # made once for each decision


def test_a_target_tells_which_servers_it_is_out_of(world):
    statuses = {2: TargetStatus(2, "up", operational=True, reason=None, last_change=1.0, out_of=(2,))}
    states = gatherer(world, statuses=statuses).targets(Counters(), 100.0)
    assert [one.out_of for one in states] == [[], [2], []]


def test_a_target_as_consoles_see_it(world):
    world.neighbours[Address.parse("172.17.2.1")] = Neighbour(mac=MAC)
    world.target_admin[1] = "draining"
    statuses = {1: TargetStatus(1, "up", operational=True, reason=Cause(Reason.DRAINING), last_change=97.76)}
    read = Counters(
        target_packets=row(1, 10),
        target_bytes=row(1, 900),
        target_sessions=row(1, 4),
        target_half_open=row(1, 3),
        target_unanswered=row(1, 2),
    )
    first, *others = gatherer(world, statuses=statuses).targets(read, 100.0)
    assert [one.number for one in others] == [2, 3]
    assert (first.name, first.ipaddr, first.port, first.protocol) == ("web", "172.17.2.1", 80, "tcp")
    assert (first.mac, first.dsr, first.weight) == ("02:00:00:00:02:01", True, 5)
    assert (first.admin, first.health, first.operational, first.reason) == (
        "draining",
        "up",
        True,
        "draining",
    )
    assert (first.sessions, first.packets, first.bytes, first.pps, first.bps) == (4, 10, 900, 1.3, 8.2)
    assert (first.half_open, first.unanswered, first.maxsessions) == (3, 2, 0)
    assert first.last_change_s == 2.2


def test_a_target_is_told_with_the_registered_servers_that_have_it(world):
    states = gatherer(world).targets(Counters(), 100.0)
    assert [(one.servers, one.backup_of) for one in states] == [([1, 2], [2]), ([1, 2], []), ([1], [1])]


def test_a_target_that_nobody_has_looked_at_yet(world):
    world.neighbours[Address.parse("172.17.2.2")] = Neighbour()
    first, second, third = gatherer(world).targets(Counters(), 100.0)
    assert (first.health, first.operational, first.reason) == ("unknown", False, "not looked at yet")
    assert (first.last_change_s, first.mac, second.mac) == (0.0, None, None)
    assert (third.ipaddr, third.mac, third.checks) == ("", None, [])


def test_a_target_that_gets_no_flows_is_not_operational(world):
    statuses = {
        1: TargetStatus(
            1,
            "down",
            operational=False,
            reason=Cause(Reason.CHECK_FAILED, error="refused"),
            last_change=100.0,
        )
    }
    assert not gatherer(world, statuses=statuses).targets(Counters(), 100.0)[0].operational


def test_the_checks_of_a_target(world):
    address = Address.parse("172.17.2.1")
    open_ = ProbeKey(1, "tcpopen", address, 80, 3, 10)
    world.checks = {
        open_: CheckResult("up", last_ok=98.76, rtt_ms=0.12345),
        ProbeKey(1, "ping", address, None, 3, 10): CheckResult("down", error="no answer"),
    }
    first, second, _ = gatherer(world).targets(Counters(), 100.0)
    assert [
        (one.kind, one.port, one.state, one.last_ok_s, one.rtt_ms, one.error, one.address)
        for one in first.checks
    ] == [
        ("tcpopen", 80, "up", 1.2, 0.123, None, "172.17.2.1"),
        ("ping", None, "down", None, None, "no answer", "172.17.2.1"),
    ]
    assert second.checks == []


def test_interfaces_are_up_down_or_missing(world):
    world.links = {
        1: Link(1, "eth1", 5, MAC, 1500, up=True),
        2: Link(2, "eth2", 6, MAC, 9000, up=False),
    }
    counts = [QueueCount(1, FrameClass.CHECKS, 70, 0), QueueCount(1, FrameClass.ECHO, 5, 90_000)]
    states = gatherer(world).interfaces({"eth1": {"172.16.1.252", "10.0.0.1"}}, counts)
    assert [(one.number, one.name, one.link, one.mac, one.mtu, one.addresses) for one in states] == [
        (1, "eth1", "up", "02:00:00:00:02:01", 1500, ["10.0.0.1", "172.16.1.252"]),
        (2, "eth2", "down", "02:00:00:00:02:01", 9000, []),
        (3, "eth3", "missing", None, None, []),
    ]
    assert [(queue.name, queue.read, queue.unread) for queue in states[0].queues] == [
        ("checks", 70, 0),
        ("echo", 5, 90_000),
    ]
    assert states[1].queues == []


def test_networks_as_configured(world):
    assert [
        (one.number, one.name, one.addr, one.mask, one.real, one.virt, one.interface)
        for one in gatherer(world).networks()
    ] == [
        (1, "lan", "172.16.1.0", "255.255.255.0", None, "172.16.1.1", 1),
        (2, "", "", "", None, None, None),
    ]
