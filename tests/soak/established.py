"""Flows of every method that have to stay where they are, whatever else comes: opened, and looked after from outside."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.flowtable import DEFAULT_BUCKETS
from engine.datapath.keys import flow_hash_v4_vector
from engine.io import packet_filter
from engine.lab import addressing, links
from engine.lab.namespaces import inside
from engine.packets.checksum import checksum
from tests.helpers.port import LB, ROUTER, Port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.lab.topology import Lab

METHODS = ("rr", "random", "hash", "session", "first")
PORT_OF = {method: 1001 + n for n, method in enumerate(METHODS)}
NUMBER_OF = {method: 1 + n for n, method in enumerate(METHODS)}
UDP_PORT = 1010

FLOWS_NET, PROBES_NET, STRANGERS_NET = "198.18.0.0/16", "198.19.0.0/16", "10.0.0.0/8"
_FLOWS, _PROBES, STRANGERS = 198 << 24 | 18 << 16, 198 << 24 | 19 << 16, 10 << 24

SYN, ACK = 0x02, 0x10
_CHUNK = 200
_HEAD = LB + ROUTER + b"\x08\0"


def config(remark: str = "", weight: int = 1) -> str:
    """Return a configuration with a server for each method and one of UDP; its targets are not checked.

    `remark` is in every name, and `weight` that of every second target: what a reload changes.
    """
    text = f"""modules vrrp,arp,ping,master,slb
interface 1 {{
 name eth0
 access raw
}}
register interface 1
enable interface 1
network 1 {{
 name "local {remark}"
 addr 172.16.1.0
 mask 255.255.255.0
 real {addressing.LB}
 virt 172.16.1.253
 interface 1
}}
register network 1
enable network 1
"""
    servers = [(NUMBER_OF[m], PORT_OF[m], "tcp", m) for m in METHODS]
    for number, port, protocol, method in [*servers, (10, UDP_PORT, "udp", "rr")]:
        text += f'server {number} {{\n name "{method} {remark}"\n ipaddr {addressing.VIP}\n port {port}\n'
        text += f" protocol {protocol}\n method {method}\n targets {number * 10 + 1},{number * 10 + 2}\n}}\n"
        for n, host in enumerate(addressing.TARGETS.values(), 1):
            target = number * 10 + n
            text += f'target {target} {{\n name "{method} {n} {remark}"\n ipaddr {host}\n port {port}\n protocol {protocol}\n'
            text += f" weight {weight if n == 2 else 1}\n dsr enable\n}}\nregister target {target}\nenable target {target}\n"
        text += f"register server {number}\nenable server {number}\n"
    return text


def prepare(lab: Lab) -> None:
    """Have the targets take frames and say nothing: they have no virtual address, so their kernel drops what comes."""
    for node in addressing.TARGETS:
        lab.alias(node, addressing.VIP, present=False)
        with inside(lab.netns_path(node)), links.netlink() as netlink:
            for net in (FLOWS_NET, PROBES_NET, STRANGERS_NET):
                netlink.route("add", dst=net, type="blackhole")


def segment(client: int, port: int, flags: int, protocol: int = 6) -> bytes:
    """Return a frame of minimum size to the virtual address, by the client's address as a number."""
    to = bytes(map(int, addressing.VIP.split(".")))
    transport = (40000).to_bytes(2, "big") + port.to_bytes(2, "big")
    if protocol == 6:
        transport += bytes(8) + bytes([0x50, flags]) + (1000).to_bytes(2, "big") + bytes(4)
    else:
        transport += (20).to_bytes(2, "big") + bytes(2) + bytes(12)
    head = b"\x45\0" + (20 + len(transport)).to_bytes(2, "big") + b"\0\1\x40\0\x40" + bytes([protocol])
    addresses = client.to_bytes(4, "big") + to
    found = checksum(head + bytes(2) + addresses)
    return (_HEAD + head + found.to_bytes(2, "big") + addresses + transport).ljust(60, b"\0")


Flow = tuple[int, int]
"""Port of the server, and address of the client as a number."""


