"""A forwarding table as plain Python: the fields of the contract, read and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

MAPPED = bytes(10) + b"\xff\xff"
NOT_MEMBER = 0xFF
NEXT, RANDOM, HASH, LEAST, FIRST = range(5)
NO_INTERFACE = 0xFFFF_FFFF


@dataclass(frozen=True)
class Server:
    number: int
    address: bytes
    port: int  # 0: any
    protocol: int  # 0: any
    by_port: bool
    idle_s: int
    pick: int
    buckets: object  # target numbers, by position

    def may_have(self, protocol: int) -> bool:
        return self.protocol in {0, protocol}


@dataclass(frozen=True)
class WayOut:
    """`ifindex` 0: the interface that frames come by; `vlan` None: the tag that they came with."""

    ifindex: int
    mac: bytes
    mtu: int
    vlan: int | None


class Table:
    """What a `ForwardingTable` says."""

    def __init__(self, table) -> None:
        self.generation = table.generation
        self.mtu = table.mtu
        served = zip(table.virtual_addr.tolist(), table.virtual_vlan.tolist(), strict=True)
        self.virtual = {bytes(row)[12:]: vlan for row, vlan in served if bytes(row[:12]) == MAPPED}
        self.own = [bytes(row) for row in table.own_mac.tolist()]
        self.blocked = {bytes(row) for row in table.blocked_mac.tolist()}
        self.mac = table.target_mac
        self.weight = table.target_weight
        here = WayOut(0, self.own[0] if self.own else bytes(6), table.mtu, None)
        there = [
            WayOut(int(ifindex), bytes(mac.tolist()), int(mtu), int(vlan))
            for ifindex, mac, mtu, vlan in zip(
                table.egress_ifindex, table.egress_mac, table.egress_mtu, table.egress_vlan, strict=True
            )
        ]
        self.ways_out = [here, *there]
        self._way_out = table.target_egress
        self.servers = []
        columns = zip(
            table.server_number.tolist(),
            table.server_addr.tolist(),
            table.server_port.tolist(),
            table.server_protocol.tolist(),
            table.server_by_port.tolist(),
            table.idle_s[table.server_number].tolist(),
            table.server_pick.tolist(),
            table.bucket_start.tolist(),
            table.bucket_len.tolist(),
            strict=True,
        )
        for number, address, port, protocol, by_port, idle_s, pick, start, length in columns:
            if bytes(address[:12]) == MAPPED:
                self.servers.append(
                    Server(
                        number=number,
                        address=bytes(address[12:]),
                        port=port,
                        protocol=protocol,
                        by_port=bool(by_port),
                        idle_s=idle_s,
                        pick=pick,
                        buckets=table.buckets[start : start + length],
                    )
                )
        self.by_number = {server.number: server for server in self.servers}
        self._member = table.member
        self._idle_s = table.idle_s
        self.limit = {n: limit for n, limit in enumerate(table.target_limit.tolist()) if limit}
        self.leaving = frozenset(divmod(pair, 2048) for pair in table.leaving.tolist())

    def member(self, server: int, target: int) -> int | None:
        """Return the generation under which a server's flows may stay on a target; None where they may not."""
        generation = int(self._member[server, target])
        return None if generation == NOT_MEMBER else generation

    def idle_s(self, server: int) -> int:
        """Return the idle time of a server's flows, also of one that does not answer now."""
        return int(self._idle_s[server])

    def find(self, address: bytes, port: int, protocol: int) -> Server | None:
        """Return the server for a destination, the most exact first (rule 2)."""
        for want_port, want_protocol in ((port, protocol), (0, protocol), (port, 0), (0, 0)):
            for server in self.servers:
                if (server.address, server.port, server.protocol) == (address, want_port, want_protocol):
                    return server
        return None

    def at(self, address: bytes) -> list[Server]:
        return [server for server in self.servers if server.address == address]

    def way_out(self, target: int) -> WayOut:
        """Return how frames of a target leave."""
        return self.ways_out[int(self._way_out[target])]

    def mac_of(self, target: int) -> bytes:
        return bytes(self.mac[target].tolist())
