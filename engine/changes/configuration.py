"""The configuration that runs, its text, its history, and what another one would change: looking, not changing."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.api.messages import ConfigDiff, ConfigStatus, FileDiffers, Pending, Revision, RunningConfig
from engine.api.timestamp import timestamp
from engine.changes.file_on_disk import FileOnDisk
from engine.config.difference.compare import Flows, compare, unified
from engine.config.language.balanceng import dump as dump_balanceng
from engine.config.language.toml import dump as dump_toml
from engine.config.load import Language, Loaded, language_of, load
from engine.domain.actor import Actor
from engine.domain.errors import OpError

if TYPE_CHECKING:
    from pathlib import Path

    from engine.changes.revision_file import StoredRevision
    from engine.changes.revisions import RevisionStore
    from engine.changes.runner import Runner
    from engine.config.difference.change import Change
    from engine.config.model import Config


@dataclass(frozen=True)
class Running:
    """A configuration that runs, or ran, with its text as it was accepted."""

    config: Config
    text: str
    language: Language
    revision: int


@dataclass
class Trial:
    """A change that waits to be confirmed; `back` runs again at `deadline`, in monotonic seconds.

    `kept` are revisions of others that were on trial when this one came, and share its end. `overwrites` is what the
    file held when its overwriting was agreed to.
    """

    revision: int
    back: Running
    deadline: float
    actor: Actor
    kept: tuple[int, ...] = ()
    overwrites: bytes | None = None


@dataclass
class Configuration:
    """What runs, and what is under trial. `running` and `trial` are written by Transactions alone."""

    runner: Runner
    store: RevisionStore
    file: Path
    running: Running
    trial: Trial | None = None
    disk: FileOnDisk = field(init=False)

    def __post_init__(self) -> None:
        self.disk = FileOnDisk(self.file, self.in_file(self.running).encode())

    # -- what consoles ask ------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Have the store keep what runs and what a trial goes back to, whoever removes their files."""
        self.store.hold({self.running.revision, *([self.trial.back.revision] if self.trial else [])})

    def status(self, now: float) -> ConfigStatus:
        """Return what the state of every console shows. `now` is monotonic seconds, here and below."""
        return ConfigStatus(
            revision=self.running.revision,
            language=self.running.language,
            pending=self.pending(now),
            differs=self.differs(),
            file=self.file_differs(),
        )

    def file_differs(self) -> FileDiffers | None:
        """Say that the file is not what the engine read from it or wrote to it last."""
        found = self.disk.difference
        if found is None:
            return None
        return FileDiffers(since=found.since, readable=found.data is not None, trouble=found.trouble)

    def pending(self, now: float) -> Pending | None:
        """Return the change under trial, if there is one."""
        trial = self.trial
        if trial is None:
            return None
        return Pending(
            revision=trial.revision,
            reverts_to=trial.back.revision,
            seconds_left=round(max(0.0, trial.deadline - now), 1),
            actor=trial.actor.text,
        )

    def differs(self) -> list[str]:
        """Say where operational state is not what the configuration says: "target 2 disabled (file: enabled)"."""
        targets, servers = self.runner.overrides()
        config = self.running.config
        in_file = {("target", t.number): t.enabled for t in config.targets}
        in_file |= {("server", s.number): s.enabled for s in config.servers}
        overrides = [("target", n, admin) for n, admin in sorted(targets.items())]
        overrides += [("server", n, admin) for n, admin in sorted(servers.items())]
        said = []
        for what, number, admin in overrides:
            enabled = in_file.get((what, number))
            file = "enabled" if enabled else "disabled"
            if enabled is not None and admin != file:
                said.append(f"{what} {number} {admin} (file: {file})")
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

    def file_diff(self, flows: Flows | None = None) -> ConfigDiff:
        """Compare the file, as of the last look, with what runs; `flows` as in `diff`. Raises OpError."""
        return self.diff(self.file_text(), str(self.file), flows)

    def file_text(self) -> str:
        """Return what the file holds, as of the last look. Raises OpError."""
        found = self.disk.difference
        data = self.disk.known if found is None else found.data
        if data is None:
            raise OpError("not-found", f"{self.file} cannot be read: {found.trouble if found else ''}")
        return data.decode(errors="replace")

    def compare_revisions(self, old: int, new: int, flows: Flows | None = None) -> ConfigDiff:
        """Say what going from one revision to another changes; `flows` as in `diff`. Raises OpError."""
        texts = [self.text_of(number) for number in (old, new)]
        configs = [self.read(t, self.name_of(n)).config for t, n in zip(texts, (old, new), strict=True)]
        changes: list[Change] = []
        if configs[0] is not None and configs[1] is not None:
            changes = compare(configs[0], configs[1], flows or self.runner.flows())
        return ConfigDiff(
            base=old,
            changes=changes,
            unified=unified(texts[0], texts[1], f"revision {old}", f"revision {new}"),
        )

    def history(self) -> list[Revision]:
        """Return all revisions, newest first, without their texts."""
        return [self._revision(stored) for stored in self.store.list()]

    def revision(self, number: int) -> Revision:
        """Return one revision with its text. Raises OpError."""
        stored = self._stored(number)
        revision = self._revision(stored)
        revision.text = stored.text.decode(errors="replace")
        return revision

    def _revision(self, stored: StoredRevision) -> Revision:
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
            end=stored.end,
            ended_by=stored.ended_by,
            lines=stored.text.count(b"\n") + (not stored.text.endswith(b"\n")),
        )

    # -- what a change needs ----------------------------------------------------------------------------------------

    def in_file(self, running: Running) -> str:
        """Return the text that the configuration file has of a configuration: in the file's own language."""
        language = language_of(str(self.file), running.text)
        return running.text if language == running.language else in_language(running.config, language)

    def read(self, text: str, file: str) -> Loaded:
        """Read and check a text, with this host's interfaces in mind."""
        return load(text, file, host_interfaces=host_interfaces())

    def changes_to(self, config: Config) -> list[Change]:
        """Say what going over from what runs to `config` changes."""
        return compare(self.running.config, config, self.runner.flows())

    def text_of(self, number: int) -> str:
        """Return the text of a revision. Raises OpError."""
        return self._stored(number).text.decode(errors="replace")

    def name_of(self, number: int) -> str:
        """Name a revision as a file, so that its ending tells the language."""
        stored = self.store.get(number)
        return f"revision {number}.{'toml' if stored and stored.language == 'toml' else 'conf'}"

    def _stored(self, number: int) -> StoredRevision:
        stored = self.store.get(number)
        if stored is None:
            raise OpError("not-found", f"there is no revision {number}")
        return stored


