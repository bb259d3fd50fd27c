"""A kernel that is pretended, with addresses, routes and refusals of its own, and every socket to it."""

from __future__ import annotations

import asyncio
import errno

from pyroute2.netlink.exceptions import NetlinkError

from engine.config.model import Config, Interface, Network
from engine.io.host.state import MARK, Found, FoundAddress, FoundLink, Placed, network_of

REAL, VIP, OTHER = "172.16.1.252", "172.16.1.10", "172.16.1.11"
AT, SECOND = Placed(2, REAL, 24), Placed(2, "172.16.1.251", 24)
CONFIG = Config(interfaces=[Interface(number=1, name="eth0", enabled=True)])
NETWORK = Network(number=1, real=REAL, mask="255.255.255.0", interface=1)


class Kernel:
    """The kernel, and every socket to it."""

    def __init__(self):
        self.links = [FoundLink(2, "eth0", b"\x02" * 6, 1500, True)]
        self.addresses = {}  # FoundAddress by Placed
        self.blackholes = {}  # protocol by destination
        self.others = []
        self.discarded = set()
        self.flushed = set()
        self.takes_marks = True
        self.refuses = {}  # verb -> error
        self.did = []
        self.deaf = False
        self.sockets = 0

    def socket(self):
        self.sockets += 1
        return Socket(self)

    def give(self, at, **more):
        self.addresses[at] = FoundAddress(at, at.address, **more)

    def do(self, verb, thing):
        self.did.append((verb, thing))
        if verb in self.refuses:
            raise self.refuses[verb]


class Socket:
    def __init__(self, kernel):
        self.kernel = kernel

    async def open(self):
        pass

    def close(self):
        self.kernel.sockets -= 1

    async def look(self):
        if self.kernel.deaf:
            await asyncio.sleep(60)
        routes = frozenset(d for d, protocol in self.kernel.blackholes.items() if protocol == MARK)
        networks = {(at.ifindex, str(network_of(at))) for at in self.kernel.addresses} - self.kernel.flushed
        return Found(tuple(self.kernel.links), await self.addresses(), routes, frozenset(networks))

    async def addresses(self):
        return tuple(self.kernel.addresses.values())

    async def foreign_routes(self):
        if self.kernel.others is None:
            await asyncio.sleep(60)
        return self.kernel.others

    async def discards(self, address):
        return address in self.kernel.discarded

    async def set_up(self, ifindex):
        self.kernel.do("up", ifindex)

    async def add_address(self, at):
        self.kernel.do("add", at)
        if at in self.kernel.addresses:
            raise NetlinkError(errno.EEXIST)
        self.kernel.give(at, mark=MARK if self.kernel.takes_marks else 0)

    async def remove_address(self, at):
        self.kernel.do("del", at)
        self.kernel.addresses.pop(at, None)

    async def add_route(self, address):
        self.kernel.do("add route", address)
        if address in self.kernel.blackholes:
            raise NetlinkError(errno.EEXIST)
        self.kernel.blackholes[address] = MARK

    async def remove_route(self, address):
        self.kernel.do("del route", address)
        self.kernel.blackholes.pop(address, None)

    async def add_network(self, at):
        self.kernel.do("add network", at)
        self.kernel.flushed.discard((at.ifindex, str(network_of(at))))

    def put_back(self, route):
        self.kernel.do("put back", route.destination)


async def right(host, now=0.0, networks=(NETWORK,), virtual=(VIP,)):
    links = await host.links(CONFIG)
    return await host.put_right(networks, links, virtual, now)


def told(righted):
    return [(n.kind, n.severity, n.subject, n.message) for n in righted.notices]
