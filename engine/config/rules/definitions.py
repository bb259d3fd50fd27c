"""Rules about definitions and how they use each other: what is missing, unused, unfinished or does not fit."""

# ruff: noqa: D401 - the docstring of a rule is the rule

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from engine.config.language.keywords import KINDS, nearest
from engine.config.rules.rule import error, port_text, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.config.model import Gateway, Target
    from engine.config.positions import Key
    from engine.config.rules.rule import IndexedConfig, Problem

_MANDATORY: dict[str, tuple[str, ...]] = {
    "interface": ("name",),
    "network": ("addr", "mask", "interface"),
    "server": ("ipaddr", "targets"),
    "target": ("ipaddr",),
}


def _items(indexed: IndexedConfig) -> Iterator[tuple[str, Any]]:
    for kind in KINDS:
        for item in getattr(indexed.config, f"{kind}s"):
            yield kind, item


def missing_field(indexed: IndexedConfig) -> Iterator[Problem]:
    """What is registered is complete."""
    for kind, item in _items(indexed):
        if not item.registered or (kind, item.number) in indexed.broken:
            continue
        for word in _MANDATORY[kind]:
            if not getattr(item, word) and (kind, item.number, word) not in indexed.positions:
                message = f"{kind} {item.number} has no {word}, and cannot be registered without"
                yield error("missing-field", (kind, item.number), message, f"add {word} to its block")
    gateway, vrrp = indexed.config.gateway, indexed.config.vrrp
    if gateway is not None and gateway.ipaddr is None and ("gateway",) not in indexed.broken:
        yield error("missing-field", ("gateway",), "the gateway has no ipaddr", "add ipaddr to its block")
    if vrrp is not None and vrrp.vrid is None and ("vrrp",) not in indexed.broken:
        yield error("missing-field", ("vrrp",), "vrrp has no vrid", "add vrid to its block")


def states(indexed: IndexedConfig) -> Iterator[Problem]:
    """Define, then register, then enable."""
    for kind, item in _items(indexed):
        title, key = f"{kind} {item.number}", (kind, item.number)
        if item.enabled and not item.registered:
            hint = f"register {title} as well"
            yield error(
                "not-registered",
                ("enable", *key),
                f"{title} is enabled but not registered",
                hint,
                key,
            )
        elif not item.registered:
            message = f"{title} is defined but not registered, and so not used"
            yield warning("not-registered", key, message, f"register {title}, or remove it")


def references(indexed: IndexedConfig) -> Iterator[Problem]:
    """Whatever is named by number exists."""
    interfaces = {i.number for i in indexed.config.interfaces}
    networks = {n.number for n in indexed.config.networks}
    for network in indexed.config.networks:
        if network.interface is not None and network.interface not in interfaces:
            key: Key = ("network", network.number, "interface")
            yield _undefined(key, f"network {network.number}", "interface", network.interface)
    for number, uses in indexed.uses.items():
        if number not in indexed.targets:
            for use in uses:
                key = ("server", use.server.number, use.role, number)
                yield _undefined(key, f"server {use.server.number}", "target", number)
    vrrp = indexed.config.vrrp
    if vrrp is not None and vrrp.network is not None and vrrp.network not in networks:
        yield _undefined(("vrrp", "network"), "vrrp", "network", vrrp.network)


def _undefined(key: Key, title: str, kind: str, number: int) -> Problem:
    message = f"{title} refers to {kind} {number}, which is not defined"
    return error(
        "undefined-reference", key, message, f"define {kind} {number}, or take it out", (kind, number)
    )


def target_lists(indexed: IndexedConfig) -> Iterator[Problem]:
    """A target is in `targets` once, or in `backup` once."""
    for server in indexed.config.servers:
        for role in ("targets", "backup"):
            for number, count in Counter(getattr(server, role)).items():
                if count > 1:
                    message = f"server {server.number} names target {number} {count} times in {role}"
                    hint = "name it once; for a larger share give it a weight"
                    key: Key = ("server", server.number, role, number)
                    yield error("duplicate-target", key, message, hint, ("target", number))
        for number in sorted({*server.targets} & {*server.backup}):
            message = f"target {number} is both in targets and in backup of server {server.number}"
            key = ("server", server.number, "backup", number)
            yield error("target-and-backup", key, message, "keep it in one", ("target", number))


def unused_target(indexed: IndexedConfig) -> Iterator[Problem]:
    """A registered target belongs to a server; most often a number was left out of `targets`."""
    if any(key[:1] == ("server",) for key in indexed.broken):
        return  # its list of targets may be what could not be read
    for target in indexed.config.targets:
        if target.registered and not indexed.uses.get(target.number):
            message = f"target {target.number} is used by no server"
            hint = f"add {target.number} to the targets of a server, or do not register it"
            yield error("unused-target", ("target", target.number), message, hint)


def ports_and_protocols(indexed: IndexedConfig) -> Iterator[Problem]:
    """With DSR a packet arrives as the client sent it: neither port nor protocol can change on the way."""
    for target in indexed.config.targets:
        if not target.dsr:
            continue
        for use in indexed.uses.get(target.number, ()):
            server, base = use.server, ("target", target.number)
            if target.port not in {0, server.port}:
                message = (
                    f"target {target.number} has port {target.port}, but server {server.number} has port "
                    f"{port_text(server.port)}, and with dsr a port cannot be changed"
                )
                hint = f"write port {port_text(server.port)}, or use a target of its own for this server"
                yield error("port-mismatch", (*base, "port"), message, hint, ("server", server.number))
            if target.protocol not in {"any", server.protocol}:
                message = (
                    f"target {target.number} has protocol {target.protocol}, but server {server.number} has "
                    f"protocol {server.protocol}"
                )
                hint = f"write protocol {server.protocol}, or use a target of its own for this server"
                yield error(
                    "protocol-mismatch", (*base, "protocol"), message, hint, ("server", server.number)
                )


