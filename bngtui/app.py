"""The Textual application: the connection, the store, the changes and the screens put together."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from bngtui.changes import Changes
from bngtui.connection import Connection
from bngtui.navigation import SCREENS
from bngtui.pages.page import Page
from bngtui.store import Store
from bngtui.terminal.driver import CleanDriver
from bngtui.terminal.partial_updates import Sent, exact
from bngtui.terminal.restore import may_suspend
from bngtui.terminal.textual_internals import HookedApp
from bngtui.theme import palette

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen
    from textual.theme import Theme
    from textual.timer import Timer

    from bngtui.options import Options
    from bngtui.render.text import Role
    from bngtui.terminal.restore import Terminal
    from bngtui.theme import Palette

TERMINATED = 143
"""Exit code after SIGTERM, as a shell would give it."""


class BngApp(HookedApp[None]):
    """The console. `terminal` is None where there is none: in tests."""

    TITLE = "bngtui"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = (
        False  # Textual would select and copy the names of our widgets: they draw lines, not one text
    )

    def __init__(
        self,
        options: Options,
        themes: dict[str, Theme],
        theme: str,
        *,
        terminal: Terminal | None = None,
    ) -> None:
        super().__init__(driver_class=None if terminal is None else CleanDriver)
        self.options = options
        self.store = Store()
        self.store.read_only = options.read_only
        self.connection = Connection(self.store, options, self._news)
        self.changes = Changes(self, self.store, self.connection, self.say)
        self._sent = Sent()
        self._themes = themes
        self._terminal = terminal
        self._due: Timer | None = None
        self._shown_at = float("-inf")
        for one in themes.values():
            self.register_theme(one)
        self.theme = theme
        self.palette = self._palette(theme)
        if not options.colours:
            self.drop_colours()

    def _palette(self, name: str) -> Palette:
        options = self.options
        return palette(self._themes[name], ascii_only=options.plain_signs, coloured=options.colours)

    def get_default_screen(self) -> Screen[None]:
        """Open with the dashboard."""
        return SCREENS["dashboard"]()

    def on_mount(self) -> None:
        """Follow the engine, and watch the terminal."""
        self.run_worker(self.connection.run(), name="connection", exit_on_error=True)
        self.set_interval(1.0, self._tick)
        # Whoever had the terminal meanwhile has left something else on it.
        self.app_resume_signal.subscribe(self, lambda _: self.redraw())
        if self._terminal is not None:
            loop = asyncio.get_running_loop()
            self._terminal.on_stop(lambda: loop.call_soon_threadsafe(self.exit, None, TERMINATED))

    # -- news from the engine -----------------------------------------------------------------------------------

    def _news(self) -> None:
        """Show what is new, at most once in `refresh_s`."""
        if self._due is not None:
            return
        # Readings come on the engine's beat; a little slack keeps one that is early from waiting a whole round.
        wait_s = self._shown_at + self.options.refresh_s * 0.9 - time.monotonic()
        if self.store.connection != "up" or wait_s <= 0:
            wait_s = 0.02  # events and the state they led to come in one go
        self._due = self.set_timer(wait_s, self._show)

    def _show(self) -> None:
        self._due = None
        self._shown_at = time.monotonic()
        self.changes.follow()
        for screen in self._pages():
            screen.renew()
        while self.store.notes:
            self.say(self.store.notes.popleft(), "warning")

    def _tick(self) -> None:
        if self._terminal is not None and self._terminal.gone():
            # Nothing can be said any more, and Textual would wait for ever to say it.
            os._exit(128 + 1)
        for screen in self._pages():
            screen.tick()

    def _pages(self) -> list[Page]:
        """Return the page in front; under a question the page that asked is still seen."""
        pages = [screen for screen in self.screen_stack if isinstance(screen, Page)]
        return pages[-1:]

    # -- what the screens ask for -------------------------------------------------------------------------------

    def open(self, name: str, *subject: object) -> None:
        """Open a screen by its name; `subject` is what its class is made from."""
        self.push_screen(SCREENS[name](*subject))

    def say(self, text: str, role: Role = "text") -> None:
        """Show a line at the bottom of the page in front."""
        for page in self._pages():
            page.say(text, role)

    async def action_quit(self) -> None:
        """Do not leave by Textual's own Ctrl-Q: a finger presses it after Ctrl-S, which stopped the output once."""
        self.say("Ctrl-Q does not leave: q or Esc does.", "text")

    def suspend_to_shell(self) -> None:
        """Stop, and go on when the shell says so; where there is no shell to say it do nothing."""
        if may_suspend():
            self.action_suspend_process()
        else:
            self.say("There is no shell below this console to go back to.", "text")

    def next_theme(self) -> None:
        """Change to the next theme."""
        names = list(self._themes)
        name = names[(names.index(self.theme) + 1) % len(names)]
        self.palette = self._palette(name)
        self.theme = name
        self.redraw()
        self.say(f"Theme {name} ({names.index(name) + 1} of {len(names)}).", "text")

    def redraw(self) -> None:
        """Send the whole screen to the terminal again."""
        self._sent.forget()
        for screen in self.screen_stack:
            if isinstance(screen, Page):
                screen.repaint()
        self.refresh(layout=True)

    def to_terminal(self, update: RenderableType | None) -> RenderableType | None:
        """Leave out what the terminal shows already."""
        return exact(update, self._sent)
