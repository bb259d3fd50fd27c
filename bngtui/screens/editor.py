"""The configuration in an editor: checked while typing, completed from the table of words, never lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from bngtui.actions import ACTIONS, EDITOR, available
from bngtui.changes import CONFIRM_WITHIN_S
from bngtui.checking import Checker
from bngtui.drafts import Candidate, Drafts
from bngtui.render.complete import explained, explained_spans
from bngtui.render.dialog import Answer, Question
from bngtui.render.editor import paint_title
from bngtui.render.revision_list import when
from bngtui.render.text import clean
from bngtui.screens.editor_drafts import EditorDrafts
from bngtui.screens.help import HelpScreen
from bngtui.screens.page import bindings
from bngtui.screens.review import ReviewScreen
from bngtui.widgets.completion import Completion
from bngtui.widgets.edit_area import EditArea
from bngtui.widgets.findings_view import FindingsView
from bngtui.widgets.footer import Footer
from bngtui.widgets.header import Header
from bngtui.widgets.painted import Painted
from bngtui.widgets.popup import Popup
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from bngtui.actions import Action
    from bngtui.render.findings import Checked
    from bngtui.render.text import Line, Span
    from engine.api.messages import Applied, Revision, RunningConfig
    from engine.config.finding import Finding

DRAFT_S = 0.4
"""What is typed is on the disk after this time at the latest."""


_KEYS = {key: action.name for action in ACTIONS if "editor" in action.where for key in action.keys}


class EditorScreen(EditorDrafts):
    """One text. `candidate` is None until the engine has given it."""

    BINDINGS = bindings(EDITOR)
    AUTO_FOCUS = "EditArea"
    DEFAULT_CSS: ClassVar[str] = """
    EditorScreen { background: $background; layout: vertical; layers: base above; }
    EditorScreen Header { height: 2; }
    EditorScreen Painted { height: 1; }
    EditorScreen EditArea { height: 1fr; }
    EditorScreen FindingsView { height: 4; }
    EditorScreen Footer { height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.candidate: Candidate | None = None
        self._drafts: Drafts | None = None
        self._within_s = CONFIRM_WITHIN_S
        self._seen = 0  # the newest running revision that the operator was told of
        self._catching_up = False
        self.area = EditArea(read_only=True)
        self.list = FindingsView(self.help_spans)
        self.title_bar = Painted(self.title_line)
        self.popup = Popup()
        self.completion = Completion(self.area, self.popup)

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        yield Header()
        yield self.title_bar
        yield self.area
        yield self.list
        yield Footer()
        yield self.popup

    def on_mount(self) -> None:
        """Ask for the text."""
        self._checker = Checker(self.host.link, self._to_check, self._checked)
        self.area.interceptor = self._intercept
        self.run_worker(self._open(), name="open the editor")
        self.run_worker(self._checker.run(), name="check")

    def on_unmount(self) -> None:
        """Keep what was typed last, and give the draft's place back."""
        candidate, drafts = self.candidate, self._drafts
        if drafts is None:
            return
        if candidate is not None and self.changed:
            drafts.save(self._as_draft(candidate, drafts))
        drafts.close()

    # -- opening ----------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        running: RunningConfig | None = None
        trouble = ""
        try:
            running = await self.host.link.ask("running")
        except EngineUnreachable as error:
            trouble = error.reason
        except RequestError as error:
            trouble = error.message
        live = self.host.store.live
        draft = None
        if live is not None and not self.host.store.read_only:
            self._drafts = Drafts(live.hostname, running.file if running else live.config_file)
            draft = await asyncio.to_thread(self._drafts.open)
        if (
            draft is not None
            and running is not None
            and draft.text == running.text
            and self._drafts is not None
        ):
            self._drafts.drop()
            draft = None
        if running is not None:
            self.begin(Candidate.of(running))
        elif draft is None:
            self.app.pop_screen()
            self.host.say(f"There is no text to edit, the engine is not reachable: {trouble}", "down")
            return
        if draft is not None:
            self._offer(draft, running)

    def begin(self, candidate: Candidate) -> None:
        """Show this text."""
        self.candidate = candidate
        self._seen = max(self._seen, candidate.base)
        self.area.take(candidate.text, candidate.language)
        if self.area.text != candidate.base_text and not candidate.changed:
            # Ends of lines of two kinds in one file: TextArea knows one kind a text.
            candidate.base_text = self.area.text
            self.say("The lines of the file ended in two ways; here they end in one.", "warning")
        self._checker.touch(now=True)
        self.renew()

    # -- what is shown ----------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Show what the store has now; see whether something else runs meanwhile."""
        if not self.is_attached or not self.size.width:
            return
        self.list.styles.height = 4 if self.size.height < 34 else 8
        read_only = self.host.store.read_only
        self.area.read_only = read_only or self.candidate is None
        self.query_one(Header).update_lines()
        self.title_bar.update_lines()
        self.footer.offer(self.offered())
        if self.list.checked == "here" and self.host.store.link == "up":
            self._checker.touch(now=True)
        self._look_around()

    def repaint(self) -> None:
        """Send every cell anew, in the colours of the theme in use."""
        super().repaint()
        self.area.recolour()

    def on_resize(self) -> None:
        """Share the room out anew."""
        self.completion.close()
        self.renew()

    def offered(self) -> Sequence[Action]:
        """Return the actions of the editor."""
        return available("editor", read_only=self.host.store.read_only)

    def title_line(self, width: int) -> Line:
        """Return the line above the text."""
        row, column = self.area.cursor_location
        live = self.host.store.live
        config = live.config if live is not None else None
        return paint_title(
            self.candidate,
            (row + 1, column + 1),
            len(self.area.lines),
            width,
            changed=self.changed,
            running=config.revision if config is not None and self.host.store.link == "up" else None,
            read_only=self.host.store.read_only,
        )

    def help_spans(self) -> list[Span]:
        """Return what the word at the cursor means."""
        row, column = self.area.cursor_location
        return explained_spans(explained(self.area.lines, row, column, self.area.speech))

    def on_text_area_changed(self) -> None:
        """Have the new text checked and kept."""
        self.completion.follow()
        self._checker.touch()
        self.list.checked = "waiting"
        self.title_bar.update_lines()
        if not self._draft_due and self.candidate is not None:
            self._draft_due = True
            self.set_timer(DRAFT_S, self._keep_draft)

    def on_edit_area_moved(self) -> None:
        """Show where the cursor is, and what the word there means."""
        self.title_bar.update_lines()
        self.list.update_lines()
        self.completion.follow()

    def _to_check(self) -> tuple[str, str]:
        return self.area.text, self.candidate.name if self.candidate is not None else "candidate"

    def _checked(self, findings: list[Finding], by: Checked) -> None:
        if self.candidate is None:
            return
        self.list.take(findings, by)
        self.area.mark(findings)

    # -- others, and what runs meanwhile ----------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Tell the operator as soon as another configuration runs than the one that is edited."""
        live, candidate = self.host.store.live, self.candidate
        if live is None or live.config is None or candidate is None or self._catching_up:
            return
        running = live.config.revision
        if running in {candidate.base, self._seen} or self.host.store.link != "up":
            return
        self._catching_up = True
        self.run_worker(self._catch_up(running, candidate), name="catch up")

    async def _catch_up(self, number: int, candidate: Candidate) -> None:
        try:
            running: RunningConfig = await self.host.link.ask("running")
            revision: Revision = await self.host.link.ask("revision", revision=running.revision)
        except (EngineUnreachable, RequestError):
            return
        finally:
            self._catching_up = False
        if candidate is not self.candidate or running.revision == candidate.base:
            return
        self._seen = number
        who = f"revision {running.revision} by {clean(revision.user)}, {when(revision.time)}: {clean(revision.note)}"
        if running.revision < candidate.base:
            # Our own trial, or one that we built on, was taken back: what stands here is a change of what runs again.
            candidate.base, candidate.base_text = running.revision, running.text
            self.say(
                f"Back to revision {running.revision}. The text is still here, as a change of it.", "warning"
            )
            self._keep_draft()
        elif not self.changed:
            place = self.area.cursor_location
            self.begin(Candidate.of(running))
            self.area.move_cursor(self.area.clamp_visitable(place))
            self.say(f"Shown now: {who}", "accent")
        else:
            self.say(f"Meanwhile {who}", "warning")
        self.title_bar.update_lines()

    # -- keys before the text ---------------------------------------------------------------------------------------

    async def _intercept(self, event: events.Key) -> bool:
        if self.list.chosen is not None and self._in_list(event):
            return True
        if self.completion.key(event):
            return True
        action = _KEYS.get(event.key)
        if action is None:
            return False
        await self.run_action(action)
        return True

    def _in_list(self, event: events.Key) -> bool:
        chosen = self.list.chosen or 0
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -5, "pagedown": 5}
        if event.key in steps:
            self._choose(max(0, chosen + steps[event.key]))
        elif event.key in {"enter", "escape", "f4", "tab"}:
            self.list.choose(None)
        else:
            # Who types means the text.
            self.list.choose(None)
            return False
        return True

    def _choose(self, index: int) -> None:
        finding = self.list.choose(index)
        if finding is not None:
            self.area.go(finding.line, finding.column)

    # -- findings ---------------------------------------------------------------------------------------------------

    def action_findings(self) -> None:
        """Give the keys to the list."""
        if not self.list.findings:
            self.say("There is no finding.", "up")
            return
        self.completion.close()
        self._choose(0)

    def action_finding(self, step: int) -> None:
        """Jump to the next finding after the cursor, or the one before."""
        here = (self.area.cursor_location[0] + 1, self.area.cursor_location[1] + 1)
        places = sorted({(finding.line, finding.column) for finding in self.list.findings})
        if not places:
            self.say("There is no finding.", "up")
            return
        if step > 0:
            found = next((place for place in places if place > here), places[0])
        else:
            found = next((place for place in reversed(places) if place < here), places[-1])
        self.area.go(*found)

    # -- completion -------------------------------------------------------------------------------------------------

    def action_complete(self) -> None:
        """Complete the word at the cursor; before the first word of a line Tab moves the text in."""
        if not self.completion.start():
            self.say("No word of the language fits here.", "text")

    # -- review, and leaving ----------------------------------------------------------------------------------------

    def action_review(self) -> None:
        """Show what would change."""
        candidate = self.candidate
        if candidate is None:
            return
        candidate.text = self.area.text
        self.completion.close()
        self.app.push_screen(ReviewScreen(candidate, self))

    def applied(self, applied: Applied) -> None:
        """Go on from the text that runs now."""
        if self.candidate is None:
            return
        self.candidate.base, self.candidate.base_text = applied.revision, self.candidate.text
        self.candidate.note = ""
        self._seen = applied.revision
        if self._drafts is not None:
            self._drafts.drop()
        self.host.changes.tell_applied(applied, "applied")
        self.title_bar.update_lines()

    def take_running(self, running: RunningConfig) -> None:
        """Drop the text and show what runs."""
        self.begin(Candidate.of(running))
        if self._drafts is not None:
            self._drafts.drop()

    def action_restart(self) -> None:
        """Begin again with what runs, after a question where something would be lost."""
        if not self.changed:
            self.run_worker(self._restart())
            return
        question = Question(
            "Drop this text and begin again with what runs?",
            ("what was typed is lost",),
            (Answer("n", "Keep the text", ""), Answer("y", "Drop it", "yes")),
        )
        self.ask(question, {"yes": lambda: self.run_worker(self._restart())}, trigger="f5")

    async def _restart(self) -> None:
        running: RunningConfig | None = await self.host.changes.ask("running")
        if running is not None:
            self.take_running(running)

    def action_quit(self) -> None:
        """Leave the editor: what Ctrl-Q does everywhere is to leave the page."""
        self.action_leave()

    def action_undo(self) -> None:
        """Undo."""
        self.area.action_undo()

    def action_redo(self) -> None:
        """Do it again."""
        self.area.action_redo()

    def action_help(self) -> None:
        """Open the editor's keys."""
        self.app.push_screen(HelpScreen(EDITOR))
