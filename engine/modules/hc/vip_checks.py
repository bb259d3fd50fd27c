"""The VIP checks in flight: SYNs and echoes out, answers matched, half-open connections reset.

Their bytes are in vip_frames; this file knows targets and links. hc keeps the timing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.frame import Frame
from engine.modules.hc import vip_frames as vip
from engine.packets.questions import QUESTIONS

if TYPE_CHECKING:
    import random

    from engine.domain.address import Address
    from engine.domain.checks import ProbeKey
    from engine.modules.state.view import View
    from engine.modules.state.world import World


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer says of a probe. Not `final`: the address is accepted, but the service has not answered yet."""

    key: ProbeKey
    error: str | None  # None: accepted
    rtt_ms: float
    mac: bytes  # where it was asked
    final: bool = True


@dataclass(slots=True)
class _Flight:
    key: ProbeKey
    sent: float
    mac: bytes  # where it was asked
    attempts: tuple[vip.VipId, ...]
    accepted: bool = False  # an echo was answered, beside a datagram that was not yet


def refuses(key: ProbeKey) -> str:
    """Return the error of a target that says no."""
    if key.asks:
        return f"refuses {key.address}:{key.port} (ICMP port unreachable: nothing there on UDP)"
    return f"refuses {key.address}:{key.port}" if key.port is not None else f"refuses {key.address}"


def ignores(key: ProbeKey) -> str:
    """Return the error of a target that says nothing: most likely the loopback alias is missing."""
    if key.asks and QUESTIONS[key.asks].must_answer:
        return f"does not answer {QUESTIONS[key.asks].asks} at {key.address}:{key.port}"
    return f"does not accept {key.address}"


class VipChecks:
    """Starts attempts and reads answers; at most one attempt a probe."""

    def __init__(self, world: World, view: View, rng: random.Random) -> None:
        self._world = world
        self._view = view
        self._rng = rng
        self.cookie = rng.randrange(0x10000)
        self._number = rng.randrange(0x10000)
        self._flights: dict[vip.VipId, _Flight] = {}
        self._by_key: dict[ProbeKey, _Flight] = {}

    def start(self, key: ProbeKey, now: float, *, rival: bool = False) -> list[Frame]:
        """Return the frames that ask; none while the target's MAC or the link is missing.

        A service of UDP that may keep silent is asked together with an echo: its answer proves the address.
        With `rival` it asks at the MAC that claims the target's address besides the known one, if there is one.
        """
        site = self._view.target_site.get(key.target)
        if site is None or site.real is None:  # a change has taken them away; hc takes it up at its next tick
            return []
        link = self._view.link(site.interface)
        neighbour = self._world.neighbours.get(self._view.target_address[key.target])
        if link is None or neighbour is None or neighbour.mac is None:
            return []
        self.forget(key)
        attempts = [self._fresh_id(site.real, key.address, key.port, key.asks)]
        if key.asks and not QUESTIONS[key.asks].must_answer:
            attempts.append(self._fresh_id(site.real, key.address, None))
        mac = neighbour.rival if rival and neighbour.rival is not None else neighbour.mac
        flight = self._by_key[key] = _Flight(key, now, mac, tuple(attempts))
        self._flights.update(dict.fromkeys(attempts, flight))
        return [Frame(site.interface, vip.question(a, link.mac, mac), site.vlan) for a in attempts]

    def accepted(self, key: ProbeKey) -> bool:
        """Whether the attempt under way has shown that the target accepts the address."""
        flight = self._by_key.get(key)
        return flight is not None and flight.accepted

    def forget(self, key: ProbeKey) -> None:
        """End the attempt of a probe, if it has one: later answers are strangers'."""
        flight = self._by_key.pop(key, None)
        for attempt in flight.attempts if flight is not None else ():
            del self._flights[attempt]

    def answer(self, frame: Frame, now: float) -> tuple[Verdict | None, list[Frame], bool]:
        """Return what a frame says, what to send back, and whether it was an answer to a VIP check at all."""
        found = vip.read_answer(frame.data)
        if found is None:
            return None, [], False
        flight = self._flights.get(found.id)
        # An echo's answer or an ICMP error that nobody waits for may be the kernel's; SYN-ACKs to our ports never are.
        ours = flight is not None or (found.id.virtual in self._view.virtuals and found.id.port is not None)
        if flight is not None and not _answers(flight, found):
            return None, [], True
        send: list[Frame] = []
        link = self._view.link(frame.interface)
        if ours and found.half_open and link is not None and not found.mac[0] & 1:
            send.append(frame.answer(vip.reset(found, link.mac)))
        if flight is None or not self._from_its_network(flight.key, frame):
            return None, send, ours
        if self._another_target(flight, found.mac):
            return None, send, ours
        key = flight.key
        if key.asks and found.id.port is None:
            if found.kind != "accepted":
                return None, send, True  # an echo may be filtered
            flight.accepted = True
            return Verdict(key, None, (now - flight.sent) * 1000, flight.mac, final=False), send, True
        self.forget(key)
        error = None
        if found.kind == "refused":
            error = refuses(key)
        elif found.kind == "unreachable":
            error = f"{ignores(key)} (ICMP unreachable, code {found.code})"
        return Verdict(key, error, (now - flight.sent) * 1000, flight.mac), send, True

    def _from_its_network(self, key: ProbeKey, frame: Frame) -> bool:
        site = self._view.target_site.get(key.target)
        return site is not None and site.carries(frame)

    def _another_target(self, flight: _Flight, mac: bytes) -> bool:
        """Whether the answer's sender is a different target: one without the alias may route our SYN on to a peer.

        A MAC that no target has is taken for the target's second card.
        """
        if mac == flight.mac:
            return False
        mine, targets = self._view.target_address.get(flight.key.target), self._view.target_numbers
        return any(n.mac == mac for at, n in self._world.neighbours.items() if at != mine and at in targets)

    def _fresh_id(self, source: Address, virtual: Address, port: int | None, asks: str = "") -> vip.VipId:
        if port is None:
            self._number = (self._number + 1) & 0xFFFF
            return vip.VipId(source, virtual, None, self.cookie, self._number)
        local = self._rng.choice(vip.PORTS)
        if asks:
            # Nothing but the port tells datagrams apart; there are more ports than targets.
            while (
                attempt := vip.VipId(source, virtual, port, local, 0, udp=True, asks=asks)
            ) in self._flights:
                local = local + 1 if local + 1 in vip.PORTS else vip.PORTS.start
            return attempt
        # One below the largest: the answer's number is one more, and its upper half still the cookie.
        seq = self.cookie << 16 | self._rng.randrange(0xFFFF)
        return vip.VipId(source, virtual, port, local, seq)


def _answers(flight: _Flight, found: vip.VipAnswer) -> bool:
    """Whether a datagram answers what its service was asked; any other frame does."""
    if not found.id.udp or found.kind != "accepted":
        return True
    return QUESTIONS[flight.key.asks].answers(found.data, found.id.local)