def recall(store: RevisionStore, data: bytes, loaded: Loaded) -> tuple[Running, list[str]]:
    """Find the revision that the configuration file is, or make it one; returns what there is to tell.

    The file decides, whatever could not be marked any more before a kill or on a full disk: a change that nobody
    confirmed never reached it, so the former one runs; one that did reach it was confirmed (docs/changes.md).
    """
    if loaded.config is None:
        raise ValueError("only a valid configuration runs")
    newest = _of_file(store, data, loaded.language)
    warnings: list[str] = []
    for left in store.list():
        if not left.confirmed and not left.reverted and left != newest:
            store.drop(left.number, "engine-ended")
            warnings.append(
                f"revision {left.number} was not confirmed before the engine ended: the file's runs"
            )
    if newest is None:
        newest = store.add(
            data,
            time=timestamp(),
            actor=Actor.of_process(os.getuid(), os.getpid()),
            note="the file at the start of the engine",
            language=loaded.language,
            or_owe=True,
        )
    elif not newest.confirmed:
        newest = store.confirm(newest.number)
    store.hold([newest.number])
    text = newest.text.decode(errors="replace")
    return Running(loaded.config, text, newest.language, newest.number), warnings


def _of_file(store: RevisionStore, data: bytes, language: Language) -> StoredRevision | None:
    """Return the revision that a file holds: the latest confirmed one, or one after it that could not be marked any more."""
    for stored in store.list():
        if stored.reverted:
            continue
        if _is_file(stored, data, language):
            return stored
        if stored.confirmed:
            break
    return None


def _is_file(stored: StoredRevision, data: bytes, language: Language) -> bool:
    """Tell whether a file in `language` that holds `data` is how a revision is written to it."""
    if stored.language == language:
        return stored.text == data
    config = load(stored.text, f"revision {stored.number}", language=stored.language).config
    return config is not None and in_language(config, language).encode() == data


def in_language(config: Config, language: Language) -> str:
    """Return a configuration as a text in one of the languages."""
    return dump_toml(config) if language == "toml" else dump_balanceng(config)


def host_interfaces() -> list[str]:
    """Return the names of this host's interfaces."""
    return [name for _, name in socket.if_nameindex()]
