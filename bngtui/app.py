"""The Textual application: wires the engine's line, the store and the screens together."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from bngtui.changes import Changes
from bngtui.connection import Link
from bngtui.effects import Effect, effect_of
from bngtui.screens.confirm import ConfirmScreen
from bngtui.screens.main import MainScreen
from bngtui.screens.page import Page
from bngtui.store import Store
from bngtui.terminal.driver import CleanDriver
from bngtui.terminal.partial_updates import Sent, exact
from bngtui.terminal.textual_internals import HookedApp
from bngtui.theme import palette
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen
    from textual.theme import Theme
    from textual.timer import Timer

    from bngtui.effects import Verb, What
    from bngtui.options import Options
    from bngtui.render.text import Role
    from bngtui.terminal.restore import Terminal
    from engine.api.messages import AdminResult

TERMINATED = 143
"""Exit code after SIGTERM, as a shell would give it."""


class BngApp(HookedApp[None]):
    """The console. `terminal` is None where there is none: in tests."""

    TITLE = "bngtui"
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        options: Options,
        themes: dict[str, Theme],
        theme: str,
        *,
        terminal: Terminal | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(driver_class=None if terminal is None else CleanDriver)
        self.options = options
        self.store = Store()
        self.store.read_only = options.read_only
        self.link = Link(self.store, options, self._news)
        self.changes = Changes(self)
        self._sent = Sent()
        self._themes = themes
        self._ascii_only = ascii_only
        self._terminal = terminal
        self._due: Timer | None = None
        self._shown_at = float("-inf")
        for one in themes.values():
            self.register_theme(one)
        self.theme = theme
        self.palette = palette(themes[theme], ascii_only=ascii_only)

    def get_default_screen(self) -> Screen[None]:
        """Open with the dashboard."""
        return MainScreen()

    def on_mount(self) -> None:
        """Follow the engine, and watch the terminal."""
        self.run_worker(self.link.run(), name="link", exit_on_error=True)
        self.set_interval(1.0, self._tick)
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
        if self.store.link != "up" or wait_s <= 0:
            wait_s = 0.02  # events and the state they led to come in one go
        self._due = self.set_timer(wait_s, self._show)

    def _show(self) -> None:
        self._due = None
        self._shown_at = time.monotonic()
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

    def say(self, text: str, role: Role = "text") -> None:
        """Show a line at the bottom of the page in front."""
        for page in self._pages():
            page.say(text, role)

    def ask_change(self, verb: Verb, what: What, number: int) -> None:
        """Ask the operator, then the engine, and say what came of it."""
        store = self.store
        if store.read_only:
            self.say("READ-ONLY: nothing can be changed from this console.", "warning")
            return
        if not store.may_change or store.live is None:
            self.say("The engine is not reachable: nothing can be changed.", "down")
            return
        # The effect is that on the traffic of now, also where the picture is held.
        effect = effect_of(store.live, verb, what, number)
        if effect is None:
            self.say(f"{what} {number} is not in the running configuration.", "warning")
        elif effect.pointless is not None:
            self.say(f"{effect.pointless}.", "text")
        else:
            self.push_screen(ConfirmScreen(effect), lambda yes: self._answered(effect, yes=bool(yes)))

    def _answered(self, effect: Effect, *, yes: bool) -> None:
        if yes:
            self.run_worker(self._change(effect), name=f"{effect.verb} {effect.object}")
        else:
            self.say(f"Nothing was changed: {effect.object} stays as it is.", "text")

    async def _change(self, effect: Effect) -> None:
        try:
            result: AdminResult = await self.link.ask(
                "admin", what=effect.what, action=effect.verb, numbers=[effect.number]
            )
        except RequestError as error:
            self.say(f"Refused: {error.message}", "down")
        except EngineUnreachable as error:
            self.say(f"Not done, the engine is not reachable: {error.reason}", "down")
        else:
            already = "" if result.changed else " already"
            self.say(f"Done: {effect.done}{already}.", "up")

    async def action_quit(self) -> None:
        """Leave the page in front, which may have something to ask first (Textual's own Ctrl-Q)."""
        await self.run_action("quit", self.screen)

    def next_theme(self) -> None:
        """Change to the next theme."""
        names = list(self._themes)
        name = names[(names.index(self.theme) + 1) % len(names)]
        self.palette = palette(self._themes[name], ascii_only=self._ascii_only)
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
