"""The walk through the modules, the gate, and whatever the network throws at it."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from engine.config.model import DEFAULT_MODULES, MODULES, Vrrp
from engine.domain.frame import Frame
from engine.modules.state.world import Outcome


def test_the_modules_stand_in_the_order_of_the_line(kit):
    order = ["vrrp", "slb", "hc", "arp", "rt"]
    play = kit.make(kit.seed(modules=order))
    assert [m.name for m in play.chain.modules] == order
    assert [m.name for m in kit.make().chain.modules] == list(DEFAULT_MODULES)


def test_every_name_of_the_language_is_a_module(play):
    # Chain.__init__ in engine/modules/chain.py, and MODULES in engine/config/model.py.
    assert set(play.chain.every) == set(MODULES)


def test_show_modules_counts_frames_and_tells_the_idle(kit, play):
    play.tick()
    for _ in range(3):
        play.give(kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP))
    play.give(bytes(Ether(src=kit.ROUTER, dst=kit.LB) / IP(src="9.9.9.9", dst=kit.VIP) / ICMP(type=8)))
    rows = {m.name: (m.state, m.frames) for m in play.chain.describe()}
    assert rows == {
        "vrrp": ("active", 0),
        "arp": ("active", 3),
        "ping": ("active", 1),
        "hc": ("active", 0),
        "master": ("active", 0),
        "slb": ("active", 0),
        "tnat": ("idle", 0),
        "nat": ("idle", 0),
        "rt": ("idle", 0),
    }
    assert all(m.note for m in play.chain.describe())


def test_behind_the_gate_nothing_runs_on_a_backup(kit):
    play = kit.backup()
    play.live(3)
    assert play.notices
    assert not [n for n in play.notices if n.kind == "health"]
    assert play.recompiles > 0  # arp has found MACs
    assert {m.name: m.state for m in play.chain.describe()} == {
        "vrrp": "active",
        "arp": "active",
        "ping": "active",
        "hc": "active",
        "master": "active",
        "slb": "standby",
        "tnat": "standby",
        "nat": "standby",
        "rt": "standby",
    }
    assert play.give(b"\x00" * 60).consumed  # by the gate
    assert play.chain.master.frames == 1
    assert {c.state for c in play.world.checks.values()} == {"up"}  # hc stands before it


def test_without_vrrp_in_the_line_nobody_is_waited_for(kit):
    play = kit.make(kit.seed(modules=["arp", "hc", "master", "slb"]))
    play.tick()
    assert play.world.is_master
    assert play.said("master: no vrrp section")


def test_master_at_once_without_a_section_and_with_one_too_but_with_a_warning(kit):
    play = kit.make()
    play.tick()
    assert play.world.is_master
    assert [(n.kind, n.severity) for n in play.notices if n.kind == "vrrp"] == [("vrrp", "info")]
    assert play.chain.vrrp.note() == "no vrrp section: master at once"
    (row,) = play.chain.vrrp.elections()
    assert (row.vrid, row.role) == (None, "master")

    play = kit.make(kit.seed(vrrp=Vrrp(vrid=7, priority=150, network=1)))
    play.tick()
    play.tick(5)
    assert play.world.is_master
    assert [n.severity for n in play.said("election is not built yet")] == ["warning"]
    assert play.world.alarms["vrrp", "vrrp"].severity == "warning"
    (row,) = play.chain.vrrp.elections()
    assert (row.vrid, row.priority, row.network, row.role) == (7, 150, 1, "master")
    play.chain.reconfigure(kit.seed())
    play.tick(0.1)
    assert ("vrrp", "vrrp") not in play.world.alarms


def test_a_table_is_made_when_this_node_becomes_master_and_not_because_the_section_changes(kit, play):
    assert play.chain.vrrp.tick(play.now).recompile
    play.world.config.vrrp = Vrrp(vrid=7)
    changed = play.chain.vrrp.tick(play.now)
    assert (changed.recompile, len(changed.notices)) == (False, 1)
    assert play.chain.vrrp.note() == changed.notices[0].message


def test_a_new_order_keeps_the_modules_state(kit, play):
    play.up()
    before = [play.chain.arp, play.chain.hc]
    play.chain.reconfigure(kit.seed(modules=["hc", "arp", "slb"]))
    play.live(1)
    assert [play.chain.arp, play.chain.hc] == before
    assert [m.name for m in play.chain.modules] == ["hc", "arp", "slb"]
    assert play.notices == []


@pytest.fixture(scope="module")
def running(kit):
    play = kit.make()
    play.live(3)
    return play


@given(
    data=st.binary(max_size=200),
    vlan=st.one_of(st.none(), st.integers(0, 0xFFFF)),
    interface=st.integers(0, 3),
)
def test_arbitrary_bytes_never_raise(running, data, vlan, interface):
    running.chain.handle(Frame(interface, data, vlan), running.now)


HEADS = {
    "arp": b"\x08\x06\x00\x01\x08\x00\x06\x04\x00",
    "ipv4": b"\x08\x00E\x00",
    "icmp": b"\x08\x00E\x00\x00\x54\x00\x00\x00\x00\x40\x01",
}


@given(head=st.sampled_from(sorted(HEADS)), data=st.binary(max_size=120), cut=st.integers(0, 130))
def test_neither_do_bytes_that_begin_like_a_frame(running, head, data, cut):
    frame = (bytes.fromhex("020000000052") + b"\x02" * 6 + HEADS[head] + data)[:cut]
    running.chain.handle(Frame(1, frame), running.now)


@given(data=st.data())
@settings(max_examples=200)
def test_nor_do_real_frames_with_bytes_changed_and_cut(kit, running, data):
    frames = [
        kit.arp(1, kit.ROUTER, "172.16.1.254", kit.VIP),
        bytes(Ether(src=kit.ROUTER, dst=kit.LB) / IP(src="9.9.9.9", dst=kit.VIP) / ICMP(type=8) / b"abc"),
        bytes(
            Ether(src=kit.T1, dst=kit.LB) / IP(src=kit.VIP, dst=kit.REAL) / ICMP(type=3) / (b"E" + bytes(40))
        ),
    ]
    frame = bytearray(data.draw(st.sampled_from(frames)))
    for _ in range(data.draw(st.integers(0, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    running.chain.handle(Frame(1, bytes(frame[: data.draw(st.integers(0, len(frame)))])), running.now)


class Guarded:
    """Notes how the ticks of a module come out."""

    def __init__(self):
        self.not_before = 0.0
        self.errors = []

    @contextlib.contextmanager
    def attempt(self):
        try:
            yield
        except RuntimeError as error:
            self.errors.append(error)


def test_a_module_that_fails_keeps_none_of_the_others_from_its_tick(play, monkeypatch):
    def fail(_now):
        raise RuntimeError("broken")

    ticked = []
    monkeypatch.setattr(play.chain.arp, "tick", fail)
    monkeypatch.setattr(play.chain.slb, "tick", lambda now: ticked.append(now) or Outcome())
    with pytest.raises(RuntimeError):
        play.chain.tick(1.0)
    guard = play.chain.guards["arp"] = Guarded()
    play.chain.tick(2.0)
    assert (ticked, len(guard.errors)) == ([2.0], 1)
    guard.not_before = 5.0
    play.chain.tick(3.0)
    assert (ticked, len(guard.errors)) == ([2.0, 3.0], 1)
    monkeypatch.setattr(play.chain.arp, "next_due", lambda _now: 3.0)
    for other in play.chain.modules:
        if other is not play.chain.arp:
            monkeypatch.setattr(other, "next_due", lambda _now: 9.0)
    assert play.chain.next_due(3.0) == 5.0
