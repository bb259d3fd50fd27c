"""The running configuration as the modules need it: which addresses are ours, whose links, which targets.

Derived from `World.config`, `World.server_admin` and `World.links`, again whenever one of them has changed. IPv4 only,
as the engine is in this version; an address that is not IPv4 is left out here and named by slb.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.config.model import Config, Server, Target
    from engine.domain.frame import Link
    from engine.modules.state.world import World


@dataclass(frozen=True, slots=True)
class Site:
    """A network of the configuration, on its link. `real` is None where the file gives none."""

    network: int
    interface: int
    start: int
    mask: int
    real: str | None

    @property
    def real_bytes(self) -> bytes:
        """`real` in wire order; 0.0.0.0 where there is none."""
        return pack(self.real) or bytes(4)


@dataclass(frozen=True, slots=True)
class Virtual:
    """An address that the master answers for, and on which link."""

    address: str
    packed: bytes
    interface: int
    owner: str  # "server 1", "server 1, server 2", "network 1 virt"


def pack(address: str | None) -> bytes | None:
    """Return an IPv4 address in wire order; None for anything else."""
    try:
        return ipaddress.IPv4Address(address).packed if address else None
    except ValueError:
        return None


def unpack(packed: bytes) -> str:
    """Return a wire-order IPv4 address as text."""
    return ".".join(map(str, packed))


class View:
    """What the modules look things up in. `version` counts up at every change of what it was derived from."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.version = 0
        self.sites: list[Site] = []
        self.virtuals: dict[bytes, Virtual] = {}
        self.servers: dict[int, Server] = {}  # registered
        self.targets: dict[int, Target] = {}  # registered, with an IPv4 address
        self.target_site: dict[int, Site] = {}  # targets whose network is known
        self.target_numbers: dict[str, list[int]] = {}  # by address
        self.own_macs: frozenset[bytes] = frozenset()
        self._config: Config | None = None
        self._rest: tuple[object, ...] = ()
        self.refresh()

    def refresh(self) -> bool:
        """Derive everything again if something has changed; True if so."""
        world = self.world
        rest = (
            dict(world.server_admin),
            tuple((n, x.mac, x.up, x.ifindex, x.mtu) for n, x in world.links.items()),
        )
        if world.config is self._config and rest == self._rest:
            return False
        self._config, self._rest = world.config, rest
        self.version += 1
        self._derive(world.config)
        return True

    def link(self, interface: int) -> Link | None:
        """Return the link of an interface number if frames can be sent on it."""
        link = self.world.links.get(interface)
        return link if link is not None and link.up else None

    def server_enabled(self, server: Server) -> bool:
        """Whether a registered server is enabled: by the operator's last word, else by the file."""
        admin = self.world.server_admin.get(server.number)
        return server.enabled if admin is None else admin == "enabled"

    def site_of(self, packed: bytes) -> Site | None:
        """Return the network an address belongs to; the narrowest where several contain it."""
        number = int.from_bytes(packed, "big")
        inside = [s for s in self.sites if number & s.mask == s.start]
        return max(inside, key=lambda s: s.mask, default=None)

    def target_owner(self, address: str) -> str:
        """Name the targets of an address: "target 1"."""
        return ", ".join(f"target {n}" for n in self.target_numbers.get(address, ())) or address

    def _derive(self, config: Config) -> None:
        self.own_macs = frozenset(link.mac for link in self.world.links.values())
        self.sites = []
        for network in config.networks:
            start, mask = pack(network.addr), pack(network.mask)
            if network.registered and network.enabled and network.interface and start and mask:
                bits = int.from_bytes(mask, "big")
                first = int.from_bytes(start, "big") & bits
                real = network.real if pack(network.real) else None
                self.sites.append(Site(network.number, network.interface, first, bits, real))
        self.servers = {s.number: s for s in config.servers if s.registered}
        self.targets = {t.number: t for t in config.targets if t.registered and pack(t.ipaddr)}
        self.target_site, self.target_numbers = {}, {}
        for number, target in self.targets.items():
            site = self.site_of(pack(target.ipaddr) or b"")
            if site is not None:
                self.target_site[number] = site
            self.target_numbers.setdefault(str(target.ipaddr), []).append(number)
        self._derive_virtuals(config)

    def _derive_virtuals(self, config: Config) -> None:
        self.virtuals = {}
        # The kernel answers for `real`; a file that gives it to a server too is wrong, and must not be answered twice.
        reals = {site.real for site in self.sites}
        owned = [(n.virt, f"network {n.number} virt") for n in config.networks if n.registered and n.enabled]
        owned += [(s.ipaddr, f"server {s.number}") for s in self.servers.values() if self.server_enabled(s)]
        for address, owner in owned:
            packed = pack(address)
            if packed is None or address is None or address in reals:
                continue
            known = self.virtuals.get(packed)
            # An address outside every network is reached through the router's route to us: any link serves.
            site = self.site_of(packed) or (self.sites[0] if self.sites else None)
            if known is not None:
                owner = f"{known.owner}, {owner}"  # noqa: PLW2901 - two owners make one name
            if site is not None:
                self.virtuals[packed] = Virtual(address, packed, site.interface, owner)
