"""The configuration that runs, its text, its history, and what another one would change: looking, not changing."""

from __future__ import annotations

import os
import pwd
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.api.messages import ConfigDiff, ConfigStatus, Pending, Revision, RunningConfig
from engine.config.difference.compare import Flows, compare, unified
from engine.config.load import Language, Loaded, load
from engine.domain.errors import OpError
from engine.report.events import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Literal

    from engine.changes.revisions import Store, Stored
    from engine.config.difference.change import Change
    from engine.config.model import Config
    from engine.domain.states import Admin


class SwitchError(Exception):
    """The engine could not go over to a configuration and has gone back; the message says why."""


class Runner(Protocol):
    """What runs configurations: the engine."""

    async def switch(self, config: Config, actor: str) -> None:
        """Go over to `config`, keeping all that does not change; raises SwitchError, the former one running again."""
        ...

    def flows(self) -> Flows:
        """Count the flows of servers and targets now."""
        ...

    def overrides(self) -> tuple[Mapping[int, Admin], Mapping[int, Literal["enabled", "disabled"]]]:
        """Return what operators have said of targets and servers, apart from the file."""
        ...

    def settle_overrides(self) -> None:
        """Forget overrides that say what the configuration says itself."""
        ...

    def tell(self, severity: Literal["info", "warning", "error"], message: str, actor: str | None) -> None:
        """Add an event of kind config."""
        ...


@dataclass
class Running:
    """The configuration that runs, with its text."""

    config: Config
    text: str
    language: Language
    revision: int


@dataclass
class Trial:
    """A change that waits to be confirmed; `back` runs again at `deadline`."""

    revision: int
    back: Running
    deadline: float  # monotonic
    actor: str


@dataclass
class Configured:
    """What runs, and what is under trial. `running` and `trial` are written by Transactions alone."""

    runner: Runner
    store: Store
    file: Path
    running: Running
    trial: Trial | None = None

    def status(self, now: float) -> ConfigStatus:
        """For the state every console shows."""
        return ConfigStatus(
            revision=self.running.revision,
            language=self.running.language,
            pending=self.pending(now),
            differs=self.differs(),
        )

    def pending(self, now: float) -> Pending | None:
        """Return the change under trial, if there is one."""
        trial = self.trial
        if trial is None:
            return None
        left = round(max(0.0, trial.deadline - now), 1)
        return Pending(
            revision=trial.revision, reverts_to=trial.back.revision, seconds_left=left, actor=trial.actor
        )

    def differs(self) -> list[str]:
        """Say where operational state is not what the configuration says."""
        targets, servers = self.runner.overrides()
        said = []
        for number, admin in sorted(targets.items()):
            target = self.running.config.target(number)
            file = "enabled" if target and target.enabled else "disabled"
            if target and admin != file:
                said.append(f"target {number} {admin} (file: {file})")
        for number, state in sorted(servers.items()):
            server = self.running.config.server(number)
            file = "enabled" if server and server.enabled else "disabled"
            if server and state != file:
                said.append(f"server {number} {state} (file: {file})")
        return said

    def text(self, now: float) -> RunningConfig:
        """Return the running text as it was accepted."""
        running = self.running
        return RunningConfig(
            file=str(self.file),
            revision=running.revision,
            language=running.language,
            text=running.text,
            pending=self.pending(now),
        )

    def diff(self, text: str, file: str, flows: Flows | None = None) -> ConfigDiff:
        """Compare a candidate with what runs. An invalid one has findings and no changes.

        `flows` are those of now where they are not given. A thread has to give them: the datapaths are the loop's.
        """
        running = self.running
        loaded = self.read(text, file)
        changes: list[Change] = []
        if loaded.ok and loaded.config is not None:
            changes = compare(running.config, loaded.config, flows or self.runner.flows())
        return ConfigDiff(
            base=running.revision,
            changes=changes,
            unified=unified(running.text, text, f"revision {running.revision}", file),
            findings=loaded.findings,
        )

    def history(self) -> list[Revision]:
        """Newest first, without texts."""
        return [self._revision(stored) for stored in self.store.list()]

    def revision(self, number: int) -> Revision:
        """Return one revision with its text. Raises OpError."""
        stored = self.stored(number)
        revision = self._revision(stored)
        revision.text = stored.text.decode(errors="replace")
        return revision

    def compare_revisions(self, old: int, new: int, flows: Flows | None = None) -> ConfigDiff:
        """Say what going from one revision to another changes; `flows` as in `diff`. Raises OpError."""
        texts = [self.stored(n).text.decode(errors="replace") for n in (old, new)]
        configs = [self.read(t, self.name(n)).config for t, n in zip(texts, (old, new), strict=True)]
        changes: list[Change] = []
        if configs[0] is not None and configs[1] is not None:
            changes = compare(configs[0], configs[1], flows or self.runner.flows())
        return ConfigDiff(
            base=old,
            changes=changes,
            unified=unified(texts[0], texts[1], f"revision {old}", f"revision {new}"),
        )

    def read(self, text: str, file: str) -> Loaded:
        """Read a text, with this host's interfaces in mind."""
        return load(text, file, host_interfaces=interfaces())

    def changes(self, config: Config) -> list[Change]:
        """Say what going over to `config` changes."""
        return compare(self.running.config, config, self.runner.flows())

    def stored(self, number: int) -> Stored:
        """Return a stored revision. Raises OpError."""
        stored = self.store.get(number)
        if stored is None:
            raise OpError("not-found", f"there is no revision {number}")
        return stored

    def _revision(self, stored: Stored) -> Revision:
        return Revision(
            number=stored.number,
            time=stored.time,
            uid=stored.uid,
            user=stored.user,
            note=stored.note,
            language=stored.language,
            running=stored.number == self.running.revision,
            confirmed=stored.confirmed,
            reverted=stored.reverted,
            lines=stored.text.count(b"\n") + (not stored.text.endswith(b"\n")),
        )

    def name(self, number: int) -> str:
        """Name a revision as a file, so that its ending tells the language."""
        stored = self.store.get(number)
        return f"revision {number}.{'toml' if stored and stored.language == 'toml' else 'conf'}"


def recall(store: Store, data: bytes, loaded: Loaded) -> tuple[Running, list[str]]:
    """Find the revision that the configuration file is, or make it one; returns what there is to tell.

    A change that nobody confirmed before the engine ended never reached the file, so the former one runs. A file that
    was written just before a kill is the newest revision, though it could not be marked any more. Raises OSError.
    """
    if loaded.config is None:
        raise ValueError("only a valid configuration runs")
    said: list[str] = []
    for left in store.list():
        if not left.confirmed and not left.reverted and left.text != data:
            store.drop(left.number)
            said.append(f"revision {left.number} was not confirmed before the engine ended: the file's runs")
    newest = next((s for s in store.list() if not s.reverted), None)
    if newest is not None and newest.text == data:
        number = newest.number if newest.confirmed else store.confirm(newest.number).number
    else:
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            user = str(os.getuid())
        note = "the file at the start of the engine"
        time = timestamp()
        number = store.add(
            data, time=time, uid=os.getuid(), user=user, note=note, language=loaded.language
        ).number
    return Running(loaded.config, data.decode(errors="replace"), loaded.language, number), said


def interfaces() -> list[str]:
    """Names of the host's interfaces."""
    return [name for _, name in socket.if_nameindex()]
