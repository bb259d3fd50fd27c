"""Playbooks: frames and time in, frames and notices out. The seed's network, without a socket."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from engine.config.model import Config, Interface, Network, Server, Target
from engine.domain.address import Address
from engine.domain.checks import CheckSettings, ProbeAnswer
from engine.domain.frame import Frame, Link
from engine.domain.states import NodeRole
from engine.modules.chain import build_chain
from engine.modules.state.world import Outcome, World

if TYPE_CHECKING:
    from engine.domain.checks import ProbeKey, ProbeStart
    from engine.domain.notices import Notice

LB = "02:00:00:00:00:52"
T1 = "02:00:00:00:01:00"
T2 = "02:00:00:00:01:01"
ROUTER = "02:00:00:00:02:54"
STRANGER = "02:00:00:00:0b:ad"
VIP = "172.16.1.10"
VIRT = "172.16.1.253"
REAL = "172.16.1.252"
HOSTS = {"172.16.1.100": T1, "172.16.1.101": T2}
EVERYONE = "ff:ff:ff:ff:ff:ff"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def seed(**changes) -> Config:
    """The file of the BalanceNG page, with the named lists replaced."""
    config = Config(
        interfaces=[Interface(number=1, name="eth0", registered=True, enabled=True)],
        networks=[
            Network(
                number=1,
                addr="172.16.1.0",
                mask="255.255.255.0",
                real=REAL,
                virt=VIRT,
                interface=1,
                registered=True,
                enabled=True,
            )
        ],
        servers=[server()],
        targets=[target(1), target(2)],
    )
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def server(number: int = 1, **fields) -> Server:
    base = {"ipaddr": VIP, "port": 80, "protocol": "tcp", "targets": [1, 2]}
    return Server(number=number, registered=True, enabled=True, **{**base, **fields})


def target(number: int, **fields) -> Target:
    base = {
        "ipaddr": f"172.16.1.{99 + number}",
        "port": 80,
        "protocol": "tcp",
        "checks": {"tcpopen": CheckSettings(80, 3, 10)},
        "dsr": True,
        "registered": True,
        "enabled": True,
    }
    return Target(number=number, **{**base, **fields})


def arp(op, sha, spa, tpa, *, dst=EVERYONE, tha="00:00:00:00:00:00") -> bytes:
    return bytes(Ether(src=sha, dst=dst) / ARP(op=op, hwsrc=sha, psrc=spa, hwdst=tha, pdst=tpa))


@dataclass
class Play:
    """An engine without sockets. `hosts` answer ARP, tcpopen and VIP checks like real targets, unless told not to."""

    world: World
    now: float = 1000.0
    sent: list[tuple[float, Frame]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    probes: list[tuple[float, ProbeStart]] = field(default_factory=list)
    recompiles: int = 0
    woken: int = 0  # turns that time passing has brought
    hosts: dict[str, str] = field(default_factory=lambda: dict(HOSTS))
    no_service: set[str] = field(default_factory=set)  # tcpopen and SYN refused
    silent: set[str] = field(default_factory=set)  # tcpopen not answered
    no_alias: set[tuple[str, str]] = field(default_factory=set)  # (host, virtual address)
    no_ping: set[str] = field(default_factory=set)
    talks: dict[str, bytes] = field(default_factory=dict)  # what a host answers to any datagram

    def __post_init__(self):
        self.chain = build_chain(self.world)

    def take(self, outcome: Outcome) -> Outcome:
        self.sent += [(self.now, frame) for frame in outcome.send]
        self.notices += outcome.notices
        self.probes += [(self.now, probe) for probe in outcome.probes]
        self.recompiles += outcome.recompile
        return outcome

    def give(self, data: bytes, *, interface: int = 1, vlan: int | None = None) -> Outcome:
        return self.take(self.chain.handle(Frame(interface, data, vlan), self.now))

    def tick(self, seconds: float = 0.0) -> Outcome:
        """Let time pass as the engine does, a turn whenever one is due; none passes for 0. Nobody answers."""
        total = self.take(self.chain.tick(self.now)) if not seconds else Outcome()
        for _ in self.turns(seconds):
            total.merge(self.take(self.chain.tick(self.now)))
        return total

    def turns(self, seconds: float):
        """Move `now` on to each turn in the next `seconds`: 20 ms apart at least and 1 s at most, as in the engine."""
        end = self.now + seconds
        while self.now < end:
            due = min(self.chain.next_due(self.now), self.now + 1.0)
            self.now = min(max(due, self.now + 0.02), end)
            self.woken += 1
            yield

    def live(self, seconds: float) -> None:
        """As tick, with the hosts answering what they are asked 10 ms later."""
        end = self.now + seconds
        self.turn_with_answers()
        while self.now < end:
            for _ in self.turns(end - self.now):
                self.turn_with_answers()
                break

    def turn_with_answers(self) -> None:
        probes, sent = len(self.probes), len(self.sent)
        self.take(self.chain.tick(self.now))
        answered = False
        while probes < len(self.probes) or sent < len(self.sent):
            if not answered:
                self.now += 0.01
                answered = True
            for _, probe in self.probes[probes:]:
                probes += 1
                self.probed(probe.key)
            for _, frame in self.sent[sent:]:
                sent += 1
                for answer in self.answers(frame):
                    self.give(answer)

    def result(self, key: ProbeKey, **answer) -> Outcome:
        return self.take(self.chain.result(key, ProbeAnswer(**answer), self.now))

    def probed(self, key: ProbeKey) -> None:
        address = str(key.address)
        known = address in self.hosts
        if key.kind == "ping" and address in self.no_ping:
            return
        if known and address not in self.no_service | self.silent:
            self.result(key, ok=True, rtt_ms=10.0)
        elif known and address in self.no_service:
            self.result(key, ok=False, error=f"connection refused on {key.address}:{key.port}", certain=True)
        # A silent one: the engine reports when the attempt's time is over; hc's own guard is tested apart.

    def answers(self, frame: Frame) -> list[bytes]:
        packet = Ether(frame.data)
        answers = []
        for address, at in self.hosts.items():
            if packet.dst not in (at, EVERYONE):
                continue
            if ARP in packet and packet[ARP].op == 1 and packet[ARP].pdst == address:
                answers.append(arp(2, at, address, packet[ARP].psrc, dst=packet.src, tha=packet.src))
            if IP in packet and (address, packet[IP].dst) not in self.no_alias:
                answers += self.ip_answers(packet, address, at)
        return answers

    def ip_answers(self, packet, address, at) -> list[bytes]:
        back = Ether(src=at, dst=packet.src) / IP(src=packet[IP].dst, dst=packet[IP].src)
        if UDP in packet:
            if address in self.no_service:
                quoted = bytes(packet[IP])[:28]
                return [bytes(back / ICMP(type=3, code=3) / quoted)]
            udp = packet[UDP]
            answer = UDP(sport=udp.dport, dport=udp.sport) / self.talks.get(address, b"")
            return [bytes(back / answer)] if address in self.talks else []
        if ICMP in packet and packet[ICMP].type == 8 and address not in self.no_ping:
            echo = ICMP(type=0, id=packet[ICMP].id, seq=packet[ICMP].seq) / bytes(packet[ICMP].payload)
            return [bytes(back / echo)]
        if TCP in packet and packet[TCP].flags == "S":
            tcp = packet[TCP]
            flags = "RA" if address in self.no_service else "SA"
            seq = 0 if flags == "RA" else 7777
            reply = TCP(sport=tcp.dport, dport=tcp.sport, seq=seq, ack=(tcp.seq + 1) % 2**32, flags=flags)
            return [bytes(back / reply)]
        return []

    def frames(self, layer=None, since: float = 0.0) -> list[Ether]:
        packets = [Ether(f.data) for at, f in self.sent if at >= since]
        return [p for p in packets if layer is None or layer in p]

    def said(self, text: str) -> list[Notice]:
        return [n for n in self.notices if text in n.message]

    def up(self) -> None:
        """Let everything come up, and forget what was sent and said."""
        self.live(4)
        assert all(c.state == "up" for c in self.world.checks.values()), self.world.checks
        self.forget()

    def forget(self) -> None:
        self.sent.clear()
        self.notices.clear()
        self.probes.clear()
        self.recompiles = 0


def make(config: Config | None = None, *, asks: bool = False, **fields) -> Play:
    """Return an engine; it takes the virtual addresses at once, unless it `asks` first whether they are free."""
    links = {1: Link(number=1, name="eth0", ifindex=2, mac=mac(LB), mtu=1500, up=True)}
    return Play(World(config=config or seed(), links=links, force_claim=not asks), **fields)


def backup(config: Config | None = None) -> Play:
    """Return an engine that another node has won the election from."""
    play = make(config)
    play.world.role = NodeRole.BACKUP
    play.chain.vrrp.tick = lambda _now: Outcome()
    play.chain.vrrp.next_due = lambda _now: math.inf
    return play


class Kit:
    """What a test module needs of this file; tests are no package, so it comes as a fixture."""

    LB, T1, T2, ROUTER, STRANGER = LB, T1, T2, ROUTER, STRANGER
    VIP, VIRT, REAL, EVERYONE = VIP, VIRT, REAL, EVERYONE
    mac = staticmethod(mac)
    ip = staticmethod(Address.parse)
    ether = staticmethod(lambda frame: Ether(frame.data))
    seed = staticmethod(seed)
    server = staticmethod(server)
    target = staticmethod(target)
    arp = staticmethod(arp)
    make = staticmethod(make)
    backup = staticmethod(backup)


@pytest.fixture(scope="session")
def kit():
    return Kit


@pytest.fixture
def play():
    return make()
