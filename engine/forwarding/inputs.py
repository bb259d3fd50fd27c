"""What the compiler is told of servers and targets: decisions, and the MACs that are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.datapath.contract import NO_INTERFACE
from engine.datapath.table import EgressInput, ServerInput, TargetInput
from engine.domain.checks import VIP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.config.model import Server
    from engine.domain.address import Address
    from engine.modules.state.view import Site, View
    from engine.modules.state.world import ServerDecision, World


class Inputs:
    """The compiler's input at one moment, for every interface that frames come by.

    A target whose MAC is not known is not among it: no frame could be sent to it.
    """

    def __init__(self, world: World, view: View, decisions: Mapping[int, ServerDecision]) -> None:
        self._master = world.is_master
        self._view = view
        self._decisions = decisions
        macs = {address: n.mac for address, n in world.neighbours.items() if n.mac}
        self.targets = [
            TargetInput(t.number, f"{t.ipaddr}:{t.port}", macs[address], t.weight, max(0, t.maxsessions))
            for t in view.targets.values()
            if (address := view.target_address[t.number]) in macs
        ]
        self._own_macs = {link.mac for link in world.links.values()}
        self._resolved = {t.number: t.mac for t in self.targets}
        self._in_service = self._macs_in_service(world)

    def _macs_in_service(self, world: World) -> set[bytes]:
        """Return the MACs that are proved to be of targets that get frames.

        A MAC that ARP alone gave may be a router's that answers for an absent target: every client comes through it.
        """
        getting = {n for d in self._decisions.values() for n in (*d.new, *d.keep)}
        in_service = {n: mac for n, mac in self._resolved.items() if n in getting}
        if "hc" in world.config.modules:
            proved = {
                (key.target, check.mac)
                for key, check in world.checks.items()
                if key.kind == VIP and check.state == "up"
            }
            in_service = {n: mac for n, mac in in_service.items() if (n, mac) in proved}
        gateway = world.neighbours.get(self._view.gateway) if self._view.gateway is not None else None
        return set(in_service.values()) - {gateway.mac if gateway is not None else b""}

    def blocked_mac(self, interface: int) -> list[bytes]:
        """Return the MACs whose frames to a virtual address on an interface are loops: targets' in service, and our own.

        Wherever they are: two interfaces may be on one wire, and then a target's frame comes by both.
        """
        link = self._view.world.links.get(interface)
        others = self._own_macs - {link.mac if link is not None else b""}
        return sorted(self._in_service | others)

    def targets_from(self, interface: int) -> list[TargetInput]:
        """Return the targets as seen from an interface: each with its way out, where that is not the way in."""
        vlans = {v.vlan for v in self._view.virtuals.values() if v.interface == interface}
        ways_out = {site: self._egress(interface, vlans, site) for site in self._view.sites}
        sites = self._view.target_site
        return [
            t
            if (egress := ways_out.get(sites[t.number]) if t.number in sites else None) is None
            else replace(t, egress=egress)
            for t in self.targets
        ]

    def _egress(self, interface: int, vlans: set[int | None], site: Site) -> EgressInput | None:
        """Return the way out to a network for frames that came by an interface to addresses on `vlans`."""
        here = site.interface == interface
        if here and vlans <= {site.vlan}:
            return None
        link = self._view.world.links.get(site.interface)
        if link is None:
            return EgressInput(NO_INTERFACE, bytes(6), 0xFFFF, site.vlan or 0)
        return EgressInput(0 if here else link.ifindex, link.mac, link.mtu, site.vlan or 0)

    def virtual(self, interface: int) -> list[Address]:
        """Return the virtual addresses that are answered for on an interface."""
        withheld = self._view.world.withheld
        return [
            v.address
            for v in self._view.virtuals.values()
            if v.interface == interface and v.address not in withheld
        ]

    def vlans(self, interface: int) -> dict[Address, int]:
        """Return the VLANs of the virtual addresses on an interface, of those that are not untagged."""
        return {
            v.address: v.vlan
            for v in self._view.virtuals.values()
            if v.interface == interface and v.vlan is not None
        }

    def servers(self, interface: int) -> list[ServerInput]:
        """Return the servers on an interface, those that do not answer for their flows; none on a node that is not the master."""
        found = []
        for decision in self._decisions.values() if self._master else ():
            server = self._view.servers.get(decision.server)
            if server is None:
                continue
            address = self._view.server_addresses.get(server.number)
            site = self._view.serving_site(address) if address is not None else None
            if address is not None and site is not None and site.interface == interface:
                found.append(self._server(server, address, decision))
        return found

    def _server(self, server: Server, address: Address, decision: ServerDecision) -> ServerInput:
        among = decision.among
        # Where primaries serve again, a client that begins anew goes to them.
        backups = set(server.backup) - set(server.targets)
        leaving = backups if among and among[0] not in backups else set()
        return ServerInput(
            number=server.number,
            address=address,
            port=server.port,
            protocol=server.protocol,
            method=server.method,
            by_port=server.sessionid == "src+port",
            idle_s=server.stimeout,
            new=tuple(n for n in among if n in self._resolved),
            keep=tuple(n for n in decision.keep if n in self._resolved),
            leaving=tuple(n for n in decision.keep if n in leaving and n in self._resolved),
            answers=self._view.server_enabled(server) and address not in self._view.world.withheld,
        )
