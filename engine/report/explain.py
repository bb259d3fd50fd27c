"""Which target a flow gets, and why: the steps of the decision in words (`bngctl explain`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.api.messages import Explanation
from engine.domain.address import Address
from engine.domain.errors import OpError

if TYPE_CHECKING:
    from engine.api.ops import ExplainArgs
    from engine.config.model import Server
    from engine.forwarding import Forwarding
    from engine.modules.chain import Chain
    from engine.report.lights import Lights

_METHOD = {
    "rr": "round robin: the next target in turn",
    "random": "random",
    "hash": "hash (Maglev)",
    "first": "first: the first target that is up",
    "session": "session: the target with the fewest sessions for its weight",
}


class Explainer:
    """Answers op `explain` from the running tables."""

    def __init__(self, chain: Chain, forwarding: Forwarding, lights: Lights) -> None:
        self._chain = chain
        self._forwarding = forwarding
        self._lights = lights

    def explain(self, args: ExplainArgs) -> Explanation:
        """Explain one flow. Raises OpError for what is not an address and a server that does not exist."""
        client = _address(args.client)
        candidates = self._candidates(args.server)
        port = args.server_port
        server = _choose(candidates, port)
        steps: list[str] = []
        if server is None:
            steps.append(f"{args.server} has no server on port {port}: the frame is dropped (no-server)")
            return Explanation(client=client, server=None, target=None, decided_by="none", steps=steps)
        steps.append(
            f"server {server.number}: {server.ipaddr} port {server.port or 'any'} protocol {server.protocol}"
        )
        steps += self._lights.about(server.number)
        by_port = server.sessionid == "src+port"
        if by_port and args.client_port is None:
            raise OpError(
                "bad-args", f"server {server.number} tells clients apart by port too: give CLIENT:PORT"
            )
        key = f"{client} port {args.client_port}" if by_port else f"{client} (any port)"
        steps.append(f"session key: {key}")
        found = self._forwarding.find(client, args.client_port or 0, server, port or server.port)
        if found is None:
            why = (
                "disabled"
                if not self._chain.view.server_enabled(server)
                else "not forwarding on any interface"
            )
            steps.append(f"server {server.number} is {why}")
            return Explanation(
                client=client, server=server.number, target=None, decided_by="none", steps=steps
            )
        if found.known:
            steps.append(f"a session binds it to target {found.target}, last used {found.idle_s} s ago")
            steps += self._way_out(server, found.target)
            return Explanation(
                client=client, server=server.number, target=found.target, decided_by="session", steps=steps
            )
        steps.append("no session: a new one is made by the server's method")
        return self._by_method(client, server, found.target, steps)

    def _by_method(self, client: str, server: Server, target: int | None, steps: list[str]) -> Explanation:
        now = time.monotonic()
        decision = self._chain.slb.eligibility(now).get(server.number)
        statuses = self._chain.slb.targets(now)
        new = decision.new if decision else ()
        for number in [*server.targets, *server.backup]:
            status = statuses.get(number)
            if number not in new and status is not None:
                what = status.reason or (
                    "a backup, not needed now" if number in server.backup else "not chosen"
                )
                steps.append(f"target {number} gets no new flows: {what}")
        if not new:
            steps.append("no target takes new flows: the frame is dropped (no-target)")
            return Explanation(
                client=client, server=server.number, target=None, decided_by="none", steps=steps
            )
        names = ", ".join(map(str, new))
        steps.append(
            f"{_METHOD.get(server.method, server.method)}, among target{'s' * (len(new) > 1)} {names}"
        )
        if target is None:
            steps.append("which of them is known only when the flow comes")
        steps += self._way_out(server, target)
        return Explanation(
            client=client, server=server.number, target=target, decided_by="method", steps=steps
        )

    def _way_out(self, server: Server, target: int | None) -> list[str]:
        """Say by which interface frames leave, where that is not the one they come by."""
        view = self._chain.view
        if target is None or not view.crosses(server, target):
            return []
        interface = view.world.config.interface(view.target_site[target].interface)
        return [f"target {target} is behind another interface: {interface.name if interface else 'none'}"]

    def _candidates(self, text: str) -> list[Server]:
        servers = self._chain.view.servers
        if text.isascii() and text.isdigit():
            number = int(text[:12])  # no server has so long a number, and int() refuses thousands of digits
            if number not in servers:
                raise OpError("not-found", f"there is no server {text[:40]}")
            return [servers[number]]
        address = _address(text)
        found = [s for s in servers.values() if s.ipaddr == address]
        if not found:
            raise OpError("not-found", f"no server has the address {address}")
        return found


def _choose(candidates: list[Server], port: int | None) -> Server | None:
    if port is None:
        return candidates[0]
    return next((s for s in candidates if s.port == port), next((s for s in candidates if not s.port), None))


def _address(text: str) -> str:
    address = Address.parse_v4(text)
    if address is None:
        raise OpError("bad-args", f"{text[:80]!r} is not an IPv4 address")
    return str(address)
