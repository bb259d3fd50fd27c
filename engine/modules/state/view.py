"""The running configuration as the modules need it: which addresses are ours, whose links, which targets.

Derived from `World.config`, `World.server_admin` and `World.links`, again whenever one of them has changed. IPv4 only,
as the engine is in this version; an address that is not IPv4 is left out here and named by slb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.domain.address import Address, Prefix
from engine.domain.frame import Frame

if TYPE_CHECKING:
    from engine.config.model import Config, Network, Server, Target
    from engine.domain.frame import Link
    from engine.modules.state.world import World


@dataclass(frozen=True, slots=True)
class Site:
    """A network of the configuration, on its link. `real` is None where the file gives none."""

    network: int
    interface: int
    prefix: Prefix
    real: Address | None
    vlan: int | None = None  # None: untagged

    def carries(self, frame: Frame) -> bool:
        """Whether a frame is of this network: on its link and its VLAN."""
        return frame.interface == self.interface and frame.vid == self.vlan


@dataclass(frozen=True, slots=True)
class Virtual:
    """An address that the master answers for, and on which link. `owners`: "server 1", "network 1 virt"."""

    address: Address
    interface: int
    owners: tuple[str, ...]
    vlan: int | None = None  # None: untagged

    @property
    def owner(self) -> str:
        """All that it belongs to, for people."""
        return ", ".join(self.owners)

    def frame(self, data: bytes) -> Frame:
        """Return a frame of our own about this address, under the tag of its network."""
        return Frame(self.interface, data, self.vlan)


class View:
    """What the modules look things up in. `version` counts up at every change of what it was derived from."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.version = 0
        self.sites: list[Site] = []
        self.virtuals: dict[Address, Virtual] = {}
        self.servers: dict[int, Server] = {}  # registered
        self.server_addresses: dict[int, Address] = {}  # of these, whether they are enabled or not
        self.targets: dict[int, Target] = {}  # registered, with an IPv4 address
        self.target_address: dict[int, Address] = {}  # of these
        self.target_site: dict[int, Site] = {}  # of these, where the network is known
        self.crossed: set[int] = set()  # of these, those that serve a virtual address on another interface
        self.target_numbers: dict[Address, list[int]] = {}
        self.reals: dict[Address, Site] = {}
        self.gateway: Address | None = None
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

    def crosses(self, server: Server, target: int) -> bool:
        """Whether a server's frames come by another interface than the one that leads to its target."""
        address, there = self.server_addresses.get(server.number), self.target_site.get(target)
        here = self.serving_site(address) if address is not None else None
        return here is not None and there is not None and here.interface != there.interface

    def serving_site(self, address: Address) -> Site | None:
        """Return the network by whose link frames to a virtual address come.

        An address outside every network is reached through the router's route to us: any link serves.
        """
        return self.site_of(address) or (self.sites[0] if self.sites else None)

    def server_enabled(self, server: Server) -> bool:
        """Whether a registered server is enabled: by the operator's last word, else by the file."""
        admin = self.world.server_admin.get(server.number)
        return server.enabled if admin is None else admin == "enabled"

    def site_of(self, address: Address) -> Site | None:
        """Return the network an address belongs to; the narrowest where several contain it."""
        inside = [s for s in self.sites if address in s.prefix]
        return max(inside, key=lambda s: s.prefix.length, default=None)

    def served_on(self, address: Address, frame: Frame) -> Virtual | None:
        """Return a virtual address that is served, where the frame is of its link and its VLAN."""
        virtual = self.virtuals.get(address)
        if virtual is None or address in self.world.withheld:
            return None
        return virtual if (frame.interface, frame.vid) == (virtual.interface, virtual.vlan) else None

    def owner(self, address: Address) -> str:
        """Name what the configuration gives an address to: "target 1", "server 1", "network 1 real", "the gateway"."""
        if address in self.target_numbers:
            return ", ".join(f"target {n}" for n in self.target_numbers[address])
        if address in self.virtuals:
            return self.virtuals[address].owner
        if address in self.reals:
            return f"network {self.reals[address].network} real"
        return "the gateway" if address == self.gateway else str(address)

    def _derive(self, config: Config) -> None:
        self.own_macs = frozenset(link.mac for link in self.world.links.values())
        self.sites = [site for network in config.networks if (site := _site(network)) is not None]
        self.reals = {site.real: site for site in self.sites if site.real is not None}
        self.gateway = Address.parse_v4(config.gateway.ipaddr) if config.gateway else None
        self.servers = {s.number: s for s in config.servers if s.registered}
        self.server_addresses = {
            n: address
            for n, s in self.servers.items()
            if (address := Address.parse_v4(s.ipaddr)) is not None and address not in self.reals
        }
        self.targets, self.target_address, self.target_site, self.target_numbers = {}, {}, {}, {}
        for target in config.targets:
            address = Address.parse_v4(target.ipaddr)
            if not target.registered or address is None:
                continue
            number = target.number
            self.targets[number], self.target_address[number] = target, address
            site = self.site_of(address)
            if site is not None:
                self.target_site[number] = site
            self.target_numbers.setdefault(address, []).append(number)
        self._derive_virtuals(config)
        self.crossed = {
            number
            for server in self.servers.values()
            for number in (*server.targets, *server.backup)
            if self.crosses(server, number)
        }

    def _derive_virtuals(self, config: Config) -> None:
        self.virtuals = {}
        # The kernel answers for `real`; a file that gives it to a server too is wrong, and must not be answered twice.
        owned = [(n.virt, f"network {n.number} virt") for n in config.networks if n.registered and n.enabled]
        owned += [(s.ipaddr, f"server {s.number}") for s in self.servers.values() if self.server_enabled(s)]
        for text, owner in owned:
            address = Address.parse_v4(text)
            if address is None or address in self.reals:
                continue
            known = self.virtuals.get(address)
            site = self.serving_site(address)
            if site is not None:
                owners = (*known.owners, owner) if known is not None else (owner,)
                self.virtuals[address] = Virtual(address, site.interface, owners, site.vlan)


def _site(network: Network) -> Site | None:
    """Return the site of a network that is in use; None for any other, and for one that is not IPv4."""
    address, mask = Address.parse_v4(network.addr), Address.parse_v4(network.mask)
    if not (network.registered and network.enabled and network.interface) or address is None or mask is None:
        return None
    try:
        prefix = Prefix(address, mask)
    except ValueError:  # a mask with holes, which the check of the configuration refuses
        return None
    return Site(network.number, network.interface, prefix, Address.parse_v4(network.real), network.vlan)
