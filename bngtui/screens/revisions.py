"""The history: every accepted configuration, what it changed, and the way back to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from bngtui.actions import REVISIONS, available, with_hints
from bngtui.changes import CONFIRM_WITHIN_S
from bngtui.connection import trouble_of
from bngtui.pages.beside import Beside
from bngtui.pages.page import Page, bindings
from bngtui.render import diff as differ
from bngtui.render import revision_list
from bngtui.render.dialog import Answer, Question
from bngtui.render.review import change_words
from bngtui.render.text import Line, Span, line
from bngtui.render.zone import label
from bngtui.widgets.header import Header
from bngtui.widgets.pager import Pager
from bngtui.widgets.panel import Panel
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from bngtui.actions import Action
    from engine.api.messages import ConfigDiff, Revision

SETTLE_S = 0.08
"""Who runs through the list with the arrow keys wants the difference of where the running ends."""


class RevisionsScreen(Page):
    """A list, and below it the difference of the selected one."""

    BINDINGS = bindings(REVISIONS)
    HELP_PLACES = REVISIONS
    DEFAULT_CSS: ClassVar[str] = """
    RevisionsScreen { background: $background; layout: vertical; }
    RevisionsScreen Header { height: 2; }
    RevisionsScreen Panel { height: 8; }
    RevisionsScreen Pager { height: 1fr; }
    RevisionsScreen Footer { height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.panel: Panel[Revision] = Panel(revision_list.SPEC, revision_list.summary)
        self.panel.active = True
        self.pager = Pager("Difference", self._lines)
        self._revisions: list[Revision] = []
        self._diffs: dict[tuple[int, int], ConfigDiff] = {}
        self._rows: tuple[tuple[int, int], Sequence[differ.Row]] = ((0, 0), ())
        self._against_running = False
        self._beside = Beside()
        self._trouble = ""
        self._known: tuple[int, bool, int] | None = None

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        yield Header()
        yield self.panel
        yield self.pager
        yield self.footer

    def renew(self) -> None:
        """Show what the store has now; ask for the history again where something else runs."""
        if not self.is_attached or not self.size.width:
            return
        self.panel.styles.height = max(5, min(2 + max(1, len(self._revisions)), self.size.height * 2 // 5))
        self.update_header()
        self.footer.offer(self.offered())
        store = self.console.store
        config = store.live.config if store.live is not None else None
        known = (
            (config.revision, config.pending is not None, store.live.last_event_id)
            if config is not None and store.live is not None
            else None
        )
        if store.connection == "up" and (known != self._known or self._trouble):
            self._known = known
            self.start(self._read, "history", group="history")

    def on_resize(self, _event: events.Resize) -> None:
        """Divide the space again."""
        self.renew()

    def offered(self) -> Sequence[Action]:
        """Return the actions of the history."""
        keys = available("revisions", read_only=not self.may_change)
        return with_hints(keys, {"clear": "back", "quit": "", "theme": ""}, worth=1)

    # -- asking -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            self._revisions = await self.console.connection.ask("history")
            self._trouble = ""
        except (EngineUnreachable, RequestError) as error:
            self._trouble = trouble_of(error)
        self._diffs.clear()
        self.panel.take(self._revisions, stale=bool(self._trouble), empty=self._trouble or None)
        self.renew()
        self._selected()

    @property
    def row(self) -> Revision | None:
        """The selected revision."""
        return self.panel.view.row

    @property
    def running(self) -> Revision | None:
        """The revision that runs."""
        return next((one for one in self._revisions if one.running), None)

    @property
    def pair(self) -> tuple[int, int] | None:
        """Old and new number of the difference to show; None where there is nothing to compare with."""
        row, running = self.row, self.running
        if row is None:
            return None
        # Its predecessor is what ran before it: not one that nobody confirmed. The oldest has none any more.
        earlier = [one.number for one in self._revisions if one.number < row.number and not one.reverted]
        if earlier and not self._against_running:
            return (max(earlier), row.number)
        return (running.number, row.number) if running is not None and running.number != row.number else None

    def _selected(self) -> None:
        """Show the difference of the selected revision, when the selection rests."""
        self.pager.edge(-1)
        pair = self.pair
        if pair is not None and pair not in self._diffs:
            self.set_timer(SETTLE_S, lambda: self._ask_diff(pair))
        self._titled()

    def _titled(self) -> None:
        row, pair = self.row, self.pair
        if row is None:
            return
        if pair is None:
            self.pager.title = f"Revision {row.number}"
        elif self.running is not None and pair[0] == self.running.number:
            self.pager.title = f"From revision {pair[0]}, which runs, to {row.number}"
        else:
            self.pager.title = f"What revision {row.number} changed since {pair[0]}"
        self.pager.update_lines()

    def _ask_diff(self, pair: tuple[int, int]) -> None:
        if pair == self.pair and pair not in self._diffs:
            self.start(partial(self._fetch, pair), "diff", group="diff")

    async def _fetch(self, pair: tuple[int, int]) -> None:
        found: ConfigDiff | None = await self.fetch("revision-diff", old=pair[0], new=pair[1])
        if found is not None:
            self._diffs[pair] = found
            self.pager.update_lines()

    # -- what is shown ----------------------------------------------------------------------------------------------

    def _lines(self, width: int) -> list[Line]:
        row, pair = self.row, self.pair
        if row is None:
            return [line(Span("  " + (self._trouble or "reading the history …"), "muted"))]
        if pair is None:
            return [line(Span("  It runs, and there is none before it.", "muted"))]
        found = self._diffs.get(pair)
        if found is None:
            return [line(Span("  asking the engine …", "muted"))]
        if self._rows[0] != pair:
            self._rows = (pair, differ.rows(found.unified))
        rows = self._rows[1]
        lines = [line(Span("  "), *differ.headline(found.changes), Span(f"  {differ.counts(rows)}", "muted"))]
        if found.changes:
            lines += differ.summary(found.changes, width)
        if rows:
            lines += [
                line(""),
                *(differ.beside(rows, width) if self._beside.at(width) else differ.below(rows, width)),
            ]
        return lines

    # -- keys -------------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Select another revision."""
        self.panel.move(by)
        self._selected()

    def action_edge(self, side: int) -> None:
        """Select the newest or the oldest."""
        self.panel.edge(side)
        self._selected()

    def action_page(self, by: int) -> None:
        """Scroll the difference."""
        self.pager.scroll_pages(by)

    def action_compare(self) -> None:
        """Compare with what runs, or with the one before."""
        self._against_running = not self._against_running
        self._selected()

    def action_beside(self) -> None:
        """Show the texts the other way."""
        no_room = self._beside.turn(self.size.width)
        if no_room:
            self.say(no_room, "text")
        else:
            self.pager.update_lines()

    def action_text(self) -> None:
        """Show the whole text of the selected revision."""
        if self.row is not None:
            self.console.open("revision_text", self.row)

    def action_rollback(self) -> None:
        """Ask, then run the selected revision again."""
        row = self.row
        if row is None or not self.console.changes.may():
            return
        if row.running:
            self.say(f"Revision {row.number} runs already.", "text")
            return
        self.start(partial(self._ask_rollback, row), "rollback", group="rollback")

    async def _ask_rollback(self, row: Revision) -> None:
        running = self.running
        if running is None:
            return
        found: ConfigDiff | None = await self.fetch("revision-diff", old=running.number, new=row.number)
        if found is None:
            return
        cuts = {
            words
            for words, change in zip(change_words(found.changes), found.changes, strict=True)
            if change.cuts
        }
        note = f"of {revision_list.when(row.time)} {label()} by {revision_list.who(row)}: {row.note}"
        question = Question(
            f"Roll back to revision {row.number}?",
            (note, *(change_words(found.changes) or ["nothing that the engine acts on changes"])),
            (
                Answer("n", "Leave what runs", ""),
                Answer("y", f"Roll back on trial: confirm within {CONFIRM_WITHIN_S} s", "trial"),
                Answer("Y", "Roll back for good", "good"),
            ),
            grave=tuple(cuts),
        )
        then = {
            "trial": lambda: self.console.changes.rollback(row, CONFIRM_WITHIN_S),
            "good": lambda: self.console.changes.rollback(row, None),
        }
        self.ask(question, then, opened_by="rollback")

    def action_clear(self) -> None:
        """Go back."""
        self.leave()

    def action_quit(self) -> None:
        """Go back."""
        self.leave()

    def on_panel_chosen(self) -> None:
        """Show what the pointer selected."""
        self.call_after_refresh(self._selected)
