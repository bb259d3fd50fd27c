"""What every full screen has: keys from the registry, a footer that speaks, and `renew` for news from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.binding import Binding, BindingType
from textual.screen import Screen

from bngtui.actions import ACTIONS
from bngtui.widgets.footer import Footer
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bngtui.actions import Context
    from bngtui.render.text import Role
    from bngtui.widgets.host import Host


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
