"""A change in: text -> check -> diff -> switch -> file -> revision, and back by itself where nobody confirms.

The order makes every failure harmless: the revision is stored first, unconfirmed; then the engine switches; then the
file is written; then the revision is confirmed. Whatever fails, the former configuration forwards on, and a restart
finds the former file. An unconfirmed change never reaches the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.api.messages import Applied
from engine.changes.running import Configured, Running, SwitchError, Trial, interfaces
from engine.config.atomic import write_atomic
from engine.config.difference.compare import compare
from engine.config.editing.rewrite import CannotEdit, run_commands, write_states
from engine.config.load import Language, Loaded, load
from engine.domain.errors import OpError
from engine.report.events import timestamp

if TYPE_CHECKING:
    from typing import Literal

    from engine.api.ops import ApplyArgs, CommandArgs, RollbackArgs
    from engine.config.difference.change import Change
    from engine.config.finding import Finding
    from engine.config.model import Config

log = logging.getLogger("engine.changes.transactions")

CONFIRM_MOST_S = 24 * 3600
"""Longest time to confirm in: a change that nobody looks at for a day is not under trial."""

_ROLLED_BACK = "rollback to revision "  # the note of such a revision, with the number behind it

_NOTE = 60  # characters of typed commands that a revision's note repeats

_NUMBER = re.compile("[0-9]{1,18}")  # a note may be anything an operator has written

_ACTOR = re.compile(r"(?P<user>.*)\((?P<uid>\d+)\)")


@dataclass
class Transactions(Configured):
    """All changes of the running configuration go through here, one at a time."""

    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    # -- changing ---------------------------------------------------------------------------------------------------

    async def apply(self, args: ApplyArgs, actor: str, now: float) -> Applied:
        """Run a candidate. Raises OpError: invalid (with findings), conflict, refused."""
        async with self._turn:
            self._check_base(args.base)
            loaded = await asyncio.to_thread(self.read, args.text, args.file)
            note = args.note or f"apply {args.file}"
            return await self._transact(loaded, args.text, args.confirm_within_s, note, actor, now)

    async def command(self, args: CommandArgs, actor: str, now: float) -> Applied:
        """Run commands of BalanceNG's language on the running text. Raises OpError."""
        async with self._turn:
            self._check_base(args.base)
            running = self.running
            edited = await asyncio.to_thread(
                run_commands, running.text, running.language, args.text, "command"
            )
            if not edited.ok:
                raise _invalid(edited.findings)
            loaded = await asyncio.to_thread(self.read, edited.text, self.name(running.revision))
            typed = " ".join(args.text.split())
            note = typed if len(typed) <= _NOTE else f"{typed[: _NOTE - 1]}…"
            return await self._transact(loaded, edited.text, args.confirm_within_s, note, actor, now)

    async def rollback(self, args: RollbackArgs, actor: str, now: float) -> Applied:
        """Run an earlier revision again, as a new one; without a number: end a trial, or go one back."""
        async with self._turn:
            if args.revision is None and self.trial is not None:
                return await self._revert(actor, f"revision {self.trial.revision} taken back")
            number = self._earlier() if args.revision is None else args.revision
            text = self.stored(number).text.decode(errors="replace")
            loaded = await asyncio.to_thread(self.read, text, self.name(number))
            note = f"{_ROLLED_BACK}{number}"
            return await self._transact(loaded, text, args.confirm_within_s, note, actor, now)

    def _earlier(self) -> int:
        """Find the revision before the running one; of one that was rolled back to, before that one."""
        running = self.running.revision
        stored = self.store.get(running)
        came_from = stored.note.removeprefix(_ROLLED_BACK) if stored else ""
        before = int(came_from) if _NUMBER.fullmatch(came_from) else running
        earlier = [s.number for s in self.store.list() if s.confirmed and s.number < before]
        if not earlier:
            raise OpError("refused", "there is no earlier revision to go back to")
        return max(earlier)

    async def confirm(self, actor: str) -> Applied:
        """Keep the change under trial: write it to the file. Raises OpError."""
        async with self._turn:
            trial = self.trial
            if trial is None:
                raise OpError("refused", "no change waits to be confirmed")
            self._write_file(self.running)
            self.store.confirm(trial.revision)
            self.trial = None
            self.runner.tell("info", f"revision {trial.revision} confirmed", actor)
            return Applied(revision=trial.revision)

    async def save(self, actor: str, now: float) -> Applied:
        """Write operational state into the configuration and its file. Raises OpError."""
        async with self._turn:
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
            loaded = await asyncio.to_thread(self.read, text, self.name(running.revision))
            applied = await self._transact(loaded, text, None, "save: operational state", actor, now)
            self.runner.settle_overrides()
            return applied

    async def reload_file(self, actor: str, now: float) -> Applied:
        """Read the configuration file again and run it (SIGHUP). Raises OpError."""
        async with self._turn:
            try:
                data = self.file.read_bytes()
            except OSError as error:
                raise OpError("refused", f"{self.file}: {error.strerror}") from error
            text = data.decode(errors="replace")
            loaded = await asyncio.to_thread(load, data, str(self.file), host_interfaces=interfaces())
            return await self._transact(loaded, text, None, f"reload of {self.file.name}", actor, now)

    async def tick(self, now: float) -> None:
        """Revert what was not confirmed in time."""
        trial = self.trial
        if trial is not None and now >= trial.deadline and not self._turn.locked():
            async with self._turn:
                with contextlib.suppress(OpError):  # told already, and tried again at the new deadline
                    await self._revert(None, f"revision {trial.revision} was not confirmed in time")

    # -- the transaction --------------------------------------------------------------------------------------------

    async def _transact(
        self, loaded: Loaded, text: str, confirm_within_s: int | None, note: str, actor: str, now: float
    ) -> Applied:
        if not loaded.ok or loaded.config is None:
            raise _invalid(loaded.findings)
        if confirm_within_s is not None and not 1 <= confirm_within_s <= CONFIRM_MOST_S:
            raise OpError("bad-args", f"confirm within 1 to {CONFIRM_MOST_S} seconds, not {confirm_within_s}")
        return await self._switch(loaded, loaded.config, text, confirm_within_s, note, actor, now)

    async def _switch(
        self,
        loaded: Loaded,
        config: Config,
        text: str,
        confirm_within_s: int | None,
        note: str,
        actor: str,
        now: float,
    ) -> Applied:
        changes = self.changes(config)
        before = self.running
        try:
            number = self._add(text, loaded.language, note, actor)
        except OSError as error:
            raise OpError(
                "refused", f"the revision cannot be stored: {error.strerror}; nothing was changed"
            ) from error
        candidate = Running(config, text, loaded.language, number)
        try:
            await self.runner.switch(config, actor)
            if confirm_within_s is None:
                self._write_file(candidate)
                self.store.confirm(number)
        except (SwitchError, OpError, OSError) as error:
            if not isinstance(error, SwitchError):
                await self.runner.switch(before.config, actor)
            self.store.drop(number)
            self.runner.tell("error", f"not applied, revision {before.revision} runs on: {error}", actor)
            raise OpError("refused", f"{error}; revision {before.revision} runs on") from error
        self.running = candidate
        if confirm_within_s is None:
            self.trial = None
        else:
            back = self.trial.back if self.trial is not None else before
            self.trial = Trial(number, back, now + confirm_within_s, actor)
        trial = f", to be confirmed within {confirm_within_s} s" if confirm_within_s is not None else ""
        self.runner.tell("info", f"revision {number} runs: {_summary(changes)}{trial}", actor)
        warnings = [f for f in loaded.findings if f.severity == "warning"]
        return Applied(revision=number, changes=changes, warnings=warnings, pending=self.pending(now))

    async def _revert(self, actor: str | None, why: str) -> Applied:
        trial = self.trial
        if trial is None:
            raise OpError("refused", "no change waits to be confirmed")
        try:
            changes = compare(self.running.config, trial.back.config, self.runner.flows())
            await self.runner.switch(trial.back.config, actor or "the engine's timer")
        except SwitchError as error:
            # The host has changed under us, and the former configuration cannot run either: keep trying.
            trial.deadline += 5
            self.runner.tell("error", f"{why}, but going back failed: {error}", actor)
            raise OpError("refused", str(error)) from error
        self.store.drop(trial.revision)
        self.running, self.trial = trial.back, None
        self.runner.tell("warning", f"{why}: revision {trial.back.revision} runs again", actor)
        return Applied(revision=trial.back.revision, changes=changes)

    # -- small parts ------------------------------------------------------------------------------------------------

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

    def _add(self, text: str, language: Language, note: str, actor: str) -> int:
        match = _ACTOR.match(actor)
        protected = {self.running.revision} | ({self.trial.back.revision} if self.trial else set())
        stored = self.store.add(
            text.encode(),
            time=timestamp(),
            uid=int(match["uid"]) if match else 0,
            user=match["user"] if match else actor,
            note=note,
            language=language,
            confirmed=False,
            protect=protected,
        )
        return stored.number

    def _write_file(self, running: Running) -> None:
        """Write the text to the configuration file, in the file's own language. Raises OpError."""
        from engine.config.language.balanceng import dump as dump_balanceng  # noqa: PLC0415 - the one use
        from engine.config.language.toml import dump as dump_toml  # noqa: PLC0415 - the one use
        from engine.config.load import language_of  # noqa: PLC0415 - the one use

        text = running.text
        if language_of(str(self.file), text) != running.language:
            text = (dump_toml if self.file.suffix == ".toml" else dump_balanceng)(running.config)
        try:
            write_atomic(self.file, text.encode())
        except OSError as error:
            raise OpError("refused", f"{self.file} cannot be written: {error.strerror}") from error


def _summary(changes: list[Change]) -> str:
    if not changes:
        return "nothing that matters changed"
    first = "; ".join(f"{c.subject}: {c.message}" for c in changes[:3])
    return first + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")


def _invalid(findings: list[Finding]) -> OpError:
    errors = [f for f in findings if f.severity == "error"]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return OpError("invalid", f"{errors[0] if errors else 'not valid'}{more}", findings)
