"""A change in: text → check → difference → switch → file → revision, and back by itself where nobody confirms.

The order makes every failure harmless: the revision is stored first, unconfirmed; then the engine switches; then the
file is written; then the revision is marked. Up to the file whatever fails is taken back; from the file on the change
is made, and a mark that the disk refuses is owed. An unconfirmed change never reaches the file, which is what a restart
goes by. docs/changes.md has the steps, and what follows from a failure at each.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from engine.api.messages import Applied
from engine.api.ops import Consent
from engine.api.timestamp import timestamp
from engine.changes.aside import read_plain
from engine.changes.configuration import Configuration, Running, Trial, host_interfaces
from engine.changes.disk_thread import DiskThread
from engine.changes.runner import SwitchError
from engine.config.atomic import write_atomic
from engine.config.editing.rewrite import CannotEdit, run_commands, write_states
from engine.config.load import Loaded, load
from engine.domain.actor import TIMER, Actor
from engine.domain.errors import OpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Literal

    from engine.api.messages import RevisionEnd
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


_NO_CONSENT = Consent()


@dataclass(frozen=True)
class _Candidate:
    """A text that is to run, and who wants it. `parent`: the revision that it is the text of, after a rollback."""

    text: str
    loaded: Loaded
    note: str
    actor: Actor
    consent: Consent = _NO_CONSENT
    confirm_within_s: int | None = None  # None: it runs for good at once
    parent: int | None = None

    def says(self, running: Running) -> bool:
        """Tell whether it is the very text of what runs, or ran."""
        return (self.text, self.loaded.language) == (running.text, running.language)


@dataclass
class Transactions(Configuration):
    """All changes of the running configuration go through here, one at a time. `now` is monotonic seconds."""

    writer: DiskThread = field(default_factory=DiskThread)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _file_in_doubt: bool = field(default=False, init=False)

    # -- where texts come from --------------------------------------------------------------------------------------

    async def apply(self, args: ApplyArgs, actor: Actor, now: float) -> Applied:
        """Run a candidate. Raises OpError: invalid (with findings), conflict, refused."""
        async with self._turn(actor):
            self._check_base(args.base)
            loaded = await asyncio.to_thread(self.read, args.text, args.file)
            note = args.note or f"apply {args.file}"
            candidate = _Candidate(args.text, loaded, note, actor, args, args.confirm_within_s)
            return await self._run(candidate, now)

    async def command(self, args: CommandArgs, actor: Actor, now: float) -> Applied:
        """Run commands of BalanceNG's language on the running text. Raises OpError."""
        async with self._turn(actor):
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
            candidate = _Candidate(edited.text, loaded, note, actor, args, args.confirm_within_s)
            return await self._run(candidate, now)

    async def rollback(self, args: RollbackArgs, actor: Actor, now: float) -> Applied:
        """Run an earlier revision again, as a new one; without a number: end a trial, or go one back."""
        async with self._turn(actor):
            self._check_trial(args.trial)
            if args.revision is None and self.trial is not None:
                why = f"revision {self.trial.revision} taken back"
                return await self._revert(self.trial, actor, why, now, "taken-back")
            parent = self._earlier() if args.revision is None else args.revision
            text = self.text_of(parent)
            loaded = await asyncio.to_thread(self.read, text, self.name_of(parent))
            note = f"rollback to revision {parent}"
            candidate = _Candidate(text, loaded, note, actor, args, args.confirm_within_s, parent=parent)
            return await self._run(candidate, now)

    def _check_trial(self, meant: int | None) -> None:
        """Raise OpError where another revision is on trial than the one that is meant, or none; None: any is meant."""
        if meant is not None and (self.trial is None or self.trial.revision != meant):
            raise OpError("refused", f"revision {meant} is not on trial any more")

    def _earlier(self) -> int:
        """Find the confirmed revision before the running one, or before its parent where it is a rollback itself."""
        running = self.store.get(self.running.revision)
        before = self.running.revision if running is None or running.parent is None else running.parent
        earlier = [s.number for s in self.store.list() if s.confirmed and s.number < before]
        if not earlier:
            raise OpError("refused", "there is no earlier revision to go back to")
        return max(earlier)

    async def save(self, actor: Actor, now: float, consent: Consent = _NO_CONSENT) -> Applied:
        """Write operational state into the configuration and its file. Raises OpError."""
        async with self._turn(actor):
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
            loaded = await asyncio.to_thread(self.read, text, self.name_of(running.revision))
            candidate = _Candidate(text, loaded, "save: operational state", actor, consent)
            applied = await self._run(candidate, now)
            self.runner.drop_redundant_overrides()
            return applied

    async def reload_file(self, actor: Actor, now: float) -> Applied:
        """Read the configuration file again and run it (SIGHUP). Raises OpError."""
        async with self._turn(actor):
            try:
                data = self.file.read_bytes()
            except OSError as error:
                raise OpError("refused", f"{self.file}: {error.strerror}") from error
            loaded = await asyncio.to_thread(load, data, str(self.file), host_interfaces=host_interfaces())
            text = data.decode(errors="replace")
            return await self._run(_Candidate(text, loaded, f"reload of {self.file.name}", actor), now)

    @contextlib.asynccontextmanager
    async def _turn(self, actor: Actor) -> AsyncIterator[None]:
        """Wait for the changes before; raise OpError where whoever asked has gone meanwhile."""
        async with self._lock:
            _refuse_if_gone(actor)
            yield

    # -- the transaction --------------------------------------------------------------------------------------------

    async def _run(self, candidate: _Candidate, now: float) -> Applied:
        """Check, compare, store, switch, write, mark. Raises OpError, what ran before running on."""
        config = _checked(candidate)
        self._check_others_trial(candidate, now)
        overwrites = await self._check_file(candidate.text, candidate.consent)
        if candidate.says(self.running):
            return await self._run_on(candidate, now)
        before, superseded = self.running, self.trial
        if superseded is not None and candidate.says(superseded.back):
            why = f"revision {superseded.revision} taken back"
            return await self._revert(superseded, candidate.actor, why, now, "taken-back")
        changes = self.changes_to(config)
        after = Running(config, candidate.text, candidate.loaded.language, await self._store(candidate))
        trial = Trial(after.revision, superseded.back if superseded else before, now, candidate.actor)
        trial.overwrites = overwrites
        await self._switch(after, candidate.actor)
        within_s, told = candidate.confirm_within_s, ""
        if within_s is None:
            await self._write_or_go_back(after, trial)
            self.running, self.trial = after, None
            await self._mark(self.store.confirm, after.revision)
        else:
            trial.deadline += within_s
            self.running, self.trial = after, trial
            told = f", to be confirmed within {within_s} s"
        told += await self._end_superseded(superseded, candidate)
        self.runner.tell(
            "info", f"revision {after.revision} runs: {_summary(changes)}{told}", candidate.actor
        )
        return self._applied(candidate, now, changes)

    async def _end_superseded(self, former: Trial | None, candidate: _Candidate) -> str:
        """Settle what becomes of a trial that another change came on top of; returns what to tell of it.

        Its owner has put another text in its place. Somebody else has been made to say that it is kept: it is now, or
        shares the end of the trial that runs now.
        """
        if former is None:
            return ""
        trial, actor = self.trial, candidate.actor
        if former.actor == actor:
            if trial is None:
                await self._end(former.kept, actor, "kept-with")
            else:
                trial.kept = former.kept
            await self._forget(former, actor, "superseded")
            return ""
        with_it = (*former.kept, former.revision)
        if trial is None:
            await self._end(with_it, actor, "kept-with")
        else:
            trial.kept = with_it
        self.hold()
        so = "is on trial with it" if trial else "was on trial and is kept with it"
        return f"; revision {former.revision} of {former.actor} {so}"

    async def _run_on(self, candidate: _Candidate, now: float) -> Applied:
        """Take up a text that runs already: no revision is made of it, but it may end a trial, or have it go on."""
        trial, within_s = self.trial, candidate.confirm_within_s
        if trial is not None and within_s is not None:
            trial.deadline = now + within_s
            text = f"revision {trial.revision} runs, to be confirmed within {within_s} s from now"
            self.runner.tell("info", text, candidate.actor)
        elif trial is not None:
            await self._keep(trial, candidate.actor)
        else:
            if within_s is None:
                await self._write_file(self.running)
            self.runner.tell(
                "info", f"revision {self.running.revision} runs on: nothing changed", candidate.actor
            )
        return self._applied(candidate, now, [])

    def _applied(self, candidate: _Candidate, now: float, changes: list[Change]) -> Applied:
        warnings = [f for f in candidate.loaded.findings if f.severity == "warning"]
        return Applied(
            revision=self.running.revision, changes=changes, warnings=warnings, pending=self.pending(now)
        )

    async def _store(self, candidate: _Candidate) -> int:
        """Store a candidate as a revision that is not confirmed yet. Raises OpError."""
        protected = {self.running.revision} | ({self.trial.back.revision} if self.trial else set())
        add = partial(
            self.store.add,
            candidate.text.encode(),
            time=timestamp(),
            actor=candidate.actor,
            note=candidate.note,
            language=candidate.loaded.language,
            confirmed=False,
            parent=candidate.parent,
            protect=protected,
        )
        try:
            stored = await self.writer.do(add)
        except OSError as error:
            raise OpError(
                "refused", f"the revision cannot be stored: {error.strerror}; nothing was changed"
            ) from error
        self.store.hold({stored.number, *protected})
        return stored.number

    async def _switch(self, after: Running, actor: Actor) -> None:
        """Go over to `after`. Raises OpError, what ran before running on."""
        try:
            await self.runner.switch(after.config, actor)
        except SwitchError as error:
            await self._mark(self.store.drop, after.revision, "not-applied")
            raise self._not_applied(error, actor) from error

    async def _write_or_go_back(self, after: Running, trial: Trial) -> None:
        """Write `after`, which runs, to the file. Raises OpError, what ran before running again.

        Where the host does not let it run again, `after` is as under trial, and its time is up.
        """
        before = self.running
        try:
            await self._write_file(after)
        except Exception as error:
            try:
                await self.runner.switch(before.config, trial.actor)
            except SwitchError as refused:
                superseded, self.running, self.trial = self.trial, after, trial
                trial.deadline += REVERT_AGAIN_S
                await self._forget(superseded, trial.actor, "superseded")
                raise self._not_taken_back(str(error), refused, trial.actor) from refused
            await self._mark(self.store.drop, after.revision, "not-applied")
            raise self._not_applied(error, trial.actor) from error

    def _not_applied(self, error: Exception, actor: Actor) -> OpError:
        number = self.running.revision
        self.runner.tell("error", f"not applied, revision {number} runs on: {error}", actor)
        return OpError("refused", f"{error}; revision {number} runs on")

    def _not_taken_back(self, why: str, refused: SwitchError, actor: Actor | None) -> OpError:
        text = f"{why}, but going back failed and is tried again: {refused}"
        self.runner.tell("error", text, actor)
        return OpError("refused", text)

    async def _write_file(self, running: Running) -> None:
        """Write the text to the configuration file, in the file's own language. Raises OpError."""
        data = self.in_file(running).encode()
        try:
            await self.writer.do(self._replace_file, data)
        except OSError as error:
            self._file_in_doubt = error.errno == errno.ETIMEDOUT
            raise OpError("refused", f"{self.file} cannot be written: {error.strerror}") from error
        self.disk.wrote(data)

    def _replace_file(self, data: bytes) -> None:
        """Write the file where it does not hold `data` already. Raises OSError, the file being as it was."""
        if self._file_holds(data):
            return
        try:
            write_atomic(self.file, data)
        except OSError:
            # Whatever failed after the new name was in place: the file is what a restart would find.
            if not self._file_holds(data):
                raise

    def _file_holds(self, data: bytes) -> bool:
        try:
            return read_plain(self.file, len(data)) == data
        except (OSError, ValueError):
            return False

    async def _mark(
        self,
        mark: Callable[..., object],
        number: int,
        end: RevisionEnd | None = None,
        by: Actor | None = None,
    ) -> None:
        """Mark a revision. The disk may refuse it: then it is owed, and `mend_records` writes it."""
        with contextlib.suppress(LookupError):  # its file was removed meanwhile: there is nothing to mark
            try:
                await self.writer.do(mark, number, end, by)
            except OSError as error:
                mark(number, end, by, error.strerror or str(error))

    async def _end(self, revisions: tuple[int, ...], actor: Actor | None, end: RevisionEnd) -> None:
        """Mark how revisions stopped being on trial: kept, or gone back from."""
        mark = self.store.confirm if end in {"confirmed", "kept-with"} else self.store.drop
        for number in revisions:
            await self._mark(mark, number, end, actor)

    async def _forget(self, trial: Trial | None, actor: Actor | None, end: RevisionEnd) -> None:
        """Mark what a change under trial came to that is over, if there was one, and hold what counts from now on."""
        if trial is not None:
            await self._end((trial.revision,), actor, end)
        self.hold()

    async def mend_records(self) -> str:
        """Write what the disk did not take before; returns what it still owes, or nothing."""
        try:
            await self.writer.do(self.store.mend)
            if self._file_in_doubt:
                # A write that took too long was given up, and may have been done since.
                async with self._lock:
                    await self._write_file(self.running if self.trial is None else self.trial.back)
                    self._file_in_doubt = False
        except (OSError, OpError) as error:
            return f"{self.store.folder}, {self.file}: {error}"
        return self.store.owed

    # -- others' work -----------------------------------------------------------------------------------------------

    async def watch_file(self) -> None:
        """See whether somebody else has changed the file; `disk` has what was found."""
        if self.disk.moved() and not self._lock.locked():
            async with self._lock:
                await self.writer.do(self.disk.look)

    async def _check_file(self, text: str, consent: Consent, agreed: bytes | None = None) -> bytes | None:
        """Return what is on the disk and will be overwritten. Raises OpError where nobody has agreed to that.

        A file with the text that is to run is not overwritten; `agreed` is a content that may be.
        """
        if self.disk.moved():
            await asyncio.to_thread(self.disk.look)
        found = self.disk.difference
        if found is None or found.data in {None, text.encode(), agreed} or consent.overwrite:
            return None if found is None else found.data
        raise OpError(
            "file-differs",
            f"{self.file} was changed by somebody else at {found.clock} and would be overwritten; look at the "
            "difference, then take the file or overwrite it",
        )

    def _check_others_trial(self, candidate: _Candidate, now: float) -> None:
        """Raise OpError where somebody else's trial would end without a word."""
        trial = self.trial
        if trial is None or trial.actor == candidate.actor or candidate.consent.keep_trial == trial.revision:
            return
        left = max(0.0, trial.deadline - now)
        raise OpError(
            "on-trial",
            f"revision {trial.revision} of {trial.actor} is on trial for {left:.0f} s more: keep it with yours, or "
            "wait until it is confirmed or taken back",
        )

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

    async def confirm(
        self, actor: Actor, meant: int | None = None, consent: Consent = _NO_CONSENT
    ) -> Applied:
        """Keep the change under trial, if it is the one `meant`: write it to the file. Raises OpError, the trial going on."""
        async with self._turn(actor):
            self._check_trial(meant)
            trial = self.trial
            if trial is None:
                raise OpError("refused", "no change waits to be confirmed")
            await self._check_file(self.running.text, consent, trial.overwrites)
            await self._keep(trial, actor)
            return Applied(revision=trial.revision)

    async def _keep(self, trial: Trial, actor: Actor) -> None:
        await self._write_file(self.running)
        self.trial = None  # the file is written: from here on a restart runs it, whatever the history says
        await self._end((trial.revision, *trial.kept), actor, "confirmed")
        self.hold()
        self.runner.tell("info", f"revision {trial.revision} confirmed", actor)

    async def tick(self, now: float) -> None:
        """Revert what was not confirmed in time."""
        trial = self.trial
        if trial is not None and now >= trial.deadline and not self._lock.locked():
            async with self._lock:
                with contextlib.suppress(OpError):  # told already, and tried again at the new deadline
                    why = f"revision {trial.revision} was not confirmed in time"
                    await self._revert(trial, None, why, now, "timed-out")

    async def _revert(
        self, trial: Trial, actor: Actor | None, why: str, now: float, end: RevisionEnd
    ) -> Applied:
        """Go back to what ran before the trial; `actor` None: by the timer. Raises OpError, to be tried again."""
        changes = self.changes_to(trial.back.config)
        try:
            await self.runner.switch(trial.back.config, actor or TIMER)
        except SwitchError as error:
            # The host has changed under us, and the former configuration cannot run either: keep trying.
            trial.deadline = max(trial.deadline, now) + REVERT_AGAIN_S
            raise self._not_taken_back(why, error, actor) from error
        self.running, self.trial = trial.back, None
        await self._end(trial.kept, actor, end)
        await self._forget(trial, actor, end)
        self.runner.tell("warning", f"{why}: revision {trial.back.revision} runs again", actor)
        return Applied(revision=trial.back.revision, changes=changes)


def _refuse_if_gone(actor: Actor) -> None:
    if actor.left():
        raise OpError("refused", "whoever asked has gone; nothing was changed")


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
