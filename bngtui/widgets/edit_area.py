"""The text being edited: Textual's TextArea, coloured by line when it is shown, with findings marked in it.

TextArea works out the colours of the whole text at every key; of the largest configurations that takes longer than a
key may. Here a line's colours are worked out when the line is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.message import Message
from textual.strip import Strip
from textual.widgets.text_area import LanguageDoesNotExist

from bngtui.render.highlight import INKS, TREE_SITTER, highlight
from bngtui.render.source_text import block_at
from bngtui.render.states import SEVERITY
from bngtui.terminal.textual_internals import HookedTextArea, SyntaxAwareDocument, TextAreaTheme

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from textual import events
    from textual.widgets.text_area import Selection

    from bngtui.render.source_text import Language
    from bngtui.terminal.textual_internals import Edit, EditResult, Highlight
    from bngtui.theme import Palette
    from bngtui.widgets.application import Application
    from engine.config.finding import Finding

PASTED_S = 0.005
"""Keys that come closer to each other are not typed: people need ten times as long, a terminal sends what is pasted at once."""

_GUTTER_MARK = 3  # cells after the line's number: a blank, a finding's sign and a blank


class EditArea(HookedTextArea):
    """The editor itself. `interceptor` sees every key first and says whether it was for somebody else."""

    DEFAULT_CSS: ClassVar[str] = """
    EditArea, EditArea:focus { border: none; padding: 0; background: $background; scrollbar-size: 0 0; }
    """

    @dataclass
    class Moved(Message):
        """The cursor is somewhere else."""

    def __init__(self, *, read_only: bool = False) -> None:
        self._findings: dict[int, list[Finding]] = {}
        self.interceptor: Callable[[events.Key], Awaitable[bool]] = _nobody
        self.speech: Language = "balanceng"
        self._key_at = float("-inf")
        self._indented = 0  # cells that the last key, Enter, has put before the line
        super().__init__(soft_wrap=False, show_line_numbers=True, read_only=read_only, max_checkpoints=200)
        self.cursor_blink = False
        self.match_cursor_bracket = True

    def on_mount(self) -> None:
        """Take the theme's colours."""
        self.recolour()

    # -- text -------------------------------------------------------------------------------------------------------

    def take(self, text: str, language: Language) -> None:
        """Show another text from its first line; what was undone of the old one is forgotten."""
        self.speech = language
        self._findings = {}
        try:
            self.language = "toml" if language == "toml" else None
        except LanguageDoesNotExist:
            self.language = None  # the grammar is missing: plain text is still text
        self.load_text(text)

    def swap(self, text: str) -> None:
        """Put another text in place of this one, so that undo brings it back."""
        row, column = self.cursor_location
        self.replace(text, (0, 0), self.document.end)
        self.move_cursor(self.clamp_visitable((row, column)))

    @property
    def lines(self) -> list[str]:
        """The lines as they are; not to be changed."""
        return self.document.lines

    def edit(self, edit: Edit) -> EditResult:
        """Do an edit; findings below it move with their lines until the check speaks again."""
        before, first = self.document.line_count, edit.top[0]
        result = super().edit(edit)
        by = self.document.line_count - before
        if by and self._findings:
            self._findings = {
                row + by if row > first else row: found for row, found in self._findings.items()
            }
        return result

    def go(self, line: int, column: int) -> None:
        """Put the cursor on a place counted from 1, and show what is around it."""
        row = max(0, min(line - 1, self.document.line_count - 1))
        self.move_cursor(self.clamp_visitable((row, max(0, column - 1))), center=True)

    # -- findings ---------------------------------------------------------------------------------------------------

    def mark(self, findings: Sequence[Finding]) -> None:
        """Mark these in the text, and nothing else."""
        marks: dict[int, list[Finding]] = {}
        for finding in findings:
            marks.setdefault(finding.line - 1, []).append(finding)
        if marks != self._findings:
            self._findings = marks
            self.forget_highlights()
            self.refresh()

    # -- colours ----------------------------------------------------------------------------------------------------

    @property
    def palette(self) -> Palette:
        """The colours of the theme in use."""
        return cast("Application", self.app).palette

    def recolour(self) -> None:
        """Take the colours of the theme in use."""
        styles = self.palette.styles
        plain = styles["text", "plain"]
        reverse = Style(reverse=True)
        inks = {f"ink.{ink}": _ink(styles[role, "plain"]) for ink, role in INKS.items()}
        marks = {
            f"finding.{severity}": Style(color=styles[mark.role, "plain"].color, underline=True)
            for severity, mark in SEVERITY.items()
        }
        cursor = styles["text", "cursor"]
        line = Style() if cursor.reverse else Style(bgcolor=cursor.bgcolor)
        self.register_theme(
            TextAreaTheme(
                name="bng",
                base_style=plain,
                gutter_style=styles["muted", "plain"],
                cursor_style=reverse,
                cursor_line_style=line,
                cursor_line_gutter_style=styles["accent", "plain"] + line,
                bracket_matching_style=Style(underline=True, bold=True),
                selection_style=reverse,
                syntax_styles={**inks, **marks},
            )
        )
        self.theme = "bng"
        self.forget_highlights()
        self.refresh()

    def highlights_of(self, row: int) -> list[Highlight]:
        """Return the colours of one line, and the marks of its findings."""
        if row >= self.document.line_count:
            return []
        line = self.document.get_line(row)
        if isinstance(self.document, SyntaxAwareDocument):
            runs = self._grammar(row)
        else:
            block, _ = block_at(self.lines, row, self.speech)
            runs = [
                (_bytes(line, run.start), _bytes(line, run.end), f"ink.{run.ink}")
                for run in highlight(line, block)
            ]
        for finding in self._findings.get(row, ()):
            start = min(finding.column - 1, len(line))
            end = min(start + max(1, finding.length), len(line) + 1)
            # Past the last character stands the blank for the cursor: no bytes of the line, but one of the widget's.
            last = _bytes(line, end) + (1 if end > len(line) else 0)
            runs.append((_bytes(line, start), last, f"finding.{finding.severity}"))
        return runs

    def _grammar(self, row: int) -> list[Highlight]:
        """Ask the grammar for the colours of one line."""
        captures = self.captures(row)
        runs: list[Highlight] = []
        for name, ink in TREE_SITTER.items():
            for node in captures.get(name, ()):
                (first, start), (last, end) = node.start_point, node.end_point
                if first <= row <= last:
                    from_ = start if first == row else 0
                    to = end if last == row else None
                    if to is None or to > from_:
                        word = ink == "keyword" and _in_pair(node)
                        runs.append((from_, to, f"ink.{'word' if word else ink}"))
        return runs

    # -- drawing ----------------------------------------------------------------------------------------------------

    @property
    def gutter_width(self) -> int:
        """Cells of line numbers, and of the signs of findings."""
        return super().gutter_width + _GUTTER_MARK - 2

    def get_line(self, line_index: int) -> Text:
        """Return a line; what would move a terminal's cursor is replaced by a sign of the same width."""
        line = self.document.get_line(line_index)
        if not line.isprintable():
            line = "".join(char if char.isprintable() or char == "\t" else "�" for char in line)
        return Text(line, end="", no_wrap=True)

    def draw_line(self, y: int) -> Strip:
        """Draw a line with the sign of its worst finding."""
        strip = super().draw_line(y)
        row = y + self.scroll_offset.y
        if row < self.document.line_count:
            strip = Strip.join([self._gutter(row), strip.crop(self.gutter_width)])
        if self.palette.plain_signs:
            strip = Strip([Segment(self.palette.text(s.text), s.style, s.control) for s in strip])
        return strip

    def _gutter(self, row: int) -> Strip:
        """Draw a line's number and the sign of the worst finding in it: ``12 ✖ ``."""
        here = row == self.cursor_location[0]
        number = f"{row + self.line_number_start:>{self.gutter_width - _GUTTER_MARK}} "
        style = self.area_theme.cursor_line_gutter_style if here else self.area_theme.gutter_style
        found = self._findings.get(row)
        if not found:
            return Strip([Segment(number + "  ", style)])
        mark = min((SEVERITY[finding.severity] for finding in found), key=lambda mark: mark.rank)
        ground = style.bgcolor if style else None
        sign = self.palette.styles[mark.role, "plain"] + Style(bgcolor=ground)
        return Strip([Segment(number, style), Segment(f"{mark.glyph} ", sign)])

    # -- keys -------------------------------------------------------------------------------------------------------

    async def key_pressed(self, event: events.Key) -> None:
        """Do what a key does before the next one is looked at.

        Textual types a letter here, but lets a key with a binding (an arrow) go all the way up to the application
        first. Over a slow line keys come in bursts, and the letter would be typed before the arrow had moved.

        A text that is pasted comes as keys where the terminal does not mark it (bracketed paste), faster than a hand:
        it has blanks of its own, and none are put before its lines.
        """
        pasted = event.time - self._key_at < PASTED_S
        self._key_at = event.time
        indented, self._indented = self._indented, 0
        if pasted and indented and self.cursor_location[1] == indented:
            row = self.cursor_location[0]
            self.replace("", (row, 0), (row, indented))
        if pasted and event.key in {"enter", "tab"} and not self.read_only:
            event.stop()
            event.prevent_default()
            self.type_text("\n" if event.key == "enter" else "\t")
            return
        if await self.interceptor(event):
            event.stop()
            event.prevent_default()
            return
        bound = () if event.is_printable else self.bindings_of(event.key)
        for binding in bound:
            event.stop()
            event.prevent_default()
            await self.run_action(binding.action)
            return
        if event.key == "enter" and not self.read_only:
            event.stop()
            event.prevent_default()
            indent = self._indent()
            self.type_text("\n" + indent)
            self._indented = len(indent)
            return
        await super().key_pressed(event)

    def _indent(self) -> str:
        """Return the blanks a new line begins with: as the line above, and in a new block as the text does it."""
        row, column = self.cursor_location
        before = self.lines[row][:column]
        own = before[: len(before) - len(before.lstrip())]
        if not before.rstrip().endswith("{"):
            return own
        inside = next((line for line in self.lines if line[:1].isspace() and line.strip()), "    x")
        return inside[: len(inside) - len(inside.lstrip())]

    def cursor_moved(self, before: Selection, now: Selection) -> None:
        """Tell the editor."""
        if self.is_mounted and before.end != now.end:
            self.post_message(self.Moved())


async def _nobody(_event: events.Key) -> bool:
    return False


def _in_pair(node: Any) -> bool:
    """Whether a key of the grammar names a value, not a table; it may be one of several with dots between them."""
    parent = node.parent
    while parent is not None and parent.type == "dotted_key":
        parent = parent.parent
    return parent is not None and parent.type == "pair"


def _ink(style: Style) -> Style:
    """Keep of a style what may lie on any ground."""
    return Style(color=style.color, bold=style.bold)


def _bytes(line: str, column: int) -> int:
    """Return where a column begins in the line's UTF-8, which is what TextArea counts in."""
    return column if line.isascii() else len(line[:column].encode("utf-8", "surrogatepass"))
