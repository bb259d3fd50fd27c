"""What a rule is given, and what it yields."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from engine.domain.address import Address, Prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from engine.config.finding import Severity
    from engine.config.model import Config, Network, Server, Target
    from engine.config.positions import Key, Positions


class Problem(NamedTuple):
    """What a rule found; `key` is the place it points at, `others` are further items that it is about."""

    severity: Severity
    code: str
    key: Key
    message: str
    hint: str = ""
    others: tuple[Key, ...] = ()


class Net(NamedTuple):
    """A network whose address and mask are known."""

    network: Network
    prefix: Prefix


class Use(NamedTuple):
    """A server's use of a target."""

    server: Server
    role: Literal["targets", "backup"]


@dataclass(frozen=True)
class IndexedConfig:
    """A configuration with the indexes that rules need, each made once, so that a check is linear."""

    config: Config
    positions: Positions
    broken: Collection[Key]
    host_interfaces: Collection[str] | None
    nets: tuple[Net, ...]
    targets: dict[int, Target]
    uses: dict[int, list[Use]]

    @classmethod
    def of(
        cls, config: Config, positions: Positions, broken: Collection[Key], host: Collection[str] | None
    ) -> IndexedConfig:
        """Index a configuration. `broken`: items that have an error already, so that what they lack is not reported as well."""
        nets = tuple(Net(n, Prefix.parse(n.addr, n.mask)) for n in config.networks if n.addr and n.mask)
        uses: dict[int, list[Use]] = defaultdict(list)
        for server in config.servers:
            for target in dict.fromkeys(server.targets):
                uses[target].append(Use(server, "targets"))
            for target in dict.fromkeys(server.backup):
                uses[target].append(Use(server, "backup"))
        host_set = None if host is None else frozenset(host)
        return cls(config, positions, broken, host_set, nets, {t.number: t for t in config.targets}, uses)

    def net_of(self, address: str) -> Net | None:
        """Return the first network that the address is in."""
        parsed = Address.parse(address)
        return next((net for net in self.nets if parsed in net.prefix), None)

    def usable(self, target: Target) -> bool:
        """Return whether the engine will give the target sessions once it is up."""
        return target.enabled and target.dsr and target.ipaddr is not None


if TYPE_CHECKING:
    Rule = Callable[[IndexedConfig], Iterator[Problem]]


def error(code: str, key: Key, message: str, hint: str = "", *others: Key) -> Problem:
    """Return a problem that stops the configuration from being used."""
    return Problem("error", code, key, message, hint, others)


def warning(code: str, key: Key, message: str, hint: str = "", *others: Key) -> Problem:
    """Return a problem that the engine can live with."""
    return Problem("warning", code, key, message, hint, others)


def port_text(port: int) -> str:
    """Return a port as the language writes it."""
    return str(port) if port else "any"
