"""What runs meanwhile: tells the operator as soon as another configuration runs than the one that is edited."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bngtui.candidate import Candidate
from bngtui.render.revision_list import when
from bngtui.render.text import clean
from bngtui.render.zone import label
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.editor.draft_keeper import DraftKeeper
    from bngtui.editor.edited import EditedText
    from bngtui.pages.page import Page
    from engine.api.messages import Revision, RunningConfig


class Meanwhile:
    """Compares what runs with what is edited. `begin` shows another text."""

    def __init__(
        self, page: Page, edited: EditedText, keeper: DraftKeeper, begin: Callable[[Candidate], None]
    ) -> None:
        self._page = page
        self._edited = edited
        self._keeper = keeper
        self._begin = begin
        self._told = 0  # the newest running revision that the operator knows of
        self._asking = False

    def known(self, revision: int) -> None:
        """Take note that the operator knows of this revision."""
        self._told = max(self._told, revision)

    def look(self) -> None:
        """See whether something else runs now, and ask the engine what it is."""
        store, candidate = self._page.console.store, self._edited.candidate
        live = store.live
        if live is None or live.config is None or candidate is None or self._asking:
            return
        running = live.config.revision
        if running in {candidate.base, self._told} or store.connection != "up":
            return
        self._asking = True
        self._page.start(partial(self._catch_up, running, candidate), "catch up")

    async def _catch_up(self, number: int, candidate: Candidate) -> None:
        connection = self._page.console.connection
        try:
            running: RunningConfig = await connection.ask("running")
            revision: Revision = await connection.ask("revision", revision=running.revision)
        except (EngineUnreachable, RequestError):
            return
        finally:
            self._asking = False
        if candidate is self._edited.candidate and running.revision != candidate.base:
            self._told = number
            self._tell(running, revision, candidate)

    def _tell(self, running: RunningConfig, revision: Revision, candidate: Candidate) -> None:
        page, area = self._page, self._edited.area
        who = f"revision {running.revision} by {clean(revision.user)}, {when(revision.time)} {label()}: {clean(revision.note)}"
        if running.revision < candidate.base:
            # Our own trial, or one that we built on, was taken back: what stands here is a change of what runs again.
            candidate.rebase(running)
            page.say(
                f"Back to revision {running.revision}. The text is still here, as a change of it.", "warning"
            )
            self._keeper.keep()
        elif not self._edited.changed:
            place = area.cursor_location
            self._begin(Candidate.of(running))
            area.move_cursor(area.clamp_visitable(place))
            page.say(f"Shown now: {who}", "accent")
        else:
            page.say(f"Meanwhile {who}", "warning")
        page.renew()
