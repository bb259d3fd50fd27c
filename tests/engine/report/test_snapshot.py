"""The modules' records as consoles get them."""

from types import SimpleNamespace

import pytest

from engine.config.model import Config, Server, Target
from engine.datapath.contract import Counters
from engine.domain.address import Address
from engine.domain.reason import Cause, Reason
from engine.domain.states import NodeRole
from engine.modules.arp.entry import ArpEntry
from engine.modules.module import ModuleStatus
from engine.modules.state.world import Neighbour, ServerDecision, TargetStatus, World
from engine.modules.vrrp import Election
from engine.report.snapshot import Gatherer

A = Address.parse("172.16.1.100")
MAC = b"\x02\x00\x00\x00\x01\x00"
COUNTERS = Counters()
RATES = SimpleNamespace(server=lambda _number: (0.0, 0.0), target=lambda _number: (0.0, 0.0))


def gatherer(world=None, **chain):
    admin = SimpleNamespace(
        of_server=lambda s: "enabled" if s.enabled else "disabled", of_target=lambda _: "enabled"
    )
    return Gatherer(world or World(Config()), SimpleNamespace(**chain), None, RATES, admin)


def test_arp_entries_are_rounded_and_written_out():
    entries = [
        ArpEntry(A, MAC, "target", "target 1", 1.23456, "resolved"),
        ArpEntry(A, None, "virtual", "server 1, server 2", None, "answering"),
    ]
    rows = gatherer(arp=SimpleNamespace(entries=lambda _now: entries)).arp(5.0)
    assert [(r.address, r.mac, r.kind, r.owner, r.age_s, r.state) for r in rows] == [
        ("172.16.1.100", "02:00:00:00:01:00", "target", "target 1", 1.235, "resolved"),
        ("172.16.1.100", None, "virtual", "server 1, server 2", None, "answering"),
    ]


def test_modules_and_elections_keep_their_words():
    gather = gatherer(
        describe=lambda: [ModuleStatus("arp", "standby", 7, "a note")],
        vrrp=SimpleNamespace(elections=lambda: [Election(7, NodeRole.FAULT, 100, 1, "why")]),
    )
    (module,) = gather.modules()
    assert (module.name, module.state, module.frames, module.note) == ("arp", "standby", 7, "a note")
    (election,) = gather.vrrp()
    assert (election.vrid, election.state, election.priority, election.network) == (7, "fault", 100, 1)


@pytest.mark.parametrize(
    ("role", "enabled", "new", "operational", "reason"),
    [
        (NodeRole.MASTER, True, (1,), True, None),
        (NodeRole.BACKUP, True, (1,), False, None),
        (NodeRole.MASTER, True, (), False, "has no targets"),
        (NodeRole.MASTER, False, (1,), False, "disabled"),
    ],
)
def test_a_server_is_operational_on_the_master_that_has_somebody(role, enabled, new, operational, reason):
    world = World(Config(servers=[Server(number=1, registered=True, enabled=enabled)]), role=role)
    cause = None if new else Cause(Reason.NO_TARGETS)
    slb = SimpleNamespace(
        eligibility=lambda _now: {1: ServerDecision(1, new, new, cause)}, members=lambda _now: {}
    )
    (row,) = gatherer(world, slb=slb).servers(COUNTERS, 5.0)
    assert (row.operational, row.reason) == (operational, reason)


def test_a_target_shows_its_mac_and_why_it_is_out():
    world = World(Config(targets=[Target(number=n, ipaddr=str(A), registered=True) for n in (1, 2)]))
    world.neighbours[A] = Neighbour(mac=MAC)
    status = TargetStatus(1, "down", False, Cause(Reason.MAC_UNRESOLVED, address=A), 2.0)
    view = SimpleNamespace(target_address={1: A})
    slb = SimpleNamespace(targets=lambda _now: {1: status})
    first, second = gatherer(world, slb=slb, view=view).targets(COUNTERS, 5.0)
    assert (first.mac, first.health, first.reason) == (
        "02:00:00:00:01:00",
        "down",
        "no MAC: 172.16.1.100 does not answer ARP",
    )
    assert first.last_change_s == 3.0
    assert (second.mac, second.health, second.reason) == (None, "unknown", "not looked at yet")