@dataclass
class Established:
    """So many flows of each method, and the MAC that each went to when it was opened."""

    port: Port
    each: int
    at: dict[Flow, bytes] = field(default_factory=dict)

    def open(self) -> None:
        """Open all of them. AssertionError where one is not forwarded, or its second packet goes elsewhere."""
        flows = [(port, _FLOWS + n) for port in PORT_OF.values() for n in range(self.each)]
        self.at = self._sent(flows, SYN)
        assert len(self.at) == len(flows), f"{len(flows) - len(self.at)} of {len(flows)} were not forwarded"
        moved = self.moved()
        assert not moved, f"{len(moved)} moved with their second packet"

    def moved(self) -> list[Flow]:
        """Send a packet of every flow; return those that went elsewhere than at first, or nowhere three times running."""
        now = self._sent(list(self.at), ACK)
        for _ in range(2):  # what the ring had no room for is asked once more
            if missing := [flow for flow in self.at if flow not in now]:
                time.sleep(0.5)
                now |= self._sent(missing, ACK)
        return [flow for flow, mac in self.at.items() if now.get(flow) != mac]

    def _sent(self, flows: Sequence[Flow], flags: int) -> dict[Flow, bytes]:
        self.port.drain()
        found: dict[Flow, bytes] = {}
        for at in range(0, len(flows), _CHUNK):
            some = flows[at : at + _CHUNK]
            for seen in self.port.forwarded(*(segment(client, port, flags) for port, client in some)):
                found[int.from_bytes(seen.data[36:38], "big"), int.from_bytes(seen.data[26:30], "big")] = (
                    seen.to
                )
        return found

    def aimed(self, most: int = 400_000) -> np.ndarray:
        """Return sources that a stranger would choose for the lines of these flows, if the table's hash had no seed."""
        mask = np.uint64(DEFAULT_BUCKETS - 1)
        lines = np.zeros(DEFAULT_BUCKETS, np.bool_)
        for method, port in PORT_OF.items():
            clients = np.array([client for at, client in self.at if at == port], np.uint64)
            lines[(_hashes(clients, NUMBER_OF[method]) & mask).astype(np.intp)] = True
        candidates = np.arange(STRANGERS, STRANGERS + (1 << 22), dtype=np.uint64)
        hit = lines[(_hashes(candidates, NUMBER_OF["rr"]) & mask).astype(np.intp)]
        return candidates[hit][:most].astype(np.uint32)


def _hashes(clients: np.ndarray, server: int) -> np.ndarray:
    words = clients.astype(">u4").view("<u4").astype(np.uint64)
    zero = np.zeros(len(words), np.uint64)
    return flow_hash_v4_vector(words, zero, np.full(len(words), server, np.uint64))


_ONLY_PROBES = [
    (packet_filter.LDH_ABS, 0, 0, 26),  # the first half of the source address
    (packet_filter.JEQ, 0, 1, _PROBES >> 16),
    packet_filter.ACCEPT,
    packet_filter.REJECT,
]


class Newcomers:
    """Connections that begin beside a flood, ten a second: each a SYN and two segments that have to go the same way."""

    def __init__(self, lab: Lab, first: int = 0) -> None:
        self._port = Port(lab)
        packet_filter.attach(self._port.sock, _ONLY_PROBES)
        self._next = first
        self._went: dict[Flow, list[bytes]] = defaultdict(list)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._begin), threading.Thread(target=self._hear)]

    @contextlib.contextmanager
    def running(self) -> Iterator[Newcomers]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()
            self._port.sock.close()

    def _begin(self) -> None:
        ports = list(PORT_OF.values())
        while not self._over.is_set():
            client, port = _PROBES + self._next % 65_536, ports[self._next % len(ports)]
            self._next += 1
            for flags in (SYN, ACK, ACK):
                self._port.send(segment(client, port, flags))
                time.sleep(0.02)
            self._went.setdefault((port, client), [])
            time.sleep(0.04)

    def _hear(self) -> None:
        while not self._over.is_set():
            if (seen := self._port.next(0.2)) is not None:
                flow = int.from_bytes(seen.data[36:38], "big"), int.from_bytes(seen.data[26:30], "big")
                self._went[flow].append(seen.to)

    @property
    def begun(self) -> int:
        return len(self._went)

    @property
    def broken(self) -> int:
        """How many went to two targets."""
        return sum(len(set(macs)) > 1 for macs in self._went.values())

    @property
    def lost(self) -> int:
        """Packets that did not come through: the flood took their place in the ring."""
        return sum(3 - len(macs) for macs in self._went.values())


def until(true: Callable[[], object], timeout_s: float) -> bool:
    """Wait until `true()`; False where it does not come in time."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
