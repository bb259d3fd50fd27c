"""Fails when an upgrade of Textual or Rich moves a private part that the console relies on, and names it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App
from textual.document._document import Document
from textual.document._document_navigator import DocumentNavigator
from textual.document._wrapped_document import WrappedDocument
from textual.drivers.linux_driver import LinuxDriver
from textual.strip import Strip
from textual.widgets import TextArea

import bngtui
from bngtui.terminal.textual_internals import (
    ChopsUpdate,
    Edit,
    EditResult,
    HookedApp,
    HookedTextArea,
    SyntaxAwareDocument,
    TextAreaTheme,
    ansi_codes,
    colour_system,
)

PACKAGE = Path(bngtui.__file__).parent
HOME = "bngtui.terminal.textual_internals"
MODULES = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], "bngtui.")]


def private(name):
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("name", [name for name in MODULES if name != HOME])
def test_no_other_file_imports_or_overrides_or_calls_what_is_private_in_textual(name):
    module = importlib.import_module(name)
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {"textual", "rich"}:
            assert not any(map(private, node.module.split("."))), node.module
            assert not any(private(alias.name) for alias in node.names), node.module
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and private(node.attr)}
    for one in vars(module).values():
        if not inspect.isclass(one) or one.__module__ != name:
            continue
        theirs = {
            attribute
            for base in one.__mro__
            if base.__module__.startswith("textual.")
            for attribute in vars(base)
            if private(attribute)
        }
        assert not {attribute for attribute in vars(one) if callable(getattr(one, attribute))} & theirs
        assert not used & theirs


def parameters(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_the_version_is_the_one_that_was_looked_at():
    assert version("textual") == "8.2.8"


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (App._display, ["screen", "renderable"]),
        (ChopsUpdate.__init__, ["chops", "spans", "chop_ends"]),
        (ChopsUpdate.render_segments, ["console"]),
        (TextArea._set_document, ["text", "language"]),
        (TextArea._build_highlight_map, []),
        (TextArea._recompute_cursor_offset, []),
        (TextArea._render_line, ["y"]),
        (TextArea.clamp_visitable, ["location"]),
        (WrappedDocument.location_to_offset, ["location"]),
        (TextArea._on_key, ["event"]),
        (TextArea._watch_selection, ["previous_selection", "selection"]),
        (TextArea._replace_via_keyboard, ["insert", "start", "end"]),
        (TextArea._rewrap_and_refresh_virtual_size, []),
        (TextArea.edit, ["edit"]),
        (SyntaxAwareDocument.query_syntax_tree, ["query", "start_point", "end_point"]),
        (WrappedDocument.__init__, ["document", "width", "tab_width"]),
        (DocumentNavigator.__init__, ["wrapped_document"]),
        (LinuxDriver.stop_application_mode, []),
        (Style._make_ansi_codes, ["color_system"]),
    ],
)
def test_what_is_called_or_overridden_takes_what_it_took(function, names):
    assert parameters(function) == names


def test_a_text_area_keeps_what_is_used_under_the_names_that_are_used():
    area = TextArea("one\ntwo")
    for name in (
        "_line_cache",
        "_highlights",
        "_highlight_query",
        "_theme",
        "_bindings",
        "_cursor_offset",
        "navigator",
    ):
        assert hasattr(area, name), name
    assert hasattr(area._line_cache, "clear")
    assert isinstance(area._theme, TextAreaTheme)
    assert isinstance(area.wrapped_document, WrappedDocument)
    assert isinstance(WrappedDocument.height, property)
    assert area._bindings.key_to_bindings["left"][0].action == "cursor_left"


def test_a_theme_of_a_text_area_takes_these_styles():
    names = {
        "name",
        "base_style",
        "gutter_style",
        "cursor_style",
        "cursor_line_style",
        "cursor_line_gutter_style",
        "bracket_matching_style",
        "selection_style",
        "syntax_styles",
    }
    assert names <= set(inspect.signature(TextAreaTheme).parameters)


def test_an_edit_says_where_it_began_and_its_result_where_it_ended():
    document = Document("one\ntwo")
    edit = Edit("x\ny", (1, 1), (0, 1), maintain_selection_offset=False)
    assert edit.top == (0, 1)
    assert {"end_location", "replaced_text"} <= set(EditResult.__dataclass_fields__)
    assert document.replace_range((0, 1), (1, 1), "x\ny").replaced_text == "ne\nt"


def test_colours_of_a_console():
    assert colour_system(Console(force_terminal=True, color_system="256")) is ColorSystem.EIGHT_BIT
    assert colour_system(Console(force_terminal=True, color_system=None)) is ColorSystem.TRUECOLOR
    assert ansi_codes(Style(color="red", bold=True), ColorSystem.STANDARD) == "1;31"
    assert ansi_codes(Style(), ColorSystem.TRUECOLOR) == ""


def test_a_partial_update_has_the_parts_it_was_made_of():
    chops, spans, ends = [{0: Strip([Segment("abc")])}], [(0, 0, 3)], [[3]]
    update = ChopsUpdate(chops, spans, ends)
    assert (update.chops, update.spans, update.chop_ends) == (chops, spans, ends)
    assert "abc" in update.render_segments(Console())


async def test_all_that_is_displayed_passes_the_application():
    seen = []

    class Seeing(HookedApp[None]):
        def to_terminal(self, update):
            seen.append(update)
            return super().to_terminal(update)

    async with Seeing().run_test(size=(20, 5)) as pilot:
        await pilot.pause()
    assert any(update is not None for update in seen)


class Area(HookedTextArea):
    def __init__(self):
        self.asked, self.drawn, self.keys, self.moves = [], [], [], []
        super().__init__(soft_wrap=False)

    def highlights_of(self, row):
        self.asked.append(row)
        return [(0, 1, "ink")]

    def draw_line(self, y):
        self.drawn.append(y)
        return super().draw_line(y)

    async def key_pressed(self, event):
        self.keys.append(event.key)
        await super().key_pressed(event)

    def cursor_moved(self, before, now):
        self.moves.append((before.end, now.end))


class AreaApp(App[None]):
    def compose(self):
        yield Area()


async def test_a_text_area_asks_for_what_it_draws_and_for_no_more():
    async with AreaApp().run_test(size=(20, 4)) as pilot:
        area = pilot.app.query_one(Area)
        area.load_text("\n".join(f"line {n}" for n in range(1000)))
        await pilot.pause()
        assert set(area.drawn) <= set(range(4))
        assert {0, 1} <= set(area.asked) <= set(range(8))
        area.asked.clear()
        area.register_theme(
            TextAreaTheme(name="test", base_style=Style(), syntax_styles={"ink": Style(underline=True)})
        )
        area.theme = "test"
        area.forget_highlights()
        assert [segment.style.underline for segment in area.draw_line(2) if segment.text == "l"] == [True]
        assert area.asked == [2]


async def test_a_long_line_is_not_broken():
    async with AreaApp().run_test(size=(20, 4)) as pilot:
        area = pilot.app.query_one(Area)
        area.load_text("word " * 100 + "\nsecond")
        await pilot.pause()
        assert area.wrapped_document.height == 2
        assert "second" in area.draw_line(1).text


async def test_keys_come_once_and_are_typed():
    async with AreaApp().run_test(size=(20, 4)) as pilot:
        area = pilot.app.query_one(Area)
        area.focus()
        await pilot.press("a", "b")
        assert (area.text, area.keys) == ("ab", ["a", "b"])
        assert area.moves[-1] == ((0, 1), (0, 2))
        area.type_text("\n  ")
        assert area.text == "ab\n  "
        area.undo()
        assert area.text in {"ab", ""}
        assert [binding.action for binding in area.bindings_of("left")] == ["cursor_left"]
        assert area.bindings_of("nothing") == ()


async def test_a_long_paste_is_undone_to_a_text_that_is_shorter_than_the_screen():
    async with AreaApp().run_test(size=(20, 4)) as pilot:
        area = pilot.app.query_one(Area)
        area.focus()
        pilot.app.post_message(events.Paste("\n".join("line" for _ in range(200))))
        for key, text in (("ctrl+z", ""), ("ctrl+y", "line"), ("ctrl+z", "")):
            await pilot.press(key)
            assert area.document.get_line(0) == text
        assert area.cursor_location == (0, 0)


async def test_the_grammar_names_what_stands_in_one_line():
    async with AreaApp().run_test(size=(20, 4)) as pilot:
        area = pilot.app.query_one(Area)
        assert area.captures(0) == {}
        area.language = "toml"
        area.load_text('[one]\ntwo = "three"\n')
        captures = area.captures(1)
        assert "string" in captures
        assert {node.start_point[0] for nodes in captures.values() for node in nodes} == {1}
