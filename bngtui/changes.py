"""Changes of the configuration, asked of the engine, and what came of them said in the footer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bngtui.render.dialog import Answer, Question
from bngtui.render.trial import key_of
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bngtui.app import BngApp
    from engine.api.messages import Applied, Revision

CONFIRM_WITHIN_S = 60
"""Time to confirm where nobody chose another: to look at the traffic, not to forget it."""

CHOICES_S = (15, 30, 60, 120, 300, 600, 1800)
"""Times that can be chosen."""

SLOW_S = 60.0
"""The engine's time for a change: it answers when the new configuration forwards."""


class Changes:
    """What any screen may want of the running configuration."""

    def __init__(self, app: BngApp) -> None:
        self._app = app

    def may(self) -> bool:
        """Whether this console may change something now; where not, it is said."""
        store = self._app.store
        if store.read_only:
            self._app.say("READ-ONLY: nothing can be changed from this console.", "warning")
            return False
        if not store.may_change:
            self._app.say("The engine is not reachable: nothing can be changed.", "down")
            return False
        return True

    async def ask(self, op: str, **args: Any) -> Any:
        """Do one op; where it is declined say why and return None."""
        try:
            return await self._app.link.ask(op, **args)
        except RequestError as error:
            self._app.say(f"Refused: {error.message}", "down")
        except EngineUnreachable as error:
            self._app.say(f"Not done, the engine is not reachable: {error.reason}", "down")
        return None

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Do something beside the screen."""
        self._app.run_worker(work, name=name)

    # -- the change on trial ----------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Confirm the change on trial."""
        if self.may() and self._on_trial():
            self.start(self._keep(), "confirm")

    async def _keep(self) -> None:
        applied: Applied | None = await self.ask("confirm")
        if applied is not None:
            self._app.say(f"Confirmed: revision {applied.revision} stays, and is in the file.", "up")

    def take_back(self) -> None:
        """Go back from the change on trial."""
        if self.may() and self._on_trial():
            self.start(self._take_back(), "take back")

    async def _take_back(self) -> None:
        applied: Applied | None = await self.ask("rollback", timeout_s=SLOW_S)
        if applied is not None:
            self._app.say(f"Taken back: revision {applied.revision} runs again.", "up")

    def _on_trial(self) -> bool:
        live = self._app.store.live
        if live is not None and live.config is not None and live.config.pending is not None:
            return True
        self._app.say("No change waits to be confirmed.", "text")
        return False

    # -- rollback ---------------------------------------------------------------------------------------------------

    async def rollback(self, revision: Revision, within_s: int | None) -> bool:
        """Run an earlier revision again."""
        applied: Applied | None = await self.ask(
            "rollback", revision=revision.number, confirm_within_s=within_s, timeout_s=SLOW_S
        )
        if applied is None:
            return False
        self.tell_applied(applied, f"rolled back to revision {revision.number}")
        return True

    def tell_applied(self, applied: Applied, did: str) -> None:
        """Say what runs now, and how it stays."""
        if applied.pending is None:
            self._app.say(f"Done: {did}, revision {applied.revision} runs.", "up")
        else:
            self._app.say(
                f"Revision {applied.revision} runs on trial: {key_of('keep')} keeps it, "
                f"{key_of('take_back')} takes it back.",
                "warning",
            )

    # -- operational state into the file ----------------------------------------------------------------------------

    def save(self) -> None:
        """Write operational state into the file, after a question."""
        live = self._app.store.live
        if not self.may() or live is None or live.config is None:
            return
        if not live.config.differs:
            self._app.say("Nothing to save: the file says what runs.", "text")
            return
        from bngtui.screens.ask import AskScreen  # noqa: PLC0415 - only who asks needs the dialog

        question = Question(
            f"Write into {live.config_file}?",
            (*live.config.differs, "comments and order of the file stay as they are"),
            (Answer("n", "Leave the file as it is", ""), Answer("y", "Write it", "yes")),
        )
        self._app.push_screen(
            AskScreen(question, trigger="W"),
            lambda answer: self.start(self._save(), "save") if answer == "yes" else None,
        )

    async def _save(self) -> None:
        applied: Applied | None = await self.ask("save", timeout_s=SLOW_S)
        if applied is not None:
            self._app.say(f"Saved: the file is revision {applied.revision}.", "up")
