"""What an operator's command would do to the traffic, said before it is done. Pure: state in, words out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bngtui.render.states import able
from bngtui.render.text import clean
from bngtui.render.units import endpoint, plural

if TYPE_CHECKING:
    from engine.api.messages import ServerState, State, TargetState

Verb = Literal["enable", "disable", "drain"]
What = Literal["target", "server"]

_DONE: dict[Verb, str] = {"enable": "enabled", "disable": "disabled", "drain": "draining"}


@dataclass(frozen=True)
class Effect:
    """A command and what it does.

    `grave`: of the lines, those that somebody should not overlook. `last`: a server loses its last healthy target, or a
    serving server goes: then the number must be typed. `pointless`: why there is nothing to do, or None. `within_s`:
    after how many seconds a drain ends, 0 never, None as the file says.
    """

    verb: Verb
    what: What
    number: int
    name: str
    lines: tuple[str, ...]
    grave: tuple[str, ...] = ()
    last: bool = False
    pointless: str | None = None
    within_s: int | None = None

    @property
    def object(self) -> str:
        """The object in words: ``target 2 web2``."""
        return f"{self.what} {self.number} {self.name}".rstrip()

    @property
    def done(self) -> str:
        """What stands when it is done: ``target 2 web2 is disabled``."""
        return f"{self.object} is {_DONE[self.verb]}"


def effect_of(state: State, verb: Verb, what: What, number: int) -> Effect | None:
    """Return what the command would do now; None where the object is no longer there."""
    if what == "target":
        target = next((t for t in state.targets if t.number == number), None)
        return None if target is None else _on_target(state, verb, target)
    server = next((s for s in state.servers if s.number == number), None)
    return None if server is None else _on_server(state, verb, server)


def _on_target(state: State, verb: Verb, target: TargetState) -> Effect:
    name = clean(target.name)
    if target.admin == _DONE[verb]:
        said = f"target {target.number} {name}".rstrip() + f" is {target.admin} already"
        return Effect(verb, "target", target.number, name, (), pointless=said)
    lines: list[str] = []
    grave: list[str] = []
    if verb == "enable":
        lines.append(
            "gets new flows at once"
            if target.health == "up"
            else f"gets new flows when its checks succeed: it is {target.health} now"
        )
    else:
        sessions = plural(target.sessions, "session")
        if verb == "disable":
            lines.append(f"{sessions} end{'s' if target.sessions == 1 else ''} at once")
        else:
            kept = f"{sessions} may finish" if target.sessions else "no sessions to wait for"
            lines.append(f"{kept}; new flows go elsewhere")
            if target.drainwithin:
                lines.append(f"what is left after {target.drainwithin} s ends")
        for server in state.servers:
            if target.number in server.targets or target.number in server.backup:
                text, empty = _what_remains(state, server, target)
                lines.append(text)
                if empty:
                    grave.append(text)
    return Effect(verb, "target", target.number, name, tuple(lines), tuple(grave), last=bool(grave))


def _what_remains(state: State, server: ServerState, target: TargetState) -> tuple[str, bool]:
    """Say what a server keeps without the target; True where it was the last that could serve."""
    serving = able(server, {t.number: t for t in state.targets})
    others = serving - {target.number}
    primaries = sum(number in others for number in server.targets)
    backups = sum(number in others for number in server.backup)
    who = f"server {server.number}" + (f" {clean(server.name)}" if server.name else "")
    if primaries:
        return f"{who} keeps {plural(primaries, 'healthy target')}", False
    if backups:
        return f"{who} falls back to {plural(backups, 'healthy backup')}", False
    if target.number in serving and server.admin == "enabled":
        return f"{who} keeps NO healthy target: {endpoint(server.ipaddr, server.port)} stops serving", True
    return f"{who} has no healthy target with it or without it", False


def _on_server(state: State, verb: Verb, server: ServerState) -> Effect:
    name = clean(server.name)
    said = f"server {server.number} {name}".rstrip()
    if verb == "drain":
        why = f"{said}: only targets drain; disable the server, or drain its targets"
        return Effect(verb, "server", server.number, name, (), pointless=why)
    if server.admin == _DONE[verb]:
        return Effect(verb, "server", server.number, name, (), pointless=f"{said} is {server.admin} already")
    where = endpoint(server.ipaddr, server.port)
    if verb == "enable":
        serving = len(able(server, {t.number: t for t in state.targets}))
        once = "it accepts" if serving == 1 else "they accept"
        again = f"{where} is served again, by {plural(serving, 'healthy target')} once {once} the address"
        return Effect(verb, "server", server.number, name, (again,))
    ends = f"{plural(server.sessions, 'session')} end{'s' if server.sessions == 1 else ''} at once"
    stops = f"{where} stops serving"
    return Effect(verb, "server", server.number, name, (ends, stops), (stops,), last=server.operational)
