"""Operational state: what operators say of targets and servers while the engine runs, kept apart from the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from engine.api.messages import AdminResult
from engine.changes.aside import put_aside, read_plain
from engine.config.atomic import write_atomic
from engine.domain.drain import MAX_WITHIN_S, Drain
from engine.domain.errors import OpError
from engine.domain.states import Admin  # noqa: TC001 - msgspec reads the annotation at run time

if TYPE_CHECKING:
    from pathlib import Path

    from engine.api.ops import AdminArgs
    from engine.config.model import Server, Target
    from engine.domain.actor import Actor
    from engine.modules.state.world import World

_MAX_FILE_BYTES = 1024 * 1024
"""Far more than a state of every target and server takes."""

_MADE_BY: dict[str, Admin] = {"enable": "enabled", "disable": "disabled", "drain": "draining"}


class _Kept(msgspec.Struct, kw_only=True):
    """The file, as JSON: states by number where an operator has said one; absent: as the configuration says."""

    targets: dict[int, Admin] = msgspec.field(default_factory=dict)
    servers: dict[int, Literal["enabled", "disabled"]] = msgspec.field(default_factory=dict)
    drains: dict[int, Drain] = msgspec.field(default_factory=dict)  # by target


@dataclass
class AdminState:
    """Changes `World.target_admin`, `server_admin` and `drains`, the overrides, and keeps them in `file` over restarts.

    `now` is in monotonic seconds, `wall_s` the same moment in seconds since the epoch.
    """

    world: World
    file: Path
    owed: str = field(default="", init=False)
    """Why the file does not say what the engine goes by; nothing where it does."""

    # -- over restarts ----------------------------------------------------------------------------------------------

    def load(self, now: float, wall_s: float) -> str:
        """Take up what was said before a restart, of what still exists; returns what there is to tell of it."""
        kept, trouble = self._read()
        self.world.target_admin = kept.targets
        self.world.server_admin = kept.servers
        self.world.drains = kept.drains
        ends = {number: drain.end(now, wall_s) for number, drain in kept.drains.items()}
        self.world.drain_ends = {number: end for number, end in ends.items() if end is not None}
        self.drop_unknown()
        return trouble

    def _read(self) -> tuple[_Kept, str]:
        as_configured = "targets and servers start as the configuration says"
        try:
            return msgspec.json.decode(read_plain(self.file, _MAX_FILE_BYTES), type=_Kept), ""
        except FileNotFoundError:
            return _Kept(), ""
        except OSError as error:
            return _Kept(), f"{self.file} cannot be read ({error.strerror}): {as_configured}"
        except (ValueError, RecursionError) as error:  # msgspec.DecodeError is a ValueError
            aside = put_aside(self.file)
            where = f", and was put aside as {aside.name}" if aside is not None else ""
            return _Kept(), f"{self.file} is not readable ({error}){where}: {as_configured}"

    def encoded(self) -> bytes:
        """Return what the file has to hold now."""
        world = self.world
        return msgspec.json.encode(
            _Kept(targets=world.target_admin, servers=world.server_admin, drains=world.drains)
        )

    def save(self, data: bytes | None = None) -> str:
        """Write the state for the next start, whole or not at all; returns why it could not be, or nothing.

        `data` is what `encoded` returned, where a thread writes.
        """
        try:
            self.file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_atomic(self.file, self.encoded() if data is None else data)
        except OSError as error:
            self.owed = f"operational state is not kept for the next start: {self.file}: {error.strerror}"
        else:
            self.owed = ""
        return self.owed

    # -- beside the configuration -----------------------------------------------------------------------------------

    def of_target(self, target: Target) -> Admin:
        """Return the operator's last word about a target, else the file's."""
        return self.world.target_admin.get(target.number, "enabled" if target.enabled else "disabled")

    def of_server(self, server: Server) -> Literal["enabled", "disabled"]:
        """Return the operator's last word about a server, else the file's."""
        return self.world.server_admin.get(server.number, "enabled" if server.enabled else "disabled")

    def drop_unknown(self) -> None:
        """Forget what was said of targets and servers that the configuration no longer has."""
        config = self.world.config
        targets, servers = {t.number for t in config.targets}, {s.number for s in config.servers}
        self.world.target_admin = {n: a for n, a in self.world.target_admin.items() if n in targets}
        self.world.server_admin = {n: a for n, a in self.world.server_admin.items() if n in servers}
        for number in [n for n in self.world.drains if self.world.target_admin.get(n) != "draining"]:
            self._end_drain(number)

    def drop_redundant(self) -> None:
        """Forget what the configuration says itself."""
        config = self.world.config
        targets = {t.number: t.enabled for t in config.targets}
        servers = {s.number: s.enabled for s in config.servers}
        self.world.target_admin = {
            n: a
            for n, a in self.world.target_admin.items()
            if a == "draining" or (a == "enabled") != targets.get(n)
        }
        self.world.server_admin = {
            n: a for n, a in self.world.server_admin.items() if (a == "enabled") != servers.get(n)
        }

    # -- changing ---------------------------------------------------------------------------------------------------

    def change(self, args: AdminArgs, actor: Actor, now: float, wall_s: float) -> AdminResult:
        """Change the state of targets or servers: all of them, or none and OpError."""
        config = self.world.config
        known = {i.number for i in (config.targets if args.what == "target" else config.servers)}
        unknown = [n for n in args.numbers if n not in known]
        if unknown:
            raise OpError(
                "not-found", f"there is no {args.what} {', '.join(map(str, unknown))}; nothing was changed"
            )
        if args.what == "server" and args.action == "drain":
            raise OpError("bad-args", "a server is enabled or disabled; drain its targets")
        if args.within_s is not None and args.action != "drain":
            raise OpError("bad-args", f"within is a word of drain, not of {args.action}")
        if not 0 <= (args.within_s or 0) <= MAX_WITHIN_S:
            raise OpError(
                "bad-args", f"within {args.within_s} s: give 1 to {MAX_WITHIN_S} s, or 0 for no end"
            )
        numbers = list(dict.fromkeys(args.numbers))
        changed = [n for n in numbers if self._set(args, n)]
        if args.action == "drain":
            changed = [n for n in numbers if self._drain(n, args, actor, now, wall_s, begins=n in changed)]
        return AdminResult(changed=changed, unchanged=[n for n in numbers if n not in changed])

    def _drain(
        self, number: int, args: AdminArgs, actor: Actor, now: float, wall_s: float, *, begins: bool
    ) -> bool:
        """Note who drains a target from now on, and until when; returns whether that is new."""
        if not begins and args.within_s is None:
            return False
        target = self.world.config.target(number)
        within_s = target.drainwithin if args.within_s is None and target is not None else args.within_s
        drain = Drain(since=wall_s, by=actor.text, within_s=within_s or None)
        self._end_drain(number)
        self.world.drains[number] = drain
        end = drain.end(now, wall_s)
        if end is not None:
            self.world.drain_ends[number] = end
        return True

    def _end_drain(self, number: int) -> None:
        self.world.drains.pop(number, None)
        self.world.drain_ends.pop(number, None)

    def _set(self, args: AdminArgs, number: int) -> bool:
        """Set one state; returns whether it was another one before."""
        wanted = _MADE_BY[args.action]
        if args.what == "target":
            target = self.world.config.target(number)
            if target is None or self.of_target(target) == wanted:
                return False
            self.world.target_admin[number] = wanted
            self._end_drain(number)
            return True
        server = self.world.config.server(number)
        if server is None or self.of_server(server) == wanted:
            return False
        self.world.server_admin[number] = "enabled" if wanted == "enabled" else "disabled"
        return True
