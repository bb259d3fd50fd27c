"""Changes of what is served: virtual servers and their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config.difference.phrases import (
    ARROW,
    added,
    changed,
    count,
    numbers,
    pairs,
    removed,
    shift,
    value,
)
from engine.domain.checks import CHECK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.config.difference.change import Change
    from engine.config.difference.phrases import Flows
    from engine.config.model import Config, Server, Target
    from engine.domain.checks import CheckSettings

NEW_ONLY = "new flows only"


def compare(old: Config, new: Config, flows: Flows) -> Iterator[Change]:
    """Yield the changes of servers, then those of targets."""
    scene = _Scene.of(old, new, flows)
    for before, after in pairs(old.servers, new.servers):
        yield from _server(before, after, scene)
    for old_target, new_target in pairs(old.targets, new.targets):
        yield from _target(old_target, new_target, scene)


@dataclass(frozen=True)
class _Scene:
    """Both configurations, indexed. `old_uses` and `new_uses`: the servers that have a target, by its number."""

    flows: Flows
    old_servers: dict[int, Server]
    new_servers: dict[int, Server]
    old_targets: dict[int, Target]
    new_targets: dict[int, Target]
    old_uses: dict[int, list[int]]
    new_uses: dict[int, list[int]]

    @classmethod
    def of(cls, old: Config, new: Config, flows: Flows) -> _Scene:
        return cls(
            flows,
            {s.number: s for s in old.servers},
            {s.number: s for s in new.servers},
            {t.number: t for t in old.targets},
            {t.number: t for t in new.targets},
            _uses(old),
            _uses(new),
        )

    def leaving(self, target: int, servers: list[int]) -> tuple[int, str]:
        """Return the flows that a target loses in `servers`, and what becomes of them."""
        stays = {server: self._others(target, server) for server in servers}
        if self.flows.pairs is None:
            held = self.flows.target(target) if servers else 0
            return held, count(held, "move" if any(stays.values()) else "end", before="its ")
        moving = sum(self.flows.of(server, target) for server in servers if stays[server])
        ending = sum(self.flows.of(server, target) for server in servers if not stays[server])
        if moving and ending:
            return moving + ending, f"{moving:,} of its flows move, {ending:,} end"
        return moving + ending, count(moving + ending, "end" if ending else "move", before="its ")

    def _others(self, target: int, server: int) -> bool:
        """Return whether another target can take the flows of a server that a target has."""
        after = self.new_servers.get(server)
        if after is None:
            return False
        return any(
            number != target and number in self.new_targets and self.new_targets[number].enabled
            for number in (*after.targets, *after.backup)
        )


def _uses(config: Config) -> dict[int, list[int]]:
    uses: dict[int, list[int]] = {}
    for server in config.servers:
        for number in dict.fromkeys((*server.targets, *server.backup)):
            uses.setdefault(number, []).append(server.number)
    return uses


# -- servers


def _server(old: Server | None, new: Server | None, scene: _Scene) -> Iterator[Change]:
    if old is None:
        if new is not None:
            yield added(f"server {new.number}", f"added: {_place(new)}", _begins(new))
        return
    subject, held = f"server {old.number}", scene.flows.server(old.number)
    if new is None:
        yield removed(subject, effect=count(held, "end"), flows=held, cuts=True)
        return
    if old.name != new.name:
        yield changed(subject, shift("name", old.name, new.name))
    yield from _moved(subject, old, new, held)
    if old.method != new.method:
        yield changed(subject, shift("method", old.method, new.method), NEW_ONLY)
    if old.sessionid != new.sessionid:
        effect = f"flows are told apart differently, {count(held, 'move', before='up to ')}"
        yield changed(subject, shift("sessionid", old.sessionid, new.sessionid), effect, flows=held)
    if old.stimeout != new.stimeout:
        longer = new.stimeout > old.stimeout
        effect = "idle flows stay longer" if longer else "flows that are idle for longer end"
        yield changed(subject, f"stimeout {old.stimeout} {ARROW} {new.stimeout} s", effect)
    if old.plugin != new.plugin:
        yield changed(subject, shift("plugin", old.plugin, new.plugin))
    yield from _members(subject, old, new, scene)
    yield from _server_states(subject, old, new, held)


def _place(server: Server) -> str:
    who = numbers("target", server.targets) if server.targets else "no targets"
    return f"{server.ipaddr or 'no address'} port {server.port or 'any'} protocol {server.protocol}, {who}"


def _begins(server: Server) -> str:
    if not server.registered:
        return "not at work until it is registered and enabled"
    return "" if server.enabled else "not at work until it is enabled"


def _moved(subject: str, old: Server, new: Server, held: int) -> Iterator[Change]:
    """Yield what becomes of clients when the address, port or protocol that they use changes."""
    if old.ipaddr != new.ipaddr:
        effect = f"clients of the old address are cut off, {count(held, 'end')}"
        message = f"address moves {value(old.ipaddr)} {ARROW} {value(new.ipaddr)}"
        yield changed(subject, message, effect, flows=held, cuts=True)
    for word, before, after, wider in (
        ("port", old.port or "any", new.port or "any", new.port == 0),
        ("protocol", old.protocol, new.protocol, new.protocol == "any"),
    ):
        if before == after:
            continue
        if wider:
            yield changed(subject, shift(word, before, after), "0 flows end")
            continue
        effect = f"clients of the old {word} are cut off, {count(held, 'end', before='up to ')}"
        yield changed(subject, shift(word, before, after), effect, flows=held, cuts=True)


def _members(subject: str, old: Server, new: Server, scene: _Scene) -> Iterator[Change]:
    """Yield the targets that join, leave and change roles, except those that are new or removed as a whole."""
    before = {**dict.fromkeys(old.backup, "backup"), **dict.fromkeys(old.targets, "targets")}
    after = {**dict.fromkeys(new.backup, "backup"), **dict.fromkeys(new.targets, "targets")}
    for number, role in before.items():
        if number not in after and number in scene.new_targets:
            held, effect = scene.leaving(number, [new.number])
            where = "the backups of " if role == "backup" else ""
            yield removed(f"target {number}", f"removed from {where}{subject}", effect, flows=held)
    for number, role in after.items():
        if number not in before and number in scene.old_targets:
            where = "the backups of " if role == "backup" else ""
            yield added(f"target {number}", f"added to {where}{subject}", _joins(scene, number, role))
        elif number in before and before[number] != role:
            message = (
                f"becomes a backup of {subject}" if role == "backup" else f"serves {subject}, was a backup"
            )
            effect = f"new flows only while all others are down, {count(0, 'move')}"
            yield changed(f"target {number}", message, effect if role == "backup" else NEW_ONLY)
    for word in ("targets", "backup"):
        stay_old = [n for n in getattr(old, word) if n in getattr(new, word)]
        stay_new = [n for n in getattr(new, word) if n in getattr(old, word)]
        if stay_old != stay_new:
            message = f"order of {word} {value(stay_old)} {ARROW} {value(stay_new)}"
            yield changed(subject, message, NEW_ONLY if new.method in {"first", "rr"} else "")


def _joins(scene: _Scene, number: int, role: str) -> str:
    target = scene.new_targets[number]
    if not (target.registered and target.enabled):
        return "no flows until it is enabled"
    return f"{NEW_ONLY}, while all others are down" if role == "backup" else NEW_ONLY


def _server_states(subject: str, old: Server, new: Server, held: int) -> Iterator[Change]:
    if old.registered and not new.registered:
        yield changed(subject, "no longer registered", count(held, "end"), flows=held, cuts=True)
    elif old.enabled and not new.enabled:
        yield changed(subject, "disabled", count(held, "end"), flows=held, cuts=True)
    elif new.registered and not old.registered:
        yield changed(subject, "registered and enabled" if new.enabled else "registered", _begins(new))
    elif new.enabled and not old.enabled:
        yield changed(subject, "enabled")


# -- targets


def _target(old: Target | None, new: Target | None, scene: _Scene) -> Iterator[Change]:
    if old is None:
        if new is not None:
            yield _came(new, scene)
        return
    number, subject = old.number, f"target {old.number}"
    stay = [server for server in scene.old_uses.get(number, ()) if server in scene.new_servers]
    if new is None:
        held, effect = scene.leaving(number, stay)  # those of a server that goes as well end with it
        yield removed(subject, effect=effect, flows=held)
        return
    if old.name != new.name:
        yield changed(subject, shift("name", old.name, new.name))
    keeps = [server for server in stay if server in scene.new_uses.get(number, ())]
    if old.ipaddr != new.ipaddr:
        held, effect = scene.leaving(number, keeps)
        message = f"address changes {value(old.ipaddr)} {ARROW} {value(new.ipaddr)}"
        yield changed(subject, message, effect, flows=held)
    if old.port != new.port:
        yield changed(subject, shift("port", old.port or "any", new.port or "any"), count(0, "move"))
    if old.protocol != new.protocol:
        yield changed(subject, shift("protocol", old.protocol, new.protocol), count(0, "move"))
    yield from _checks(subject, old, new)
    if old.dsr != new.dsr:
        held, effect = (0, "it is checked, then serves") if new.dsr else scene.leaving(number, keeps)
        yield changed(subject, f"dsr {'enable' if new.dsr else 'disable'}", effect, flows=held)
    if old.weight != new.weight:
        yield changed(subject, shift("weight", old.weight, new.weight), NEW_ONLY)
    if old.maxsessions != new.maxsessions:
        limits = [str(limit) if limit else "no limit" for limit in (old.maxsessions, new.maxsessions)]
        yield changed(subject, f"maxsessions {limits[0]} {ARROW} {limits[1]}", NEW_ONLY)
    if old.drainwithin != new.drainwithin:
        ends = [f"{end} s" if end else "no end" for end in (old.drainwithin, new.drainwithin)]
        yield changed(subject, f"drainwithin {ends[0]} {ARROW} {ends[1]}", "of drains that begin from now on")
    for word in ("agent", "script", "alert", "upalert"):
        if getattr(old, word) != getattr(new, word):
            yield changed(subject, shift(word, getattr(old, word), getattr(new, word)))
    yield from _target_states(subject, old, new, scene, keeps)


def _came(new: Target, scene: _Scene) -> Change:
    """Return the change of a new target, with the servers that use it."""
    servers = scene.new_uses.get(new.number, [])
    if not servers:
        return added(f"target {new.number}", f"added: {new.ipaddr or 'no address'}", "used by no server")
    backup = all(new.number not in scene.new_servers[server].targets for server in servers)
    where = "the backups of " if backup else ""
    effect = _joins(scene, new.number, "backup" if backup else "targets")
    return added(f"target {new.number}", f"added to {where}{numbers('server', servers)}", effect)


def _checks(subject: str, old: Target, new: Target) -> Iterator[Change]:
    for word, kind in CHECK_KINDS.items():
        before, after = old.checks.get(word), new.checks.get(word)
        if before == after:
            continue
        if after is None:
            message, effect = f"{word} removed", f"no longer checked by it, {count(0, 'move')}"
        elif before is None:
            message, effect = f"{word} added: {_check(after)}", "its check starts, flows stay unless it fails"
        else:
            message = f"{word} {_parts(kind.values(before), kind.values(after))}"
            effect = f"its check restarts, {count(0, 'move')}"
        yield changed(subject, message, effect)


def _check(check: CheckSettings) -> str:
    port = f"port {check.port}, " if check.port else ""
    return f"{port}every {check.interval} s, timeout {check.timeout} s"


def _parts(before: dict[str, int], after: dict[str, int]) -> str:
    return ", ".join(
        f"{name} {before[name]} {ARROW} {after[name]}{'' if name == 'port' else ' s'}"
        for name in before
        if before[name] != after[name]
    )


def _target_states(
    subject: str, old: Target, new: Target, scene: _Scene, keeps: list[int]
) -> Iterator[Change]:
    gone = old.registered and not new.registered
    if gone or (old.enabled and not new.enabled):
        held, effect = scene.leaving(old.number, keeps)
        yield changed(subject, "no longer registered" if gone else "disabled", effect, flows=held)
    elif new.registered and not old.registered:
        yield changed(subject, "registered and enabled" if new.enabled else "registered")
    elif new.enabled and not old.enabled:
        yield changed(subject, "enabled", NEW_ONLY)
