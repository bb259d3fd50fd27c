from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from engine.config.load import load
from engine.domain.frame import Link
from engine.domain.states import NodeRole
from engine.forwarding import Forwarding
from engine.modules.state.view import View
from engine.modules.state.world import Neighbour, ServerDecision, World
from tests.helpers.fake_datapath import Factory, FakeDatapath

CONFIG = """modules vrrp,arp,hc,ping,master,slb
interface 1 {
    name eth0
}
interface 2 {
    name eth1
    threads 3
}
register interfaces 1,2
enable interfaces 1,2
network 1 {
    addr 172.16.1.0
    mask 255.255.255.0
    real 172.16.1.2
    interface 1
}
network 2 {
    addr 172.16.2.0
    mask 255.255.255.0
    real 172.16.2.2
    interface 2
}
register networks 1,2
enable networks 1,2
server 1 {
    ipaddr 172.16.1.10
    port 80
    protocol tcp
    method hash
    sessionid src+port
    stimeout 77
    targets 1,2
}
server 2 {
    ipaddr 172.16.2.10
    port 53
    protocol udp
    targets 3
}
register servers 1,2
enable servers 1,2
target 1 {
    ipaddr 172.16.1.100
    port 80
    protocol tcp
    dsr enable
}
target 2 {
    ipaddr 172.16.1.101
    port 80
    protocol tcp
    weight 3
    dsr enable
}
target 3 {
    ipaddr 172.16.2.100
    port 53
    protocol udp
    dsr enable
}
register targets 1-3
enable targets 1-3
"""

OWN = {1: b"\2\0\0\0\0\1", 2: b"\2\0\0\0\0\2"}
MAC = {n: bytes([2, 0, 0, 0, 1, n]) for n in (1, 2, 3)}
DECISIONS = {1: ServerDecision(1, (1, 2), (1, 2)), 2: ServerDecision(2, (3,), (3,))}


def link(number: int, mtu: int = 1500) -> Link:
    return Link(number, f"eth{number - 1}", 10 + number, OWN[number], mtu, True)


def parse(text: str):
    config = load(text.encode(), "test.conf").config
    assert config is not None
    return config


@dataclass
class Play:
    """A forwarding with fakes, and the world it looks at."""

    world: World
    view: View
    factory: Factory = field(default_factory=Factory)
    workers: int = 2

    def __post_init__(self) -> None:
        self.forwarding = Forwarding(self.world, self.view, self.factory.choice, self.workers)

    def links(self, *links: Link) -> None:
        self.world.links = {one.number: one for one in links}
        self.view.refresh()

    def configure(self, text: str) -> None:
        self.world.config = parse(text)
        self.view.refresh()

    def resolve(self, number: int, mac: bytes | None) -> None:
        self.world.neighbours[self.view.target_address[number]] = Neighbour(mac=mac)

    def on(self, ifname: str) -> FakeDatapath:
        """Return the datapath that was made last for an interface."""
        return [d for d in self.factory.made if d.ifname == ifname][-1]

    def follow(self) -> list[tuple[str, str, str]]:
        return [(n.severity, n.subject, n.message) for n in self.forwarding.follow_links()]


@pytest.fixture
def play() -> Play:
    world = World(parse(CONFIG))
    world.role = NodeRole.MASTER
    made = Play(world, View(world))
    made.links(link(1), link(2))
    for number, mac in MAC.items():
        made.resolve(number, mac)
    return made
