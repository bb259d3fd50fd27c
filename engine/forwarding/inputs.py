"""What the compiler is told of servers and targets: decisions, and the MACs that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.datapath.table import ServerInput, TargetInput
from engine.domain.address import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.config.model import Server
    from engine.modules.state.view import View
    from engine.modules.state.world import ServerDecision, World


class Inputs:
    """The compiler's input at one moment, the same for every interface but for the servers on it.

    A target whose MAC is not known is not among it: no frame could be sent to it.
    """

    def __init__(self, world: World, view: View, decisions: Mapping[int, ServerDecision]) -> None:
        self._master = world.is_master
        self._view = view
        self._decisions = decisions
        macs = {address: n.mac for address, n in world.neighbours.items() if n.mac}
        self.targets = [
            TargetInput(t.number, f"{t.ipaddr}:{t.port}", macs[address], t.weight)
            for t in view.targets.values()
            if (address := view.target_address[t.number]) in macs
        ]
        self.blocked_mac = sorted(set(macs.values()))
        self._resolved = {t.number for t in self.targets}

    def virtual(self, interface: int) -> list[Address]:
        """Return the virtual addresses that are answered for on an interface."""
        return [v.address for v in self._view.virtuals.values() if v.interface == interface]

    def servers(self, interface: int) -> list[ServerInput]:
        """Return the servers on an interface, the disabled ones for their flows; none on a node that is not the master."""
        found = []
        for decision in self._decisions.values() if self._master else ():
            server = self._view.servers.get(decision.server)
            if server is None:
                continue
            address = Address.parse_v4(server.ipaddr)
            virtual = self._view.virtuals.get(address) if address is not None else None
            if virtual is not None and virtual.interface == interface:
                found.append(self._server(server, virtual.address, decision))
        return found

    def _server(self, server: Server, address: Address, decision: ServerDecision) -> ServerInput:
        return ServerInput(
            number=server.number,
            address=address,
            port=server.port,
            protocol=server.protocol,
            method=server.method,
            by_port=server.sessionid == "src+port",
            idle_s=server.stimeout,
            new=tuple(n for n in decision.new if n in self._resolved),
            keep=tuple(n for n in decision.keep if n in self._resolved),
            answers=self._view.server_enabled(server),
        )
