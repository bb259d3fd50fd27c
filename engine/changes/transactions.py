"""A change in: text → check → difference → switch → file → revision, and back by itself where nobody confirms.

The order makes every failure harmless: the revision is stored first, unconfirmed; then the engine switches; then the
file is written; then the revision is confirmed. Whatever fails, the former configuration forwards on, and a restart
finds the former file. An unconfirmed change never reaches the file.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.api.messages import Applied
from engine.api.timestamp import timestamp
from engine.changes.configuration import Configuration, Running, Trial, host_interfaces
from engine.changes.runner import SwitchError
from engine.config.atomic import write_atomic
from engine.config.editing.rewrite import CannotEdit, run_commands, write_states
from engine.config.language.balanceng import dump as dump_balanceng
from engine.config.language.toml import dump as dump_toml
from engine.config.load import Loaded, language_of, load
from engine.domain.actor import TIMER, Actor
from engine.domain.errors import OpError

if TYPE_CHECKING:
    from typing import Literal

    from engine.api.ops import ApplyArgs, CommandArgs, RollbackArgs
    from engine.config.difference.change import Change
    from engine.config.finding import Finding
    from engine.config.model import Config

CONFIRM_MOST_S = 24 * 3600
"""Longest time to confirm in: a change that nobody looks at for a day is not under trial."""

REVERT_AGAIN_S = 5.0
"""Time until a trial that could not be taken back, the host refusing the former configuration, is tried again."""

NOTE_MOST = 60
"""Characters of typed commands that a revision's note repeats."""


@dataclass(frozen=True)
class _Candidate:
    """A text that is to run, and who wants it. `parent`: the revision that it is the text of, after a rollback."""

    text: str
    loaded: Loaded
    note: str
    actor: Actor
    confirm_within_s: int | None = None  # None: it runs for good at once
    parent: int | None = None


