"""What the documents name is there: files by any end of their path, packages in the map of docs/architecture.md."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import PurePath

import pytest

from bngtui.cli import parser as bngtui_parser
from bngtui.command.registry import parse
from engine.cli import _parser as engine_parser
from tests.helpers.paths import ROOT

DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "tests").rglob("*.md")])
CODE = sorted(path for folder in ("engine", "bngtui", "tests") for path in (ROOT / folder).rglob("*.py"))
KEPT = ("engine", "bngtui", "docs", "sample_configs", "tests", "themes", ".ci")

FILE = re.compile(r"(?<![\w./*-])(?:[\w.-]+/)*[\w-]+\.(?:py|md|toml|conf|service)\b(?!\*)")
"""A file's name, with or without folders before it."""

OTHERS = {"bng.conf", "new.conf", "test_NAME.py"}
"""Files of an operator, and places to fill."""


def ends(path: PurePath) -> set[str]:
    """Return the ways to name a file: with some, all or none of its folders."""
    return {"/".join(path.parts[at:]) for at in range(len(path.parts))}


KNOWN = {
    end
    for path in (*ROOT.glob("*.*"), *(path for folder in KEPT for path in (ROOT / folder).rglob("*.*")))
    for end in ends(path.relative_to(ROOT))
}


CALL = re.compile(r"^(?:sudo (?:-\S+ )*)?(?:\S*/)?(bng-engine|bngctl|bngtui)( .*)?$", re.MULTILINE)
"""A call of one of the commands, in a block of lines to be pasted."""


def calls(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of this project in the blocks of a document, with their words."""
    blocks = "\n".join(text.split("```")[1::2])
    return [(found[1], shlex.split(found[2] or "", comments=True)) for found in CALL.finditer(blocks)]


def missing(text: str) -> list[str]:
    """Return the files that a text names and that are not there."""
    return [name for name in FILE.findall(text) if name not in KNOWN and PurePath(name).name not in OTHERS]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_document_names_files_that_are_there(path):
    assert not missing(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_document_calls_commands_as_they_are(path):
    read = {
        "bng-engine": engine_parser().parse_args,
        "bngtui": bngtui_parser().parse_args,
        "bngctl": lambda words: parse(words) if words else None,
    }
    for command, words in calls(path.read_text(encoding="utf-8")):
        read[command](words)  # an error names the document by the test's name


def test_calls_are_found_in_the_documents():
    found = {command for path in DOCS for command, _ in calls(path.read_text(encoding="utf-8"))}
    assert found == {"bng-engine", "bngctl", "bngtui"}


def test_a_docstring_names_files_that_are_there():
    wrong = {}
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                named = missing(ast.get_docstring(node) or "")
                if named:
                    wrong[str(path.relative_to(ROOT))] = named
    assert not wrong


def test_the_map_of_rooms_has_every_package():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = text.partition("## Rooms")[2].partition("### ")[0]
    packages = [
        path.parent.name for top in ("engine", "bngtui") for path in (ROOT / top).glob("*/__init__.py")
    ]
    assert packages
    assert not [name for name in packages if f"{name}/" not in rooms], "name the room in docs/architecture.md"
