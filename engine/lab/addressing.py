"""The example network as data: which nodes there are, where, and with which addresses.

    client 192.0.2.10-73 -- router 192.0.2.1 | 172.16.1.254 -- switch -+- lb       (eth0; the engine adds 172.16.1.252)
                                                                       +- target1  172.16.1.100, alias 172.16.1.10
                                                                       +- target2  172.16.1.101, alias 172.16.1.10

172.16.1.0/24 and what is in it come from BalanceNG's example; 192.0.2.0/24 is for documentation (RFC 5737).
"""

from __future__ import annotations

from engine.domain.address import Address

NODES = ("client", "router", "switch", "lb", "target1", "target2")

VIP = "172.16.1.10"
"""The virtual server, an alias on the targets' loopback interface."""

HTTP_PORT = 80
LAN_PREFIX = 24

ROUTER = "172.16.1.254"
LB = "172.16.1.252"
"""The `real` address of the configuration: the engine puts it on the interface, not the lab."""

TARGETS = {"target1": "172.16.1.100", "target2": "172.16.1.101"}

CLIENT_GATEWAY = "192.0.2.1"
CLIENT_SOURCES = tuple(f"192.0.2.{number}" for number in range(10, 74))
"""Many, because the balancer keeps a client on its target by source address: one address would use one target."""

LAN_PORTS = {"router": ROUTER, "lb": LB, **TARGETS}
"""What hangs on the switch by its eth0, each with the address its MAC is made of."""


def mac_of(address: str) -> str:
    """Return the MAC of the interface with that address: 02:00 and the address in hex, easy to read in a capture."""
    return ":".join(f"{byte:02x}" for byte in b"\x02\x00" + Address.parse(address).packed)