@dataclass
class Transactions(Configuration):
    """All changes of the running configuration go through here, one at a time. `now` is monotonic seconds."""

    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    # -- where texts come from --------------------------------------------------------------------------------------

    async def apply(self, args: ApplyArgs, actor: Actor, now: float) -> Applied:
        """Run a candidate. Raises OpError: invalid (with findings), conflict, refused."""
        async with self._lock:
            self._check_base(args.base)
            loaded = await asyncio.to_thread(self.read, args.text, args.file)
            note = args.note or f"apply {args.file}"
            return await self._run(_Candidate(args.text, loaded, note, actor, args.confirm_within_s), now)

    async def command(self, args: CommandArgs, actor: Actor, now: float) -> Applied:
        """Run commands of BalanceNG's language on the running text. Raises OpError."""
        async with self._lock:
            self._check_base(args.base)
            running = self.running
            edited = await asyncio.to_thread(
                run_commands, running.text, running.language, args.text, "command"
            )
            if not edited.ok:
                raise _invalid(edited.findings)
            loaded = await asyncio.to_thread(self.read, edited.text, self.name_of(running.revision))
            typed = " ".join(args.text.split())
            note = typed if len(typed) <= NOTE_MOST else f"{typed[: NOTE_MOST - 1]}…"
            return await self._run(_Candidate(edited.text, loaded, note, actor, args.confirm_within_s), now)

    async def rollback(self, args: RollbackArgs, actor: Actor, now: float) -> Applied:
        """Run an earlier revision again, as a new one; without a number: end a trial, or go one back."""
        async with self._lock:
            if args.revision is None and self.trial is not None:
                return await self._revert(self.trial, actor, f"revision {self.trial.revision} taken back")
            parent = self._earlier() if args.revision is None else args.revision
            text = self.text_of(parent)
            loaded = await asyncio.to_thread(self.read, text, self.name_of(parent))
            note = f"rollback to revision {parent}"
            return await self._run(
                _Candidate(text, loaded, note, actor, args.confirm_within_s, parent=parent), now
            )

    def _earlier(self) -> int:
        """Find the confirmed revision before the running one, or before its parent where it is a rollback itself."""
        running = self.store.get(self.running.revision)
        before = self.running.revision if running is None or running.parent is None else running.parent
        earlier = [s.number for s in self.store.list() if s.confirmed and s.number < before]
        if not earlier:
            raise OpError("refused", "there is no earlier revision to go back to")
        return max(earlier)

    async def save(self, actor: Actor, now: float) -> Applied:
        """Write operational state into the configuration and its file. Raises OpError."""
        async with self._lock:
            running = self.running
            targets, servers = self.runner.overrides()
            states: dict[tuple[Literal["target", "server"], int], bool] = {}
            for number, admin in targets.items():
                states["target", number] = admin == "enabled"
            for number, state in servers.items():
                states["server", number] = state == "enabled"
            try:
                text = await asyncio.to_thread(write_states, running.text, running.language, states)
            except CannotEdit as error:
                raise OpError(
                    "refused", f"{error}; write it into the file yourself, and reload it"
                ) from error
            if text == running.text and self.trial is None:
                self._write_file(running)
                return Applied(revision=running.revision)
            loaded = await asyncio.to_thread(self.read, text, self.name_of(running.revision))
            applied = await self._run(_Candidate(text, loaded, "save: operational state", actor), now)
            self.runner.drop_redundant_overrides()
            return applied

    async def reload_file(self, actor: Actor, now: float) -> Applied:
        """Read the configuration file again and run it (SIGHUP). Raises OpError."""
        async with self._lock:
            try:
                data = self.file.read_bytes()
            except OSError as error:
                raise OpError("refused", f"{self.file}: {error.strerror}") from error
            loaded = await asyncio.to_thread(load, data, str(self.file), host_interfaces=host_interfaces())
            text = data.decode(errors="replace")
            return await self._run(_Candidate(text, loaded, f"reload of {self.file.name}", actor), now)

    # -- the transaction --------------------------------------------------------------------------------------------

    async def _run(self, candidate: _Candidate, now: float) -> Applied:
        """Check, compare, store, switch, write, confirm. Raises OpError, what ran before running on."""
        config = _checked(candidate)
        changes = self.changes_to(config)
        revision = self._store(candidate)
        before = self.running
        after = Running(config, candidate.text, candidate.loaded.language, revision)
        await self._switch(before, after, candidate)
        self.running = after
        within_s, trial = candidate.confirm_within_s, ""
        if within_s is None:
            self.trial = None
        else:
            back = self.trial.back if self.trial is not None else before
            self.trial = Trial(revision, back, now + within_s, candidate.actor)
            trial = f", to be confirmed within {within_s} s"
        self.runner.tell("info", f"revision {revision} runs: {_summary(changes)}{trial}", candidate.actor)
        warnings = [f for f in candidate.loaded.findings if f.severity == "warning"]
        return Applied(revision=revision, changes=changes, warnings=warnings, pending=self.pending(now))

    def _store(self, candidate: _Candidate) -> int:
        """Store a candidate as a revision that is not confirmed yet. Raises OpError."""
        protected = {self.running.revision} | ({self.trial.back.revision} if self.trial else set())
        try:
            stored = self.store.add(
                candidate.text.encode(),
                time=timestamp(),
                actor=candidate.actor,
                note=candidate.note,
                language=candidate.loaded.language,
                confirmed=False,
                parent=candidate.parent,
                protect=protected,
            )
        except OSError as error:
            raise OpError(
                "refused", f"the revision cannot be stored: {error.strerror}; nothing was changed"
            ) from error
        return stored.number

    async def _switch(self, before: Running, after: Running, candidate: _Candidate) -> None:
        """Go over to `after`, and write it to the file unless it is under trial. Raises OpError, `before` running."""
        actor = candidate.actor
        try:
            await self.runner.switch(after.config, actor)
            if candidate.confirm_within_s is None:
                self._write_file(after)
                self.store.confirm(after.revision)
        except (SwitchError, OpError, OSError) as error:
            if not isinstance(error, SwitchError):
                await self.runner.switch(before.config, actor)
            self.store.drop(after.revision)
            self.runner.tell("error", f"not applied, revision {before.revision} runs on: {error}", actor)
            raise OpError("refused", f"{error}; revision {before.revision} runs on") from error

    def _write_file(self, running: Running) -> None:
        """Write the text to the configuration file, in the file's own language. Raises OpError."""
        text = running.text
        language = language_of(str(self.file), text)
        if language != running.language:
            text = (dump_toml if language == "toml" else dump_balanceng)(running.config)
        try:
            write_atomic(self.file, text.encode())
        except OSError as error:
            raise OpError("refused", f"{self.file} cannot be written: {error.strerror}") from error

    def _check_base(self, base: int | None) -> None:
        if base is None or base == self.running.revision:
            return
        since = [s for s in self.store.list() if s.number > base and not s.reverted]
        who = "; ".join(f"revision {s.number} by {s.user} at {s.time}: {s.note}" for s in reversed(since[:3]))
        raise OpError(
            "conflict",
            f"made from revision {base}, but revision {self.running.revision} runs now ({who or 'rolled back'}); "
            "look at the difference, then apply again",
        )

    # -- a change under trial ---------------------------------------------------------------------------------------

    async def confirm(self, actor: Actor) -> Applied:
        """Keep the change under trial: write it to the file. Raises OpError."""
        async with self._lock:
            trial = self.trial
            if trial is None:
                raise OpError("refused", "no change waits to be confirmed")
            self._write_file(self.running)
            self.store.confirm(trial.revision)
            self.trial = None
            self.runner.tell("info", f"revision {trial.revision} confirmed", actor)
            return Applied(revision=trial.revision)

    async def tick(self, now: float) -> None:
        """Revert what was not confirmed in time."""
        trial = self.trial
        if trial is not None and now >= trial.deadline and not self._lock.locked():
            async with self._lock:
                with contextlib.suppress(OpError):  # told already, and tried again at the new deadline
                    await self._revert(trial, None, f"revision {trial.revision} was not confirmed in time")

    async def _revert(self, trial: Trial, actor: Actor | None, why: str) -> Applied:
        """Go back to what ran before the trial; `actor` None: by the timer. Raises OpError, to be tried again."""
        changes = self.changes_to(trial.back.config)
        try:
            await self.runner.switch(trial.back.config, actor or TIMER)
        except SwitchError as error:
            # The host has changed under us, and the former configuration cannot run either: keep trying.
            trial.deadline += REVERT_AGAIN_S
            self.runner.tell("error", f"{why}, but going back failed: {error}", actor)
            raise OpError("refused", str(error)) from error
        self.store.drop(trial.revision)
        self.running, self.trial = trial.back, None
        self.runner.tell("warning", f"{why}: revision {trial.back.revision} runs again", actor)
        return Applied(revision=trial.back.revision, changes=changes)


def _checked(candidate: _Candidate) -> Config:
    """Return what a candidate says. Raises OpError where it is invalid, or asks for a trial of an impossible length."""
    loaded, within_s = candidate.loaded, candidate.confirm_within_s
    if not loaded.ok or loaded.config is None:
        raise _invalid(loaded.findings)
    if within_s is not None and not 1 <= within_s <= CONFIRM_MOST_S:
        raise OpError("bad-args", f"confirm within 1 to {CONFIRM_MOST_S} seconds, not {within_s}")
    return loaded.config


def _summary(changes: list[Change]) -> str:
    if not changes:
        return "nothing that matters changed"
    first = "; ".join(f"{c.subject}: {c.message}" for c in changes[:3])
    return first + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")


def _invalid(findings: list[Finding]) -> OpError:
    errors = [f for f in findings if f.severity == "error"]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return OpError("invalid", f"{errors[0] if errors else 'not valid'}{more}", findings)
