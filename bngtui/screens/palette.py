"""Every action by its name: for whoever knows what and not which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.screen import ModalScreen

from bngtui.render.palette import matching, paint_palette
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from bngtui.actions import Action
    from bngtui.render.text import Line


class _Palette(LineView):
    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the palette."""
        screen = self.screen
        assert isinstance(screen, PaletteScreen)  # noqa: S101 - for the type checker; nobody else makes one
        return paint_palette(screen.found, screen.typed, screen.chosen, width, height)


class PaletteScreen(ModalScreen[str]):
    """Type some letters of what is wanted, Enter does it. Answers with the action's name, or "" for none."""

    AUTO_FOCUS = ""
    DEFAULT_CSS: ClassVar[str] = """
    PaletteScreen { align: center middle; background: $background 0%; }
    PaletteScreen _Palette { width: 72; max-width: 100%; height: 18; max-height: 90%; }
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__()
        self._actions = actions
        self.typed = ""
        self.chosen = 0
        self.found = matching(actions, "")

    def compose(self) -> ComposeResult:
        """One box in the middle."""
        yield _Palette()

    def on_mount(self) -> None:
        """Draw it."""
        self.query_one(_Palette).update_lines()

    def on_key(self, event: events.Key) -> None:
        """Type, choose, do."""
        event.stop()
        event.prevent_default()
        if event.key in {"escape", "ctrl+c"}:
            self.dismiss("")
            return
        if event.key == "enter":
            self.dismiss(self.found[self.chosen].name if self.found else "")
            return
        if event.key in {"up", "down", "ctrl+p", "ctrl+n"} and self.found:
            step = 1 if event.key in {"down", "ctrl+n"} else -1
            self.chosen = (self.chosen + step) % len(self.found)
        else:
            if event.key in {"backspace", "ctrl+h"}:
                self.typed = self.typed[:-1]
            elif event.key == "ctrl+u":
                self.typed = ""
            elif event.character and event.character.isprintable():
                self.typed += event.character
            self.found, self.chosen = matching(self._actions, self.typed), 0
        self.query_one(_Palette).update_lines()
