"""The editor's drafts: kept while typing, offered at the next opening, asked about at leaving."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from bngtui.drafts import Candidate, Draft
from bngtui.render.dialog import Answer, Question
from bngtui.render.revision_list import when
from bngtui.screens.editor_files import EditorFiles

if TYPE_CHECKING:
    from bngtui.drafts import Drafts
    from engine.api.messages import RunningConfig


class EditorDrafts(EditorFiles):
    """The part of the editor that lets no text be lost. `_drafts` is None where none are kept."""

    _drafts: Drafts | None
    _draft_due = False

    @property
    def changed(self) -> bool:
        """Whether the text on the screen is not what it was made from."""
        return self.candidate is not None and self.area.text != self.candidate.base_text

    def begin(self, candidate: Candidate) -> None:
        """Show this text."""
        raise NotImplementedError

    def _offer(self, draft: Draft, running: RunningConfig | None) -> None:
        """Ask what to do with a text that was not applied."""
        based = f"it was made from revision {draft.base}"
        if running is not None and running.revision != draft.base:
            based += f"; revision {running.revision} runs now, the review shows the difference"
        question = Question(
            f"There is a text of {when(draft.saved)} UTC that was not applied. Go on with it?",
            (f"{draft.file} on {draft.host}, {draft.text.count(chr(10))} lines", based),
            (
                Answer("g", "Go on with it", "go"),
                Answer("l", "Leave it for later, and look at what runs", "later"),
                Answer("d", "Discard it", "discard"),
            ),
        )
        self.ask(
            question,
            {a: partial(self._offered, draft, a) for a in ("go", "later", "discard", "")},
            trigger="C",
        )

    def _offered(self, draft: Draft, answer: str) -> None:
        if answer == "go":
            self.begin(
                Candidate(draft.file, draft.language, draft.base, draft.base_text, draft.text, draft.note)
            )
            self.area.go(draft.row + 1, draft.column + 1)
            self.area.focus()
        elif answer == "discard" and self._drafts is not None:
            self._drafts.drop()
        elif self._drafts is not None:
            # It stays where it is; what is typed now is not to be put in its place.
            self._drafts.close()
            self._drafts = None
            if self.candidate is None:
                self.app.pop_screen()
            else:
                self.host.say("The draft stays; this time nothing that is typed is kept as one.", "warning")
        if self.candidate is None and answer != "go":
            self.app.pop_screen()

    def _keep_draft(self) -> None:
        self._draft_due = False
        candidate, drafts = self.candidate, self._drafts
        if candidate is None or drafts is None:
            return
        if not self.changed:
            drafts.drop()
            return
        self.run_worker(self._write_draft(drafts, self._as_draft(candidate, drafts)), name="keep the draft")

    def _as_draft(self, candidate: Candidate, drafts: Drafts) -> Draft:
        row, column = self.area.cursor_location
        return Draft(
            host=drafts.host,
            file=candidate.file,
            language=candidate.language,
            base=candidate.base,
            base_text=candidate.base_text,
            text=self.area.text,
            saved=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            note=candidate.note,
            row=row,
            column=column,
        )

    async def _write_draft(self, drafts: Drafts, draft: Draft) -> None:
        known = drafts.trouble
        await asyncio.to_thread(drafts.save, draft)
        if not self.changed:
            drafts.drop()  # applied while the thread was writing
        if drafts.trouble and drafts.trouble != known:
            self.say(drafts.trouble, "warning")

    def action_leave(self) -> None:
        """Go back to the dashboard; ask where a text is not applied."""
        if not self.changed or self.host.store.read_only:
            self.app.pop_screen()
            return
        later = "it is kept, and offered when the editor is opened again"
        question = Question(
            "The text was changed and not applied.",
            (later,) if self._drafts is not None else ("it cannot be kept: another draft is",),
            (
                Answer("s", "Stay in the editor", ""),
                Answer("k", "Leave, keep the text for later", "keep"),
                Answer("d", "Leave, discard the text", "discard"),
            ),
        )
        self.ask(question, {"keep": self._leave_kept, "discard": self._leave_discarded}, trigger="escape")

    def _leave_kept(self) -> None:
        candidate, drafts = self.candidate, self._drafts
        if candidate is not None and drafts is not None:
            drafts.save(self._as_draft(candidate, drafts))
        self.app.pop_screen()

    def _leave_discarded(self) -> None:
        if self._drafts is not None:
            self._drafts.drop()
            self._drafts.close()
            self._drafts = None
        self.app.pop_screen()
