"""Every change that this console asks of the engine: whether it may, the question before it, and what came of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from bngtui.actions import first_key
from bngtui.connection import outcome_of
from bngtui.dialogs.confirm import ConfirmDialog
from bngtui.dialogs.question import QuestionDialog
from bngtui.render.consent import consent
from bngtui.render.dialog import Answer, Question
from bngtui.render.effects import effect_of
from bngtui.render.trial import key_of
from bngtui.render.units import age
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from textual.app import App

    from bngtui.candidate import Candidate
    from bngtui.connection import Connection
    from bngtui.render.consent import Asked
    from bngtui.render.effects import Effect, Verb, What
    from bngtui.render.text import Role
    from bngtui.store import Store
    from engine.api.messages import AdminResult, Applied, Pending, Revision

CONFIRM_WITHIN_S = 60
"""Time to confirm where nobody chose another: to look at the traffic, not to forget it."""

CHOICES_S = (15, 30, 60, 120, 300, 600, 1800)
"""Times that can be chosen."""

SLOW_S = 60.0
"""The engine's time for a change: it answers when the new configuration forwards."""


class Changes:
    """What a page may want of the engine. The methods have the names of the engine's ops.

    `app` runs the work beside the screen and shows the questions; `say` shows a line at the bottom of the page.
    """

    def __init__(
        self,
        app: App[None],
        store: Store,
        connection: Connection,
        say: Callable[[str, Role], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._store = store
        self._connection = connection
        self._say = say
        self._clock = clock
        self._trial: Pending | None = None  # as this console knew it last
        self._ended = 0  # revision of the trial that this console ended itself, and said so
        self._answering = False  # the engine was asked to keep the change on trial, or to take it back

    def may(self) -> bool:
        """Whether this console may change something now; where not, it is said."""
        if self._store.read_only:
            self._say("READ-ONLY: nothing can be changed from this console.", "warning")
            return False
        now = self._clock()
        if self._store.connection != "up" or self._store.live is None:
            self._say("The engine is not reachable: nothing can be changed.", "down")
            return False
        if not self._store.may_change(now):
            old = age(self._store.freshness(now).age_s or 0.0)
            self._say(
                f"The data is {old} old: nothing can be changed until the engine tells how it is.", "down"
            )
            return False
        return True

    async def _do(self, op: str, **args: Any) -> Any:
        """Do one op; where it is not done, or nobody knows whether it is, say so and return None."""
        trial = self._trial
        try:
            answer = await self._ask(op, **args)
        except (RequestError, EngineUnreachable) as error:
            self._say(outcome_of(error), "down")
            return None
        self._trial_ended(trial, answer)
        return answer

    async def _ask(self, op: str, **args: Any) -> Any:
        """Do one op; where others' work is in its way ask the operator, and do it after all. Raises as `Client.request`."""
        while True:
            try:
                return await self._connection.ask(op, **args)
            except RequestError as error:
                live = self._store.live
                pending = live.config.pending if live and live.config else None
                asked = consent(error.code, error.message, pending)
                if asked is None or asked.args.items() <= args.items() or not await self._agrees(asked):
                    raise
                args |= asked.args

    async def _agrees(self, asked: Asked) -> bool:
        answered: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._app.push_screen(QuestionDialog(asked.question), answered.set_result)
        return await answered == asked.yes

    def _trial_ended(self, trial: Pending | None, answer: Any) -> None:
        """Remember that the trial was ended from here: what came of it is said with the answer."""
        pending = getattr(answer, "pending", trial)
        if trial is not None and (pending is None or pending.revision != trial.revision):
            self._ended = trial.revision

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._app.run_worker(work, name=name)

    # -- a target or a server ---------------------------------------------------------------------------------------

    def admin(self, verb: Verb, what: What, number: int) -> None:
        """Enable, disable or drain, after a question that says what it does to the traffic."""
        # The effect is that on the traffic of now, also where the picture is held.
        live = self._store.live
        if not self.may() or live is None:
            return
        effect = effect_of(live, verb, what, number)
        if effect is None:
            self._say(f"{what} {number} is not in the running configuration.", "warning")
        elif effect.pointless is not None:
            self._say(f"{effect.pointless}.", "text")
        else:
            self._app.push_screen(
                ConfirmDialog(effect), lambda yes: self._admin_answered(effect, yes=bool(yes))
            )

    def _admin_answered(self, effect: Effect, *, yes: bool) -> None:
        if yes and not self.may():
            return  # the engine fell silent while the question was open
        if yes:
            self._start(self._admin(effect), f"{effect.verb} {effect.object}")
        else:
            self._say(f"Nothing was changed: {effect.object} stays as it is.", "text")

    async def _admin(self, effect: Effect) -> None:
        within = {} if effect.within_s is None else {"within_s": effect.within_s}
        result: AdminResult | None = await self._do(
            "admin", what=effect.what, action=effect.verb, numbers=[effect.number], **within
        )
        if result is not None:
            already = "" if result.changed else " already"
            if result.in_force:
                self._say(f"Done: {effect.done}{already}.", "up")
            else:
                self._say(f"Accepted, not yet in force: {effect.done}{already}.", "warning")

    # -- a new configuration ----------------------------------------------------------------------------------------

    async def apply(
        self, candidate: Candidate, within_s: int | None, then: Callable[[Applied], None]
    ) -> str | None:
        """Run the candidate's text, with `within_s` on trial.

        `then` is called before the outcome is said, so that it is said where the operator goes on. Where somebody
        else changed the configuration meanwhile nothing is done, and the engine's words for it are returned.
        """
        self._say("Applying …", "text")
        trial = self._trial
        try:
            applied: Applied = await self._ask(
                "apply",
                text=candidate.text,
                file=candidate.name,
                base=candidate.base,
                confirm_within_s=within_s,
                note=candidate.note or "edited in bngtui",
                timeout_s=SLOW_S,
            )
        except EngineUnreachable as error:
            self._say(outcome_of(error), "down")
        except RequestError as error:
            if error.code == "conflict":
                return error.message
            self._say(f"Not applied: {error.message}", "down")
        else:
            self._trial_ended(trial, applied)
            then(applied)
            self._say_applied(applied, "applied")
        return None

    def rollback(self, revision: Revision, within_s: int | None) -> None:
        """Run an earlier revision again, with `within_s` on trial."""
        self._start(self._rollback(revision.number, within_s), "rollback")

    async def _rollback(self, number: int, within_s: int | None) -> None:
        applied: Applied | None = await self._do(
            "rollback", revision=number, confirm_within_s=within_s, timeout_s=SLOW_S
        )
        if applied is not None:
            self._say_applied(applied, f"rolled back to revision {number}")

    def _say_applied(self, applied: Applied, did: str) -> None:
        """Say what runs now, and how it stays."""
        if not applied.in_force:
            self._say(f"Accepted, not yet in force: {did}, revision {applied.revision}.", "warning")
        elif applied.pending is None:
            self._say(f"Done: {did}, revision {applied.revision} runs.", "up")
        else:
            self._say(
                f"Revision {applied.revision} runs on trial: {key_of('keep')} keeps it, "
                f"{key_of('take_back')} takes it back.",
                "warning",
            )

    # -- the change on trial ----------------------------------------------------------------------------------------

    def confirm(self) -> None:
        """Let the change on trial stay."""
        self._answer_trial(self._confirm, "confirm")

    async def _confirm(self, trial: int) -> None:
        applied: Applied | None = await self._do("confirm", trial=trial)
        if applied is not None:
            self._say(f"Confirmed: revision {applied.revision} stays, and is in the file.", "up")

    def take_back(self) -> None:
        """Go back from the change on trial."""
        self._answer_trial(self._take_back, "take back")

    async def _take_back(self, trial: int) -> None:
        applied: Applied | None = await self._do("rollback", trial=trial, timeout_s=SLOW_S)
        if applied is not None:
            self._say(f"Taken back: revision {applied.revision} runs again.", "up")

    def follow(self) -> None:
        """Say that a trial has ended elsewhere, by another operator or by its time: its keys may still be shown."""
        live = self._store.live
        if live is None or live.config is None:
            return
        before, self._trial = self._trial, live.config.pending
        if before is None or before.revision == self._ended:
            return
        if self._trial is not None and self._trial.revision == before.revision:
            return
        if self._trial is not None:
            self._say(f"Revision {self._trial.revision} of {self._trial.actor} is on trial now.", "warning")
        elif live.config.revision == before.revision:
            self._say(f"The trial is over: revision {before.revision} was confirmed, and stays.", "up")
        else:
            self._say(f"The trial is over: revision {live.config.revision} runs again.", "warning")

    def _answer_trial(self, how: Callable[[int], Coroutine[Any, Any, None]], name: str) -> None:
        """Ask once for what becomes of the change on trial, however long the key is held."""
        if self._answering or not self.may():
            return
        live = self._store.live
        pending = live.config.pending if live is not None and live.config is not None else None
        if pending is None:
            self._say("No change waits to be confirmed.", "text")
        else:
            self._answering = True
            self._start(self._answered(how(pending.revision)), name)

    async def _answered(self, asking: Coroutine[Any, Any, None]) -> None:
        try:
            await asking
        finally:
            self._answering = False

    # -- operational state into the file ----------------------------------------------------------------------------

    def save(self) -> None:
        """Write operational state into the file, after a question."""
        live = self._store.live
        if not self.may() or live is None or live.config is None:
            return
        if not live.config.differs:
            self._say("Nothing to save: the file says what runs.", "text")
            return
        question = Question(
            f"Write into {live.config_file}?",
            (*live.config.differs, "comments and order of the file stay as they are"),
            (Answer("n", "Leave the file as it is", ""), Answer("y", "Write it", "yes")),
        )
        self._app.push_screen(
            QuestionDialog(question, trigger=first_key("save")),
            lambda answer: self._start(self._save(), "save") if answer == "yes" else None,
        )

    async def _save(self) -> None:
        applied: Applied | None = await self._do("save", timeout_s=SLOW_S)
        if applied is not None:
            self._say(f"Saved: the file is revision {applied.revision}.", "up")
