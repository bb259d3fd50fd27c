"""The configuration in an editor: checked while typing, completed from the table of words, never lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bngtui.actions import EDITOR, available
from bngtui.candidate import Candidate
from bngtui.connection import trouble_of
from bngtui.editor.checking import Checker
from bngtui.editor.completion import Completion
from bngtui.editor.draft_keeper import DraftKeeper
from bngtui.editor.edited import EditedText
from bngtui.editor.files import Files
from bngtui.editor.jumps import Jumps
from bngtui.editor.meanwhile import Meanwhile
from bngtui.editor.search import Search
from bngtui.pages.page import Page, bindings
from bngtui.render.complete import explained, explained_spans
from bngtui.render.dialog import Answer, Question
from bngtui.render.editor import paint_title
from bngtui.widgets.edit_area import EditArea
from bngtui.widgets.findings_view import FindingsView
from bngtui.widgets.header import Header
from bngtui.widgets.painted import Painted
from bngtui.widgets.popup import Popup
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

    from bngtui.actions import Action
    from bngtui.render.findings import Checked
    from bngtui.render.text import Line, Span
    from engine.api.messages import Applied, RunningConfig
    from engine.config.finding import Finding

_KEYS = {key: action.name for action in available("editor", read_only=False) for key in action.keys}


class EditorScreen(Page):
    """One text, and the parts that check it, complete it, keep it and find things in it."""

    BINDINGS = bindings(EDITOR)
    HELP_PLACES = EDITOR
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
        self.area = EditArea(read_only=True)
        self.findings = FindingsView(self.help_spans)
        self.title_bar = Painted(lambda width, _height: [self.title_line(width)])
        self.popup = Popup()
        self.edited = EditedText(self.area)
        self.completion = Completion(self.area, self.popup)
        self.jumps = Jumps(self, self.area, self.findings)
        self.search = Search(self, self.area)
        self.files = Files(self, self.edited, self._check_now)
        self.keeper = DraftKeeper(self, self.edited, self.begin)
        self.meanwhile = Meanwhile(self, self.edited, self.keeper, self.begin)

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        yield Header()
        yield self.title_bar
        yield self.area
        yield self.findings
        yield self.footer
        yield self.popup

    def on_mount(self) -> None:
        """Ask for the text."""
        self._checker = Checker(self.console.connection, self._to_check, self._checked)
        self.area.interceptor = self._intercept
        self.start(self._open, "open the editor")
        self.start(self._checker.run, "check")

    def on_unmount(self) -> None:
        """Lose nothing."""
        self.keeper.close()

    def set_focus(
        self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False
    ) -> None:
        """Leave the keys with the text: a click where nothing is drawn yet, as after a resize, would take them away."""
        super().set_focus(widget or self.area, scroll_visible, from_app_focus)

    # -- opening ----------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        running: RunningConfig | None = None
        trouble = ""
        try:
            running = await self.console.connection.ask("running")
        except (EngineUnreachable, RequestError) as error:
            trouble = trouble_of(error)
        live = self.console.store.live
        draft = None
        if live is not None and not self.console.store.read_only:
            file = running.file if running else live.config_file
            draft = await self.keeper.open(live.hostname, file, running)
        if running is not None:
            self.begin(Candidate.of(running))
        elif draft is None:
            self.leave()
            self.console.say(f"There is no text to edit. {trouble}", "down")
            return
        if draft is not None:
            self.keeper.offer(draft, running)

    def begin(self, candidate: Candidate) -> None:
        """Show this text."""
        self.meanwhile.known(candidate.base)
        if not self.edited.show(candidate):
            self.say("The lines of the file ended in two ways; here they end in one.", "warning")
        self._check_now()
        self.renew()

    # -- what is shown ----------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Show what the store has now; see whether something else runs meanwhile."""
        if not self.is_attached or not self.size.width:
            return
        self.findings.styles.height = 4 if self.size.height < 34 else 8
        store = self.console.store
        self.area.read_only = store.read_only or self.edited.candidate is None
        self.update_header()
        self.title_bar.update_lines()
        self.footer.offer(self.offered())
        if self.findings.checked == "here" and store.connection == "up":
            self._check_now()
        self.meanwhile.look()

    def repaint(self) -> None:
        """Send every cell again, in the colours of the theme in use."""
        super().repaint()
        self.area.recolour()

    def on_resize(self) -> None:
        """Divide the space again."""
        self.completion.close()
        self.renew()

    def offered(self) -> Sequence[Action]:
        """Return the actions of the editor."""
        return available("editor", read_only=self.console.store.read_only)

    def title_line(self, width: int) -> Line:
        """Return the line above the text."""
        row, column = self.area.cursor_location
        store = self.console.store
        config = store.live.config if store.live is not None else None
        return paint_title(
            self.edited.candidate,
            (row + 1, column + 1),
            len(self.area.lines),
            width,
            changed=self.edited.changed,
            running=config.revision if config is not None and store.connection == "up" else None,
            read_only=store.read_only,
        )

    def help_spans(self) -> list[Span]:
        """Return what the word at the cursor means."""
        row, column = self.area.cursor_location
        return explained_spans(explained(self.area.lines, row, column, self.area.speech))

    def on_text_area_changed(self) -> None:
        """Have the new text checked and kept."""
        self.completion.follow()
        self._checker.touch()
        self.findings.checked = "waiting"
        self.title_bar.update_lines()
        self.keeper.touch()

    def on_edit_area_moved(self) -> None:
        """Show where the cursor is, and what the word there means."""
        self.title_bar.update_lines()
        self.findings.update_lines()
        self.completion.follow()

    # -- checking ---------------------------------------------------------------------------------------------------

    def _check_now(self) -> None:
        self._checker.touch(now=True)

    def _to_check(self) -> tuple[str, str]:
        candidate = self.edited.candidate
        return self.area.text, candidate.name if candidate is not None else "candidate"

    def _checked(self, findings: list[Finding], by: Checked) -> None:
        if self.edited.candidate is None:
            return
        self.findings.take(findings, by)
        self.area.mark(findings)

    # -- keys before the text ---------------------------------------------------------------------------------------

    async def _intercept(self, event: events.Key) -> bool:
        if not self.is_active:
            return True  # of a burst whose first key opened something, or left the editor
        if self.jumps.key(event) or self.completion.key(event):
            return True
        action = _KEYS.get(event.key)
        if action is None:
            return False
        await self.run_action(action)
        return True

    def action_findings(self) -> None:
        """Give the keys to the list of findings."""
        if self.jumps.start():
            self.completion.close()

    def action_finding(self, step: int) -> None:
        """Jump to the next finding after the cursor, or the one before."""
        self.jumps.step(step)

    def action_complete(self) -> None:
        """Complete the word at the cursor; before the first word of a line Tab moves the text in."""
        if not self.completion.start():
            self.say("No word of the language fits here.", "text")

    def action_undo(self) -> None:
        """Undo."""
        self.area.action_undo()

    def action_redo(self) -> None:
        """Do it again."""
        self.area.action_redo()

    def action_find(self) -> None:
        """Type a text and go to it; the same again: the next one."""
        self.search.start()

    def action_read_file(self) -> None:
        """Read a file into the editor."""
        self.files.read()

    def action_write_file(self) -> None:
        """Write the text to a file."""
        self.files.write()

    # -- review, and leaving ----------------------------------------------------------------------------------------

    def action_review(self) -> None:
        """Show what would change."""
        candidate = self.edited.candidate
        if candidate is None:
            return
        candidate.text = self.area.text
        self.completion.close()
        self.console.open("review", candidate, self)

    def applied(self, applied: Applied) -> None:
        """Go on from the text that runs now."""
        candidate = self.edited.candidate
        if candidate is None:
            return
        candidate.base, candidate.base_text, candidate.note = applied.revision, candidate.text, ""
        self.meanwhile.known(applied.revision)
        self.keeper.drop()
        self.title_bar.update_lines()

    def merged(self) -> None:
        """Show the candidate's text: others' changes have come into it."""
        candidate = self.edited.candidate
        if candidate is not None:
            self.begin(candidate)
            self.keeper.touch()

    def take_running(self, running: RunningConfig) -> None:
        """Drop the text and show what runs."""
        self.begin(Candidate.of(running))
        self.keeper.drop()

    def action_start_over(self) -> None:
        """Begin again with what runs, after a question where something would be lost."""
        if not self.edited.changed:
            self.start(self._start_over, "start over")
            return
        question = Question(
            "Drop this text and begin again with what runs?",
            ("what was typed is lost",),
            (Answer("n", "Keep the text", ""), Answer("y", "Drop it", "yes")),
        )
        self.ask(
            question, {"yes": lambda: self.start(self._start_over, "start over")}, opened_by="start_over"
        )

    async def _start_over(self) -> None:
        running: RunningConfig | None = await self.fetch("running")
        if running is not None:
            self.take_running(running)

    def action_leave(self) -> None:
        """Go back to the dashboard; ask where a text is not applied."""
        if self.edited.changed and not self.console.store.read_only:
            self.keeper.ask_leave()
        else:
            self.leave()
