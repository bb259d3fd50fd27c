"""Lets no text be lost: kept while it is typed, offered when the editor opens again, asked about before it is left."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from bngtui.actions import first_key, key_text
from bngtui.candidate import Candidate
from bngtui.editor.drafts import Draft, Drafts
from bngtui.render.dialog import Answer, Question
from bngtui.render.revision_list import when
from bngtui.render.units import plural
from bngtui.render.zone import label

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.editor.edited import EditedText
    from bngtui.pages.page import Page
    from engine.api.messages import RunningConfig

DRAFT_S = 0.4
"""What is typed is on the disk after this time at the latest."""


class DraftKeeper:
    """The draft of one editor. `begin` shows another text; without `open` no draft is kept."""

    def __init__(self, page: Page, edited: EditedText, begin: Callable[[Candidate], None]) -> None:
        self._page = page
        self._edited = edited
        self._begin = begin
        self._drafts: Drafts | None = None
        self._due = False

    async def open(self, host: str, file: str, running: RunningConfig | None) -> Draft | None:
        """Keep drafts of this file from now on; return one that another console left behind, if it is not what runs."""
        drafts = self._drafts = Drafts(host, file)
        draft = await asyncio.to_thread(drafts.open)
        if drafts.trouble:
            self._page.say(drafts.trouble, "warning")
        if draft is not None and running is not None and draft.text == running.text:
            drafts.drop()
            return None
        return draft

    # -- keeping ----------------------------------------------------------------------------------------------------

    def touch(self) -> None:
        """Keep the text soon: it is another one."""
        if not self._due and self._edited.candidate is not None:
            self._due = True
            self._page.set_timer(DRAFT_S, self.keep)

    def keep(self) -> None:
        """Keep the text as it is now; where it is what it was made from there is nothing to keep."""
        self._due = False
        candidate, drafts = self._edited.candidate, self._drafts
        if candidate is None or drafts is None:
            return
        if not self._edited.changed:
            drafts.drop()
            return
        draft = self._draft_of(candidate, drafts)
        self._page.start(partial(self._write, drafts, draft), "keep the draft")

    async def _write(self, drafts: Drafts, draft: Draft) -> None:
        known = drafts.trouble
        await asyncio.to_thread(drafts.save, draft)
        if not self._edited.changed:
            drafts.drop()  # applied while the thread was writing
        if drafts.trouble and drafts.trouble != known:
            self._page.say(drafts.trouble, "warning")

    def drop(self) -> None:
        """Forget the draft: its text runs, or is not wanted any more."""
        if self._drafts is not None:
            self._drafts.drop()

    def close(self) -> None:
        """Keep what was typed last, and give the draft's place back."""
        candidate, drafts = self._edited.candidate, self._drafts
        if drafts is None:
            return
        if candidate is not None and self._edited.changed:
            drafts.save(self._draft_of(candidate, drafts))
        drafts.close()

    def _draft_of(self, candidate: Candidate, drafts: Drafts) -> Draft:
        row, column = self._edited.area.cursor_location
        return Draft(
            host=drafts.host,
            file=candidate.file,
            language=candidate.language,
            base=candidate.base,
            base_text=candidate.base_text,
            text=self._edited.area.text,
            saved=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            note=candidate.note,
            row=row,
            column=column,
        )

    # -- offering ---------------------------------------------------------------------------------------------------

    def offer(self, draft: Draft, running: RunningConfig | None) -> None:
        """Ask what to do with a text that was not applied."""
        based = f"it was made from revision {draft.base}"
        if running is not None and running.revision != draft.base:
            based += f"; revision {running.revision} runs now, the review shows the difference"
        question = Question(
            f"There is a text of {when(draft.saved)} {label()} that was not applied. Go on with it?",
            (f"{draft.file} on {draft.host}, {plural(draft.text.count(chr(10)), 'line')}", based),
            (
                Answer("g", "Go on with it", "go"),
                Answer("l", "Leave it for later, and look at what runs", "later"),
                Answer("d", "Discard it", "discard"),
            ),
        )
        then: dict[str, Callable[[], None]] = {
            "go": partial(self._go_on, draft),
            "later": self._leave_for_later,
            "discard": self._discard,
            "": self._leave_for_later,
        }
        self._page.ask(question, then, opened_by="open('editor')")

    def _go_on(self, draft: Draft) -> None:
        area = self._edited.area
        self._begin(
            Candidate(draft.file, draft.language, draft.base, draft.base_text, draft.text, draft.note)
        )
        area.go(draft.row + 1, draft.column + 1)
        area.focus()

    def _discard(self) -> None:
        self.drop()
        if self._edited.candidate is None:
            self._page.leave()

    def _leave_for_later(self) -> None:
        """Leave the draft where it is; what is typed now is not to be put in its place."""
        if self._drafts is not None:
            self._drafts.close()
            self._drafts = None
        if self._edited.candidate is None:
            self._page.leave()
        else:
            self._page.console.say(
                "The draft stays; this time nothing that is typed is kept as one.", "warning"
            )

    # -- leaving ----------------------------------------------------------------------------------------------------

    def ask_leave(self) -> None:
        """Ask what becomes of a text that was changed and not applied, then leave the editor."""
        not_kept = self._keep_now()
        if not_kept:
            question = Question(
                "The text was changed and not applied, and it cannot be kept.",
                (
                    f"it is lost when you leave; {key_text(first_key('write_file'))} writes it to a file",
                    not_kept,
                ),
                (Answer("s", "Stay in the editor", ""), Answer("d", "Leave, discard the text", "discard")),
                grave=(not_kept,),
            )
        else:
            question = Question(
                "The text was changed and not applied.",
                ("it is kept, and offered when the editor is opened again",),
                (
                    Answer("s", "Stay in the editor", ""),
                    Answer("k", "Leave, keep the text for later", "keep"),
                    Answer("d", "Leave, discard the text", "discard"),
                ),
            )
        then = {"keep": self._leave_kept, "discard": self._leave_discarded}
        self._page.ask(question, then, opened_by="leave")

    def _keep_now(self) -> str:
        """Keep the text at once; return why it is not kept, "" where it is."""
        candidate, drafts = self._edited.candidate, self._drafts
        if drafts is None or candidate is None:
            return "Another draft has its place"
        drafts.save(self._draft_of(candidate, drafts))
        return drafts.trouble

    def _leave_kept(self) -> None:
        not_kept = self._keep_now()
        if not_kept:
            self._page.say(f"You are still in the editor. {not_kept}", "down")
        else:
            self._page.leave()

    def _leave_discarded(self) -> None:
        if self._drafts is not None:
            self._drafts.drop()
            self._drafts.close()
            self._drafts = None
        self._page.leave()
