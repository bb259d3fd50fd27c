"""Every private part of Textual and Rich that the console relies on, under public names, and nowhere else.

Textual offers no public way to change what it sends to the terminal, nor to colour a text editor line by line. What is
used for that instead stands here, as thin as it can be: the rest of the console imports these names. Each one has a
test in tests/bngtui/terminal/test_textual_internals.py that fails when an upgrade (pinned: Textual 8.2.8) moves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, cast

from rich.color import ColorSystem
from textual._compositor import ChopsUpdate
from textual._text_area_theme import TextAreaTheme
from textual.app import App, ReturnType
from textual.document._document import EditResult
from textual.document._document_navigator import DocumentNavigator
from textual.document._edit import Edit
from textual.document._syntax_aware_document import SyntaxAwareDocument
from textual.document._wrapped_document import WrappedDocument
from textual.filter import Monochrome, NoColor
from textual.widgets import TextArea

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.console import Console, RenderableType
    from rich.style import Style
    from textual import events
    from textual.binding import Binding
    from textual.screen import Screen
    from textual.strip import Strip
    from textual.widgets.text_area import Selection

__all__ = [
    "ChopsUpdate",
    "Edit",
    "EditResult",
    "Highlight",
    "HookedApp",
    "HookedTextArea",
    "SyntaxAwareDocument",
    "TextAreaTheme",
    "ansi_codes",
    "colour_system",
]

Highlight = tuple[int, int | None, str]
"""First byte, byte after the last (None: to the end of the line), and the name of a style."""


def colour_system(console: Console) -> ColorSystem:
    """Return how many colours a console's terminal has, as Textual's own drawing takes it."""
    return console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001 - its public name gives a word, not the value


def ansi_codes(style: Style, system: ColorSystem) -> str:
    """Return the SGR parameters of a style, such as ``1;31``; Rich's public methods give them only around a text."""
    return style._make_ansi_codes(system)  # noqa: SLF001 - as said


class HookedApp(App[ReturnType], Generic[ReturnType]):
    """An application that may change what is sent to the terminal: override `to_terminal`."""

    def drop_colours(self) -> None:
        """Send no colours; bold, underlined and reverse text stay."""
        self._filters = [one for one in self._filters if not isinstance(one, Monochrome)]
        self._filters.append(NoColor())

    def to_terminal(self, update: RenderableType | None) -> RenderableType | None:
        """Return what is sent in place of `update`."""
        return update

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        super()._display(screen, self.to_terminal(renderable))


class HookedTextArea(TextArea):
    """A TextArea whose private turns have public names, for a subclass that draws and types in its own way.

    Lines are never broken. A subclass overrides `highlights_of` (the colours of one line, asked for when it is drawn),
    `draw_line`, `key_pressed` and `cursor_moved`.
    """

    # -- what a subclass overrides ----------------------------------------------------------------------------------

    def highlights_of(self, row: int) -> list[Highlight]:  # noqa: ARG002 - for who overrides it
        """Return the coloured runs of a line."""
        return []

    def draw_line(self, y: int) -> Strip:
        """Return line `y` of the widget as it is drawn."""
        return super()._render_line(y)

    async def key_pressed(self, event: events.Key) -> None:
        """Handle a key: type it, where it is a character."""
        await super()._on_key(event)

    def cursor_moved(self, before: Selection, now: Selection) -> None:
        """Take note that the cursor or the selection changed."""

    # -- what a subclass uses ---------------------------------------------------------------------------------------

    def forget_highlights(self) -> None:
        """Ask for the colours of every line again when it is next drawn."""
        self._line_cache.clear()
        self._highlights = cast("Any", _LazyHighlights(self.highlights_of))

    def captures(self, row: int) -> Mapping[str, Iterable[Any]]:
        """Return the grammar's captures in a line, by name; none where the text's language has no grammar."""
        document, query = self.document, self._highlight_query
        if query is None or not isinstance(document, SyntaxAwareDocument):
            return {}
        return document.query_syntax_tree(query, (row, 0), (row + 1, 0))

    @property
    def area_theme(self) -> TextAreaTheme:
        """The styles in use."""
        return self._theme

    def bindings_of(self, key: str) -> tuple[Binding, ...]:
        """Return what a key is bound to in this widget."""
        return tuple(self._bindings.key_to_bindings.get(key, ()))

    def type_text(self, text: str) -> None:
        """Put a text in place of the selection, as typing does: undone together with what is typed around it."""
        start, end = self.selection
        self._replace_via_keyboard(text, start, end)

    # -- Textual's names --------------------------------------------------------------------------------------------

    def _set_document(self, text: str, language: str | None) -> None:
        super()._set_document(text, language)
        self.wrapped_document = _UnwrappedDocument(self.document, tab_width=self.indent_width)
        self.navigator = DocumentNavigator(self.wrapped_document)
        self._rewrap_and_refresh_virtual_size()

    def _build_highlight_map(self) -> None:
        # Textual's own works out the colours of the whole text, and does so at every key.
        self.forget_highlights()

    def _recompute_cursor_offset(self) -> None:
        # While an undo shortens the text the cursor is still where the text had a line, and a scrollbar that goes asks
        # for its place: Textual's own raises then.
        location = self.clamp_visitable(self.cursor_location)
        self._cursor_offset = self.wrapped_document.location_to_offset(location)

    def _render_line(self, y: int) -> Strip:
        return self.draw_line(y)

    async def _on_key(self, event: events.Key) -> None:
        await self.key_pressed(event)

    def _watch_selection(self, previous_selection: Selection, selection: Selection) -> None:
        super()._watch_selection(previous_selection, selection)
        self.cursor_moved(previous_selection, selection)


class _LazyHighlights(dict[int, list[Highlight]]):
    """Line → its highlights, made when they are asked for."""

    def __init__(self, make: Callable[[int], list[Highlight]]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, row: int) -> list[Highlight]:
        made = self[row] = self._make(row)
        return made

    def __bool__(self) -> bool:
        return True  # TextArea asks whether there are any before it asks for a line's


class _UnwrappedDocument(WrappedDocument):
    """A document whose lines are never broken; TextArea asks for its height at every line it draws."""

    @property
    def height(self) -> int:
        """Lines on the screen were it high enough."""
        return self.document.line_count
