"""What every full screen has: keys from the registry, a footer that speaks, and `renew` for news from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.binding import Binding, BindingType
from textual.screen import Screen

from bngtui.actions import ACTIONS
from bngtui.widgets.footer import Footer
from bngtui.widgets.header import Header
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bngtui.actions import Action, Context
    from bngtui.render.dialog import Question
    from bngtui.render.text import Role
    from bngtui.screens.ask import PromptScreen
    from bngtui.widgets.host import Host


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
    """Base of the full screens."""

    AUTO_FOCUS = ""

    @property
    def host(self) -> Host:
        """The application."""
        return cast("Host", self.app)

    @property
    def footer(self) -> Footer:
        """The last line of this screen."""
        return self.query_one(Footer)

    def renew(self) -> None:
        """Show what the store has now."""
        raise NotImplementedError

    def say(self, text: str, role: Role) -> None:
        """Show a message in the footer."""
        self.footer.say(text, role)

    def repaint(self) -> None:
        """Send every cell anew."""
        for view in self.query(LineView):
            view.repaint()

    def tick(self) -> None:
        """Let what counts go on while nothing comes in; once a second."""
        for header in self.query(Header):
            header.update_lines()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let a read-only console have no key that changes the configuration; the engine would refuse it anyway."""
        del parameters
        return not (action in _CHANGING and self.host.store.read_only)

    def ask(self, question: Question, then: Mapping[str, Callable[[], object]], trigger: str = "") -> None:
        """Put a question, opened by the key `trigger`, and do what belongs to the answer."""
        from bngtui.screens.ask import AskScreen  # noqa: PLC0415 - only who asks needs the dialog

        def answered(answer: str | None) -> None:
            then.get(answer or "", lambda: None)()

        self.app.push_screen(AskScreen(question, trigger=trigger), answered)

    def prompt(self, prompt: PromptScreen, then: Callable[[str], object]) -> None:
        """Have a line typed, and do something with it where there is one."""

        def answered(typed: str | None) -> None:
            if typed:
                then(typed)

        self.app.push_screen(prompt, answered)

    def on_screen_resume(self) -> None:
        """Show what happened while another screen was in front."""
        self.renew()

    def action_theme(self) -> None:
        """Change to the next theme."""
        self.host.next_theme()

    def action_repaint(self) -> None:
        """Draw the screen anew."""
        self.host.redraw()

    def action_quit(self) -> None:
        """Leave the program."""
        self.app.exit()

    def action_help(self) -> None:
        """Open the help page."""
        from bngtui.screens.help import HelpScreen  # noqa: PLC0415 - the help is a page like this one

        self.app.push_screen(HelpScreen())

    # -- the configuration, from every page -------------------------------------------------------------------------

    def action_editor(self) -> None:
        """Open the editor on what runs."""
        from bngtui.screens.editor import EditorScreen  # noqa: PLC0415 - the editor's library is the slowest to load

        self.app.push_screen(EditorScreen())

    def action_revisions(self) -> None:
        """Open the history."""
        from bngtui.screens.revisions import RevisionsScreen  # noqa: PLC0415 - a page like this one

        self.app.push_screen(RevisionsScreen())

    def action_save(self) -> None:
        """Write operational state into the file."""
        self.host.changes.save()

    def action_keep(self) -> None:
        """Confirm the change on trial."""
        self.host.changes.keep()

    def action_take_back(self) -> None:
        """Go back from the change on trial."""
        self.host.changes.take_back()

    def action_palette(self) -> None:
        """Find an action by its name."""
        from bngtui.screens.palette import PaletteScreen  # noqa: PLC0415 - knows every action

        self.app.push_screen(PaletteScreen(self.offered()), self._picked)

    def offered(self) -> Sequence[Action]:
        """Return the actions that this page has now."""
        return ()

    async def _picked(self, name: str | None) -> None:
        if name:
            await self.run_action(name)
