"""Operational state: what operators say of targets and servers while the engine runs, kept apart from the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.api.messages import AdminResult
from engine.changes import operational
from engine.domain.errors import OpError

if TYPE_CHECKING:
    from pathlib import Path

    from engine.api.ops import AdminArgs
    from engine.config.model import Server, Target
    from engine.domain.states import Admin
    from engine.modules.state.world import World

_WORD: dict[str, Admin] = {"enable": "enabled", "disable": "disabled", "drain": "draining"}


@dataclass
class AdminState:
    """Changes and keeps `World.target_admin` and `World.server_admin`, in `file`."""

    world: World
    file: Path

    def load(self) -> None:
        """Take up what was said before a restart, of what still exists."""
        kept = operational.load(self.file)
        self.world.target_admin = kept.targets
        self.world.server_admin = kept.servers
        self.forget_unknown()

    def forget_unknown(self) -> None:
        """Drop what was said of targets and servers that the configuration no longer has."""
        config = self.world.config
        targets, servers = {t.number for t in config.targets}, {s.number for s in config.servers}
        self.world.target_admin = {n: a for n, a in self.world.target_admin.items() if n in targets}
        self.world.server_admin = {n: a for n, a in self.world.server_admin.items() if n in servers}

    def forget_agreeing(self) -> None:
        """Drop what the configuration says itself."""
        config = self.world.config
        file_targets = {t.number: t.enabled for t in config.targets}
        file_servers = {s.number: s.enabled for s in config.servers}
        said = self.world.target_admin
        self.world.target_admin = {
            n: a for n, a in said.items() if a == "draining" or (a == "enabled") != file_targets.get(n)
        }
        self.world.server_admin = {
            n: a for n, a in self.world.server_admin.items() if (a == "enabled") != file_servers.get(n)
        }

    def keep(self) -> str | None:
        """Write the state for the next start; returns why it could not be, or None."""
        kept = operational.Operational(targets=self.world.target_admin, servers=self.world.server_admin)
        try:
            operational.save(self.file, kept)
        except OSError as error:
            return f"not kept for the next start: {self.file}: {error.strerror}"
        return None

    def of_target(self, target: Target) -> Admin:
        """Return the operator's last word about a target, else the file's."""
        return self.world.target_admin.get(target.number, "enabled" if target.enabled else "disabled")

    def of_server(self, server: Server) -> Literal["enabled", "disabled"]:
        """Return the operator's last word about a server, else the file's."""
        return self.world.server_admin.get(server.number, "enabled" if server.enabled else "disabled")

    def change(self, args: AdminArgs) -> AdminResult:
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
        numbers = list(dict.fromkeys(args.numbers))
        changed = [n for n in numbers if self._set(args, n)]
        return AdminResult(changed=changed, unchanged=[n for n in numbers if n not in changed])

    def _set(self, args: AdminArgs, number: int) -> bool:
        wanted = _WORD[args.action]
        if args.what == "target":
            target = self.world.config.target(number)
            if target is None or self.of_target(target) == wanted:
                return False
            self.world.target_admin[number] = wanted
            return True
        server = self.world.config.server(number)
        if server is None or self.of_server(server) == wanted:
            return False
        self.world.server_admin[number] = "enabled" if wanted == "enabled" else "disabled"
        return True
