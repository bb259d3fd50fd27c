"""Changes of what carries the service: modules, settings, interfaces, networks, gateway, vrrp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.config.difference.phrases import ARROW, added, changed, count, pairs, removed, shift
from engine.domain.address import Address, Prefix
from engine.domain.checks import CHECK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.config.difference.change import Change
    from engine.config.difference.phrases import Flows
    from engine.config.model import Config, Gateway, Interface, Network, Vrrp

_VITAL = {
    "arp": "nobody answers for virtual addresses",
    "slb": "nothing is balanced",
}
"""Modules without which clients are cut off, and how."""

_GONE = {**_VITAL, "hc": "targets are no longer checked", "ping": "virtual addresses no longer answer pings"}
_BACK = {
    "arp": "virtual addresses are answered for",
    "slb": "servers are balanced",
    "hc": "targets are checked, and serve once they answer",
    "ping": "virtual addresses answer pings",
}


def compare(old: Config, new: Config, flows: Flows) -> Iterator[Change]:
    """Yield the changes, in the order of a configuration file."""
    carried = _Carried(old, flows)
    yield from _modules(old, new, flows)
    yield from _settings(old, new)
    for before, after in pairs(old.interfaces, new.interfaces):
        yield from _interface(before, after, carried)
    for before, after in pairs(old.networks, new.networks):
        yield from _network(before, after, carried)
    yield from _gateway(old.gateway, new.gateway)
    yield from _vrrp(old.vrrp, new.vrrp)


class _Carried:
    """The flows that go through a network or an interface as it is now."""

    def __init__(self, old: Config, flows: Flows) -> None:
        prefixes = {n.number: Prefix.parse(n.addr, n.mask) for n in old.networks if n.addr and n.mask}
        self.networks: dict[int, int] = {}
        for server in old.servers:
            held = flows.server(server.number)
            if held and server.ipaddr:
                address = Address.parse(server.ipaddr)
                number = next((n for n, prefix in prefixes.items() if address in prefix), 0)
                self.networks[number] = self.networks.get(number, 0) + held
        self.interfaces: dict[int, int] = {}
        for network in old.networks:
            if network.interface is not None:
                held = self.networks.get(network.number, 0)
                self.interfaces[network.interface] = self.interfaces.get(network.interface, 0) + held


def _modules(old: Config, new: Config, flows: Flows) -> Iterator[Change]:
    for name in old.modules:
        if name not in new.modules:
            vital = name in _VITAL
            ends = sum(flows.servers.values()) if vital else 0
            effect = _GONE.get(name, "")
            yield removed("modules", f"{name} removed", effect, flows=ends, cuts=vital)
    for name in new.modules:
        if name not in old.modules:
            yield added("modules", f"{name} added", _BACK.get(name, ""))
    stay_old = [name for name in old.modules if name in new.modules]
    stay_new = [name for name in new.modules if name in old.modules]
    if stay_old != stay_new:
        message = f"order {','.join(stay_old)} {ARROW} {','.join(stay_new)}"
        yield changed("modules", message, "frames visit them in the new order")


def _settings(old: Config, new: Config) -> Iterator[Change]:
    for name in sorted(old.settings.keys() | new.settings.keys()):
        before, after = old.settings.get(name), new.settings.get(name)
        if before is None and after is not None:
            yield added(f"set {name}", f"added with {after or 'no value'}")
        elif after is None:
            yield removed(f"set {name}")
        elif before != after:
            yield changed(f"set {name}", f"{before or 'no value'} {ARROW} {after or 'no value'}")


def _interface(old: Interface | None, new: Interface | None, carried: _Carried) -> Iterator[Change]:
    if old is None:
        if new is not None:
            effect = f"frames are taken from {new.name}" if new.enabled else "not at work until it is enabled"
            yield added(f"interface {new.number}", f"added: {new.name or 'without a name'}", effect)
        return
    subject, held = f"interface {old.number}", carried.interfaces.get(old.number, 0)
    if new is None:
        yield removed(subject, effect=count(held, "end"), flows=held, cuts=True)
        return
    if old.name != new.name:
        effect = f"frames are taken from the new one, {count(held, 'end')}"
        yield changed(subject, shift("name", old.name, new.name), effect, flows=held, cuts=True)
    if old.threads != new.threads:
        before, after = old.threads or "as --workers says", new.threads or "as --workers says"
        yield changed(subject, f"threads {before} {ARROW} {after}", "from the next start of the engine")
    yield from _states(subject, old, new, held)


def _network(old: Network | None, new: Network | None, carried: _Carried) -> Iterator[Change]:
    if old is None:
        if new is not None:
            where = f"{new.addr} mask {new.mask}" if new.addr else "without an address"
            effect = "" if new.enabled else "not at work until it is enabled"
            yield added(f"network {new.number}", f"added: {where}", effect)
        return
    subject, held = f"network {old.number}", carried.networks.get(old.number, 0)
    if new is None:
        yield removed(subject, effect=count(held, "end"), flows=held, cuts=True)
        return
    if old.name != new.name:
        yield changed(subject, shift("name", old.name, new.name))
    for word in ("addr", "mask", "interface", "vlan"):
        before, after = getattr(old, word), getattr(new, word)
        if before != after:
            effect = f"its servers move with it, {count(held, 'end', before='up to ')}"
            yield changed(subject, shift(word, before, after), effect, flows=held, cuts=True)
    if old.real != new.real:
        effect = "the engine asks and checks from the new address; who is logged in on the old one is cut off"
        first = "targets are asked and checked from it"
        moved = old.real is not None
        yield changed(subject, shift("real", old.real, new.real), effect if moved else first, cuts=moved)
    if old.virt != new.virt:
        effect = "what goes through the old address is cut off" if old.virt else "it is answered for"
        yield changed(subject, shift("virt", old.virt, new.virt), effect, cuts=old.virt is not None)
    for word in ("mask6", "real6", "virt6", "syncpeer", "nat"):
        before, after = getattr(old, word), getattr(new, word)
        if before != after:
            yield changed(subject, shift(word, before, after))
    yield from _states(subject, old, new, held)


def _states(subject: str, old: Interface | Network, new: Interface | Network, held: int) -> Iterator[Change]:
    if old.registered and not new.registered:
        yield changed(subject, "no longer registered", count(held, "end"), flows=held, cuts=True)
    elif old.enabled and not new.enabled:
        yield changed(subject, "disabled", count(held, "end"), flows=held, cuts=True)
    elif new.registered and not old.registered:
        yield changed(subject, "registered and enabled" if new.enabled else "registered")
    elif new.enabled and not old.enabled:
        yield changed(subject, "enabled")


def _gateway(old: Gateway | None, new: Gateway | None) -> Iterator[Change]:
    if old is None:
        if new is not None:
            yield added("gateway", f"added: {new.ipaddr or 'without an address'}")
        return
    if new is None:
        yield removed("gateway")
        return
    if old.ipaddr != new.ipaddr:
        yield changed("gateway", shift("ipaddr", old.ipaddr, new.ipaddr))
    for word in CHECK_KINDS:
        before, after = old.checks.get(word), new.checks.get(word)
        if before != after:
            yield changed("gateway", f"{word} changed" if before and after else f"{word} {_came(after)}")


def _came(thing: object) -> str:
    return "removed" if thing is None else "added"


def _vrrp(old: Vrrp | None, new: Vrrp | None) -> Iterator[Change]:
    if old is None:
        if new is not None:
            yield added("vrrp", f"added: vrid {new.vrid}, priority {new.priority}", "the election begins")
        return
    if new is None:
        yield removed("vrrp", effect="the election ends, this node is master at once")
        return
    for word in ("vrid", "priority", "network"):
        before, after = getattr(old, word), getattr(new, word)
        if before != after:
            effect = "the master may change" if word == "priority" else "the election starts again"
            yield changed("vrrp", shift(word, before, after), effect)