def check_times(indexed: IndexedConfig) -> Iterator[Problem]:
    """The timeout is the age of the last good answer, so one lost probe must not reach it."""
    holders: list[tuple[Key, Target | Gateway]] = [(("target", t.number), t) for t in indexed.config.targets]
    holders += [(("gateway",), indexed.config.gateway)] if indexed.config.gateway else []
    for key, holder in holders:
        for word, check in holder.checks.items():
            if check.interval >= check.timeout:
                message = (
                    f"{word} has an interval of {check.interval} s and a timeout of {check.timeout} s: "
                    "one lost answer would take the target down"
                )
                hint = f"use a timeout of at least {2 * check.interval + 1}"
                yield error("interval-timeout", (*key, word, "timeout"), message, hint)


def no_dsr(indexed: IndexedConfig) -> Iterator[Problem]:
    """A target without DSR needs address translation, which is not built yet."""
    for target in indexed.config.targets:
        if not target.dsr and target.registered:
            message = f"target {target.number} has no dsr enable; address translation is not built yet: it is left out"
            hint = "add dsr enable, and the virtual address to the target's loopback interface"
            yield warning("no-dsr", ("target", target.number), message, hint)


def no_usable_target(indexed: IndexedConfig) -> Iterator[Problem]:
    """An enabled server has a target that can serve."""
    for server in indexed.config.servers:
        if not server.enabled or not server.targets:
            continue
        members = [indexed.targets.get(number) for number in (*server.targets, *server.backup)]
        if not any(member is not None and indexed.usable(member) for member in members):
            message = f"server {server.number} is enabled, but every one of its targets is left out"
            hint = "enable one of its targets, and see that it has dsr enable"
            yield warning("no-usable-target", ("server", server.number), message, hint)


def carriers(indexed: IndexedConfig) -> Iterator[Problem]:
    """What carries something enabled is enabled: the network of a server or a target, the interface of a network."""
    enabled = {i.number for i in indexed.config.interfaces if i.enabled}
    defined = {i.number for i in indexed.config.interfaces}
    for network in indexed.config.networks:
        if network.enabled and network.interface in defined - enabled:
            message = f"network {network.number} is enabled, but interface {network.interface} is not"
            key: Key = ("network", network.number, "interface")
            hint, carrier = f"enable interface {network.interface}", ("interface", network.interface)
            yield warning("not-enabled", key, message, hint, carrier)
    for server in indexed.config.servers:
        net = indexed.net_of(server.ipaddr) if server.enabled and server.ipaddr else None
        if net is not None and not net.network.enabled:
            message = f"server {server.number} is enabled, but its network {net.network.number} is not"
            key = ("server", server.number, "ipaddr")
            hint, carrier = f"enable network {net.network.number}", ("network", net.network.number)
            yield warning("not-enabled", key, message, hint, carrier)
    for target in indexed.config.targets:
        net = indexed.net_of(target.ipaddr) if target.enabled and target.ipaddr else None
        if net is not None and not net.network.enabled:
            message = f"target {target.number} is enabled, but its network {net.network.number} is not"
            key = ("target", target.number, "ipaddr")
            hint, carrier = f"enable network {net.network.number}", ("network", net.network.number)
            yield warning("not-enabled", key, message, hint, carrier)


def interfaces(indexed: IndexedConfig) -> Iterator[Problem]:
    """An interface is configured once, and the host has it (a warning: the file may be checked elsewhere)."""
    first: dict[str, int] = {}
    for interface in indexed.config.interfaces:
        if not interface.name:
            continue
        key = ("interface", interface.number, "name")
        other = first.setdefault(interface.name, interface.number)
        if other != interface.number:
            message = f"interface {interface.number} has the name of interface {other}, {interface.name}"
            yield error("duplicate-interface", key, message, "remove one of them", ("interface", other))
        if indexed.host_interfaces is not None and interface.name not in indexed.host_interfaces:
            close = nearest(interface.name, indexed.host_interfaces)
            has = (
                f"did you mean {close}"
                if close
                else f"it has {', '.join(sorted(indexed.host_interfaces)[:8])}"
            )
            message = f"this host has no interface {interface.name}"
            yield warning(
                "interface-missing", key, message, has if indexed.host_interfaces else "it has none"
            )


def modules(indexed: IndexedConfig) -> Iterator[Problem]:
    """A list of modules without one of these balances nothing."""
    lost = {
        "arp": "nobody answers for virtual addresses",
        "hc": "no target is checked, and a dead one gets traffic",
        "slb": "nothing is balanced",
    }
    for name, effect in lost.items() if ("modules",) not in indexed.broken else ():
        if name not in indexed.config.modules:
            yield warning("module-missing", ("modules",), f"modules has no {name}: {effect}", f"add {name}")


def nothing_to_do(indexed: IndexedConfig) -> Iterator[Problem]:
    """A configuration without an enabled server is likely cut short."""
    if not indexed.broken and not any(server.enabled for server in indexed.config.servers):
        yield warning(
            "no-server", (), "no server is enabled, so nothing is balanced", "define and enable a server"
        )


RULES = (
    missing_field,
    states,
    references,
    target_lists,
    unused_target,
    ports_and_protocols,
    check_times,
    no_dsr,
    no_usable_target,
    carriers,
    interfaces,
    modules,
    nothing_to_do,
)
"""In the order in which they are applied."""
