"""The review of a candidate: what it would do, how the texts differ, and the keys that apply it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from bngtui.actions import REVIEW, available
from bngtui.changes import CHOICES_S, CONFIRM_WITHIN_S, SLOW_S
from bngtui.render import review
from bngtui.render.dialog import Answer, Question
from bngtui.render.diff import SIDE_BY_SIDE, Row, rows
from bngtui.screens.ask import PromptScreen
from bngtui.screens.help import HelpScreen
from bngtui.screens.page import bindings
from bngtui.screens.scrolled import ScrolledPage
from bngtui.widgets.footer import Footer
from bngtui.widgets.header import Header
from bngtui.widgets.pager import Pager
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from bngtui.actions import Action
    from bngtui.drafts import Candidate
    from bngtui.render.text import Line
    from engine.api.messages import Applied, ConfigDiff, RunningConfig


class Asker(Protocol):
    """Who opened the review: the editor."""

    def applied(self, applied: Applied) -> None:
        """Go on from the text that runs now."""

    def take_running(self, running: RunningConfig) -> None:
        """Drop the text and show what runs."""


class ReviewScreen(ScrolledPage):
    """One candidate against what runs."""

    BINDINGS = bindings(REVIEW)

    def __init__(self, candidate: Candidate, asker: Asker) -> None:
        super().__init__()
        self.candidate = candidate
        self.diff: ConfigDiff | None = None
        self._asker = asker
        self._rows: Sequence[Row] = ()
        self._trouble = ""
        self._within = CHOICES_S.index(CONFIRM_WITHIN_S)
        self._beside: bool | None = None  # None: as the width allows
        self._busy = False

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        yield Header()
        yield Pager("Review", self._lines)
        yield Footer()

    def on_mount(self) -> None:
        """Ask what would change."""
        self.start_look()

    def start_look(self) -> None:
        """Ask what would change now."""
        self.run_worker(self._look(), name="diff", exclusive=True, group="diff")

    async def _look(self) -> None:
        try:
            self.diff = await self.host.link.ask(
                "diff", text=self.candidate.text, file=self.candidate.name, timeout_s=SLOW_S
            )
            self._rows = rows(self.diff.unified) if self.diff else ()
            self._trouble = ""
        except EngineUnreachable as error:
            self._trouble = f"The engine is not reachable: {error.reason}"
        except RequestError as error:
            self._trouble = f"Refused: {error.message}"
        self.renew()

    # -- what is shown ----------------------------------------------------------------------------------------------

    @property
    def outdated(self) -> bool:
        """Whether something else runs than what the text was made from."""
        return self.diff is not None and self.diff.base != self.candidate.base

    @property
    def within_s(self) -> int:
        """Time to confirm in."""
        return CHOICES_S[self._within]

    def renew(self) -> None:
        """Show what the store has now."""
        if not self.is_attached:
            return
        self.query_one(Header).update_lines()
        self.pager.title = f"Review: revision {self.candidate.base} → what you typed"
        self.pager.update_lines()
        self.footer.offer(self.offered())

    def offered(self) -> Sequence[Action]:
        """Return the actions that make sense now."""
        keys = available("review", read_only=self.host.store.read_only)
        hidden: set[str] = set() if self.outdated else {"rebase"}
        if not self._may_apply():
            hidden |= {"apply", "apply_for_good", "trial(1)", "trial(-1)", "note"}
        return review.hinted([action for action in keys if action.name not in hidden], outdated=self.outdated)

    def _may_apply(self) -> bool:
        diff = self.diff
        return (
            diff is not None and bool(diff.unified) and not any(f.severity == "error" for f in diff.findings)
        )

    def _lines(self, width: int) -> list[Line]:
        beside = width >= SIDE_BY_SIDE if self._beside is None else self._beside
        return review.paint_review(
            self.candidate,
            self.diff,
            self._rows,
            width,
            beside=beside,
            within_s=self.within_s,
            trouble=self._trouble,
        )

    def action_beside(self) -> None:
        """Show the texts the other way."""
        width = self.size.width
        beside = width >= SIDE_BY_SIDE if self._beside is None else self._beside
        if not beside and width < SIDE_BY_SIDE:
            self.say(f"Side by side wants {SIDE_BY_SIDE} columns; here are {width}.", "text")
            return
        self._beside = not beside
        self.renew()

    def action_help(self) -> None:
        """Open the keys of the review."""
        self.app.push_screen(HelpScreen(REVIEW))

    # -- applying ---------------------------------------------------------------------------------------------------

    def action_trial(self, step: int) -> None:
        """Choose another time to confirm in."""
        self._within = max(0, min(len(CHOICES_S) - 1, self._within + step))
        self.renew()

    def action_note(self) -> None:
        """Type a note."""
        prompt = PromptScreen("A note for the history", self.candidate.note, hint="why the change is made")
        self.prompt(prompt, self._noted)

    def _noted(self, note: str) -> None:
        self.candidate.note = note
        self.renew()

    def action_apply(self) -> None:
        """Apply on trial."""
        self._start(self.within_s)

    def action_apply_for_good(self) -> None:
        """Apply without a trial, after a question."""
        if not self._ready() or self.diff is None:
            return
        cuts = [
            f"{change.subject}: {change.effect or change.message}"
            for change in self.diff.changes
            if change.cuts
        ]
        question = Question(
            "Apply for good, without a trial?",
            (*cuts, "the file is written at once; only a rollback brings the old text back"),
            (Answer("n", "Do not apply", ""), Answer("y", "Apply for good", "yes")),
            grave=tuple(cuts),
        )
        self.ask(question, {"yes": lambda: self._start(None)}, trigger="A")

    def _ready(self) -> bool:
        if self._busy or not self.host.changes.may():
            return False
        if self._may_apply():
            return True
        if self.diff is not None and not self.diff.unified:
            self.say("There is nothing to apply: the texts are the same.", "text")
        else:
            self.say("Not valid: mend what is listed first.", "down")
        return False

    def _start(self, within_s: int | None) -> None:
        if self._ready():
            self._busy = True
            self.run_worker(self._apply(within_s), name="apply")

    async def _apply(self, within_s: int | None) -> None:
        candidate = self.candidate
        self.say("Applying …", "text")
        try:
            applied: Applied = await self.host.link.ask(
                "apply",
                text=candidate.text,
                file=candidate.name,
                base=candidate.base,
                confirm_within_s=within_s,
                note=candidate.note or "edited in bngtui",
                timeout_s=SLOW_S,
            )
        except EngineUnreachable as error:
            self.say(f"Not known whether it runs, the engine does not answer: {error.reason}", "down")
        except RequestError as error:
            if error.code == "conflict":
                await self._conflict(error.message)
            else:
                self.say(f"Not applied: {error.message}", "down")
        else:
            self.app.pop_screen()
            self._asker.applied(applied)
        finally:
            self._busy = False

    # -- somebody was faster ----------------------------------------------------------------------------------------

    async def _conflict(self, message: str) -> None:
        """Tell who changed what meanwhile, and let the operator choose."""
        running: RunningConfig | None = await self.host.changes.ask("running")
        if running is None:
            return
        between: ConfigDiff | None = await self.host.changes.ask(
            "revision-diff", old=self.candidate.base, new=running.revision
        )
        theirs = [f"meanwhile {c.subject}: {c.message}" for c in (between.changes if between else ())]
        question = Question(
            "Not applied: somebody else changed the configuration.",
            (message, *theirs),
            (
                Answer("s", f"Show my text against revision {running.revision}", "show"),
                Answer("b", "Keep my text, apply it against what runs now", "rebase"),
                Answer("d", f"Discard my text, take revision {running.revision}", "discard"),
            ),
            grave=tuple(theirs),
        )
        self.ask(
            question,
            {answer: partial(self._chose, answer, running) for answer in ("show", "rebase", "discard", "")},
            trigger="a",
        )

    def _chose(self, answer: str, running: RunningConfig) -> None:
        if answer == "discard":
            self.app.pop_screen()
            self._asker.take_running(running)
            return
        if answer == "rebase":
            self._rebase_on(running)
        self.start_look()

    def _rebase_on(self, running: RunningConfig) -> None:
        self.candidate.base, self.candidate.base_text = running.revision, running.text
        self.say(
            f"Based on revision {running.revision} now: look at what would change, then apply.", "warning"
        )

    def action_rebase(self) -> None:
        """Keep the text and apply it against what runs now."""
        if self.outdated and self.host.changes.may():
            self.run_worker(self._rebase(), name="rebase")

    async def _rebase(self) -> None:
        running: RunningConfig | None = await self.host.changes.ask("running")
        if running is not None:
            self._rebase_on(running)
            await self._look()
