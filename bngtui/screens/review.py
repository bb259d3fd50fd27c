"""The review of a candidate: what it would do, how the texts differ, and the keys that apply it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from bngtui.actions import REVIEW, available
from bngtui.changes import CHOICES_S, CONFIRM_WITHIN_S, SLOW_S
from bngtui.connection import trouble_of
from bngtui.dialogs.line_input import LineInput
from bngtui.editor.merge import merge
from bngtui.pages.beside import Beside
from bngtui.pages.page import bindings
from bngtui.pages.scrolled import ScrolledPage
from bngtui.render import review
from bngtui.render.dialog import Answer, Question
from bngtui.render.diff import Row, rows
from bngtui.render.findings import errors
from bngtui.render.review import clash_words
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bngtui.actions import Action
    from bngtui.candidate import Candidate
    from bngtui.render.text import Line
    from engine.api.messages import Applied, ConfigDiff, FileDiffers, RunningConfig


class Author(Protocol):
    """Who wrote the text, and goes on with what came of the review: the editor."""

    def applied(self, applied: Applied) -> None:
        """Go on from the text that runs now."""

    def merged(self) -> None:
        """Show the candidate's text: others' changes have come into it."""

    def take_running(self, running: RunningConfig) -> None:
        """Drop the text and show what runs."""


class ReviewScreen(ScrolledPage):
    """One candidate against what runs."""

    BINDINGS = bindings(REVIEW)
    HELP_PLACES = REVIEW

    def __init__(self, candidate: Candidate, author: Author) -> None:
        super().__init__("Review")
        self.candidate = candidate
        self.diff: ConfigDiff | None = None
        self._in_file: ConfigDiff | None = (
            None  # what the file on the disk would change, where it is another one
        )
        self._author = author
        self._rows: Sequence[Row] = ()
        self._trouble = ""
        self._within = CHOICES_S.index(CONFIRM_WITHIN_S)
        self._beside = Beside()
        self._busy = False

    def on_mount(self) -> None:
        """Ask what would change."""
        self.start_look()

    def start_look(self) -> None:
        """Ask what would change now."""
        self.start(self._look, "diff", group="diff")

    async def _look(self) -> None:
        try:
            self.diff = await self.console.connection.ask(
                "diff", text=self.candidate.text, file=self.candidate.name, timeout_s=SLOW_S
            )
            self._rows = rows(self.diff.unified) if self.diff else ()
            self._trouble = ""
            self._in_file = await self._file_diff()
        except (EngineUnreachable, RequestError) as error:
            self._trouble = trouble_of(error)
        self.renew()

    async def _file_diff(self) -> ConfigDiff | None:
        """Ask what the file on the disk would change, where it is another one and can be read."""
        if self.file is None or not self.file.readable:
            return None
        found: ConfigDiff = await self.console.connection.ask("file-diff", timeout_s=SLOW_S)
        return found

    # -- what is shown ----------------------------------------------------------------------------------------------

    @property
    def file(self) -> FileDiffers | None:
        """The file on the disk, where it is not what the engine read or wrote last."""
        live = self.console.store.live
        return live.config.file if live is not None and live.config is not None else None

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
        self.pager.title = f"Review: revision {self.candidate.base} → what you typed"
        super().renew()

    def offered(self) -> Sequence[Action]:
        """Return the actions that make sense now."""
        keys = available("review", read_only=not self.may_change)
        hidden: set[str] = set() if self.outdated else {"merge", "replace"}
        if not self._may_apply():
            hidden |= {"apply", "apply_for_good", "trial(1)", "trial(-1)", "note"}
        return review.hinted([action for action in keys if action.name not in hidden], outdated=self.outdated)

    def _may_apply(self) -> bool:
        return self.diff is not None and bool(self.diff.unified) and not errors(self.diff.findings)

    def lines(self, width: int) -> list[Line]:
        """Return the verdict, what would happen, and how the texts differ."""
        return review.paint_review(
            self.candidate,
            self.diff,
            self._rows,
            width,
            beside=self._beside.at(width),
            within_s=self.within_s,
            trouble=self._trouble,
            file=self.file,
            in_file=self._in_file,
        )

    def action_beside(self) -> None:
        """Show the texts the other way."""
        no_room = self._beside.turn(self.size.width)
        if no_room:
            self.say(no_room, "text")
        else:
            self.renew()

    # -- applying ---------------------------------------------------------------------------------------------------

    def action_trial(self, step: int) -> None:
        """Choose another time to confirm in."""
        self._within = max(0, min(len(CHOICES_S) - 1, self._within + step))
        self.renew()

    def action_note(self) -> None:
        """Type a note."""
        note = LineInput("A note for the history", self.candidate.note, hint="why the change is made")
        self.prompt(note, self._noted)

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
        self.ask(question, {"yes": lambda: self._start(None)}, opened_by="apply_for_good")

    def _ready(self) -> bool:
        if self._busy or not self.console.changes.may():
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
            # Not a worker of this page: what came of it is said, and the editor told, also where it was left meanwhile.
            self.app.run_worker(self._apply(within_s), name="apply")

    async def _apply(self, within_s: int | None) -> None:
        try:
            conflict = await self.console.changes.apply(self.candidate, within_s, self._applied)
            if conflict is not None and self in self.app.screen_stack:
                await self._conflict(conflict)
            elif conflict is not None:
                self.console.say(f"Not applied: {conflict}", "down")
        finally:
            self._busy = False

    def _applied(self, applied: Applied) -> None:
        self.leave()
        self._author.applied(applied)

    # -- somebody was faster ----------------------------------------------------------------------------------------

    async def _conflict(self, message: str) -> None:
        """Tell who changed what meanwhile, and let the operator choose."""
        running: RunningConfig | None = await self.fetch("running")
        if running is None:
            return
        between: ConfigDiff | None = await self.fetch(
            "revision-diff", old=self.candidate.base, new=running.revision
        )
        theirs = [f"meanwhile {c.subject}: {c.message}" for c in (between.changes if between else ())]
        question = Question(
            "Not applied: somebody else changed the configuration.",
            (message, *theirs),
            (
                Answer("s", f"Show my text against revision {running.revision}", "show"),
                Answer("m", f"Merge: my changes and those of revision {running.revision}", "merge"),
                Answer("r", f"Replace revision {running.revision} by my text", "replace"),
                Answer("d", f"Discard my text, take revision {running.revision}", "discard"),
            ),
            grave=tuple(theirs),
        )
        self.ask(
            question,
            {
                answer: partial(self._chose, answer, running)
                for answer in ("show", "merge", "replace", "discard", "")
            },
            opened_by="apply",
        )

    def _chose(self, answer: str, running: RunningConfig) -> None:
        if answer == "discard":
            self.leave()
            self._author.take_running(running)
            return
        if answer == "merge":
            self._merge_with(running)
        if answer == "replace":
            self._replace(running)
        self.start_look()

    def action_merge(self) -> None:
        """Put what both have changed into one text."""
        self._with_running(self._merge_with)

    def action_replace(self) -> None:
        """Keep the text as it is, in the place of what runs now."""
        self._with_running(self._replace)

    def _with_running(self, then: Callable[[RunningConfig], None]) -> None:
        if self.outdated and self.console.changes.may():
            self.start(partial(self._fetch_running, then), "running")

    async def _fetch_running(self, then: Callable[[RunningConfig], None]) -> None:
        running: RunningConfig | None = await self.fetch("running")
        if running is not None:
            then(running)
            self.start_look()

    def _replace(self, running: RunningConfig) -> None:
        self.candidate.rebase(running)
        self.say(
            f"Your text replaces revision {running.revision}: look at what would change, then apply.",
            "warning",
        )

    def _merge_with(self, running: RunningConfig) -> None:
        candidate = self.candidate
        if running.language != candidate.language:
            self.say(
                f"Revision {running.revision} is in {running.language}, your text is not: it cannot be merged.",
                "down",
            )
            return
        merged = merge(candidate.base_text, candidate.text, running.text, candidate.language)
        if not merged.clashes:
            self._take_merged(running, merged.mine)
            return
        clashes = tuple(clash_words(merged.clashes))
        question = Question(
            f"You and revision {running.revision} changed the same. Whose shall stand there?",
            clashes,
            (
                Answer("c", "Change nothing, I look at it", ""),
                Answer("y", "Yours there, and every other change of both", "mine"),
                Answer("t", "Theirs there, and every other change of both", "theirs"),
            ),
            grave=clashes,
        )
        then = {
            "mine": lambda: self._take_merged(running, merged.mine),
            "theirs": lambda: self._take_merged(running, merged.theirs),
        }
        self.ask(question, then, opened_by="merge")

    def _take_merged(self, running: RunningConfig, text: str) -> None:
        self.candidate.text = text
        self.candidate.rebase(running)
        self._author.merged()
        self.say(
            f"Merged with revision {running.revision}: look at what would change, then apply.", "warning"
        )
        self.start_look()
