"""What every full screen has: keys from the registry, a footer that speaks, and `renew` for news from the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.screen import Screen

from bngtui.actions import ACTIONS, ANYWHERE, first_key
from bngtui.connection import trouble_of
from bngtui.dialogs.palette import PaletteDialog
from bngtui.dialogs.question import QuestionDialog
from bngtui.render import zone
from bngtui.widgets.footer import Footer
from bngtui.widgets.header import Header
from bngtui.widgets.lines import LineView
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from bngtui.actions import Action, Context
    from bngtui.dialogs.line_input import LineInput
    from bngtui.pages.console import Console
    from bngtui.render.dialog import Question
    from bngtui.render.text import Role


# "change" says itself why it does not work: an operator may take the console for another one.
_CHANGING = frozenset(action.name.partition("(")[0] for action in ACTIONS if action.changes) - {"change"}


def bindings(contexts: Iterable[Context]) -> list[BindingType]:
    """Return the key bindings of those actions that belong to any of `contexts`."""
    places = set(contexts)
    return [
        Binding(",".join(action.keys), action.name, action.help, show=False)
        for action in ACTIONS
        if places & action.where
    ]


class Page(Screen[None]):
    """Base of the full screens. `HELP_PLACES` names the places whose keys its help page shows; `footer` is its last line."""

    AUTO_FOCUS = ""
    HELP_PLACES: ClassVar[frozenset[Context]] = ANYWHERE

    def __init__(self) -> None:
        super().__init__()
        # Kept, not looked for: an answer of the engine may come while the page is not composed yet, or is being removed.
        self.footer = Footer()
        self._drawn_stale = False
        self._waiting: list[Callable[[], None]] = []  # questions that came while a dialog was in front

    @property
    def stale(self) -> bool:
        """Whether what this console knows may no longer be so: what changes the engine is not offered then."""
        return self.console.store.freshness(time.monotonic()).stale

    @property
    def may_change(self) -> bool:
        """Whether this console may ask the engine to change something now."""
        return self.console.store.may_change(time.monotonic())

    @property
    def console(self) -> Console:
        """The application."""
        return cast("Console", self.app)

    def renew(self) -> None:
        """Show what the store has now."""
        raise NotImplementedError

    def offered(self) -> Sequence[Action]:
        """Return the actions that this page has now."""
        return ()

    def say(self, text: str, role: Role) -> None:
        """Show a message in the footer."""
        self.footer.say(text, role)

    def repaint(self) -> None:
        """Send every cell again."""
        for view in self.query(LineView):
            view.repaint()

    def update_header(self) -> None:
        """Show in the header, where there is one, what the store has now."""
        for header in self.query(Header):
            header.update_lines()

    def tick(self) -> None:
        """Let what counts go on while nothing comes in; once a second."""
        stale = self.stale
        if stale is not self._drawn_stale and self.query(Footer):
            self._drawn_stale = stale
            self.renew()
        self.update_header()

    def leave(self) -> None:
        """Go back to the page below this one, which may be gone already, or lie under a page opened meanwhile."""
        while self in self.app.screen_stack[1:]:
            self.app.pop_screen()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let a read-only console have no key that changes the configuration; the engine would refuse it anyway."""
        del parameters
        return not (action in _CHANGING and self.console.store.read_only)

    def on_screen_resume(self) -> None:
        """Show what happened while another screen was in front, and ask what waited for it."""
        self.renew()
        if self._waiting and self.is_active:
            self._waiting.pop(0)()

    def start(
        self, work: Callable[[], Coroutine[Any, Any, None]], name: str, *, group: str | None = None
    ) -> None:
        """Begin work beside the page, which ends with it; of a `group` only the newest goes on.

        It is given as a function: a coroutine that is cancelled before it began was never awaited, and Python would say
        so in the middle of the screen.
        """
        self.run_worker(cast("Any", work), name=name, group=group or "default", exclusive=group is not None)

    # -- asking the engine, and the operator ------------------------------------------------------------------------

    async def fetch(self, op: str, **args: Any) -> Any:
        """Ask the engine for something to show; where there is no answer say why and return None."""
        try:
            return await self.console.connection.ask(op, **args)
        except (EngineUnreachable, RequestError) as error:
            self.console.say(trouble_of(error), "down")
            return None

    def ask(
        self, question: Question, then: Mapping[str, Callable[[], object]], *, opened_by: str = ""
    ) -> None:
        """Put a question that the action `opened_by` led to, and do what belongs to the answer.

        It may come late, after an answer of the engine: a dialog in front is finished first, so that what is typed there
        does not answer this one.
        """

        def answered(answer: str | None) -> None:
            then.get(answer or "", lambda: None)()

        def put() -> None:
            trigger = first_key(opened_by) if opened_by else ""
            self.app.push_screen(QuestionDialog(question, trigger=trigger), answered)

        if isinstance(self.app.screen, Page):
            put()
        else:
            below = next(screen for screen in reversed(self.app.screen_stack) if isinstance(screen, Page))
            below._waiting.append(put)  # noqa: SLF001 - a page too

    def prompt(self, line_input: LineInput, then: Callable[[str], object]) -> None:
        """Have a line typed, and do something with it where there is one."""

        def answered(typed: str | None) -> None:
            if typed:
                then(typed)

        self.app.push_screen(line_input, answered)

    # -- actions of every page --------------------------------------------------------------------------------------

    def action_open(self, name: str) -> None:
        """Open a screen by its name."""
        self.console.open(name)

    def action_help(self) -> None:
        """Open the help page."""
        self.console.open("help", self.HELP_PLACES)

    def action_save(self) -> None:
        """Write operational state into the file."""
        self.console.changes.save()

    def action_keep(self) -> None:
        """Confirm the change on trial."""
        self.console.changes.confirm()

    def action_take_back(self) -> None:
        """Go back from the change on trial."""
        self.console.changes.take_back()

    def action_theme(self) -> None:
        """Change to the next theme."""
        self.console.next_theme()

    def action_suspend(self) -> None:
        """Stop, and give the terminal to the shell."""
        self.console.suspend_to_shell()

    def action_zone(self) -> None:
        """Tell times in the local zone, or in UTC again."""
        zone.use_local(on=not zone.is_local())
        self.renew()
        self.repaint()
        self.say(f"Times are in {zone.label()}.", "text")

    def action_repaint(self) -> None:
        """Redraw the screen."""
        self.console.redraw()

    def action_quit(self) -> None:
        """Leave the program."""
        self.app.exit()

    def action_palette(self) -> None:
        """Find an action by its name."""
        self.app.push_screen(PaletteDialog(self.offered()), self._picked)

    async def _picked(self, name: str | None) -> None:
        if name:
            await self.run_action(name)
