"""No module imports itself by way of others, not even for types: what stands alone can be read, and moved, alone."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection

ROOT = Path(__file__).parents[1]

PACKAGES = ("engine", "bngtui")

BY_TEXT = {"__import__", "import_module", "run_module", "run_path", "resolve_name"}
"""What imports the module that a text names (exec and eval are the linter's business)."""


def modules(folder: Path) -> dict[str, Path]:
    """Modules of a package by their dotted names, a package's own code under the package's name."""
    found = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str, text: str, known: Collection[str]) -> set[str]:
    """Modules of ours named by any import of a module, wherever it stands: at the top, for types, in a function.

    `from package import name` is an import of package.name where that is a module, otherwise of the package itself.
    The packages around what is imported, whose own code Python runs on the way, count where the importer stands
    outside of them.
    """
    names = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                assert not node.level, f"{module}:{node.lineno}: a relative import; write the whole name"
                names |= {
                    inner if (inner := f"{node.module}.{alias.name}") in known else str(node.module)
                    for alias in node.names
                }
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in BY_TEXT:
                raise AssertionError(f"{module}:{node.lineno}: no contract sees what is imported by a text")
    around = {package for name in names for package in packages_around(name)}
    return (names | around - {module, *packages_around(module)}) & set(known)


def packages_around(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """One circle for every group of modules that import each other, as the path that leads back (Tarjan, 1972)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[set[str]] = []

    def visit(module: str) -> None:
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], index[other])
        if lowest[module] == index[module]:
            at = stack.index(module)
            group = set(stack[at:])
            del stack[at:]
            if len(group) > 1 or module in graph[module]:
                groups.append(group)

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return [way_back(graph, group) for group in groups]


def way_back(graph: dict[str, set[str]], group: set[str]) -> list[str]:
    """Return a shortest way from the first module of a group to itself."""
    start = min(group)
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:  # grows while it is walked
        for other in sorted(graph[way[-1]] & group):
            if other == start:
                return [*way, start]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    raise AssertionError(f"{start} is in no circle")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_of_imports(package):
    known = modules(ROOT / package)
    assert len(known) > 20, "the package is not where this test looks"
    graph = {name: imported(name, path.read_text(), known) for name, path in known.items()}
    found = [" → ".join(way) for way in circles(graph)]
    assert not found, "circles of imports:\n" + "\n".join(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_code_is_a_package(package):
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    lacking = [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").is_file()]
    assert not lacking, "without __init__.py, so that lint-imports does not look into it"


def graph_of(texts):
    return {name: imported(name, text, texts) for name, text in texts.items()}


def test_a_circle_is_found_whatever_kind_of_import_closes_it():
    texts = {
        "p": "",
        "p.a": "from p.b import thing",
        "p.b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import c",
        "p.c": "def late():\n    import p.a",
        "p.d": "from p import b\nimport os",
    }
    graph = graph_of(texts)
    assert circles(graph) == [["p.a", "p.b", "p.c", "p.a"]]
    graph["p.c"] = set()
    assert circles(graph) == []
    graph["p.d"].add("p.d")
    assert circles(graph) == [["p.d", "p.d"]]


def test_a_circle_by_what_a_package_hands_on_is_found():
    texts = {
        "p": "",
        "p.a": "import p.q.deep",
        "p.q": "from p.q.front import Front",
        "p.q.front": "from p.q.deep import thing\nfrom p.a import other",
        "p.q.deep": "",
    }
    assert circles(graph_of(texts)) == [["p.a", "p.q", "p.q.front", "p.a"]]
    assert circles(graph_of(texts | {"p.q.front": "from p.q.deep import thing"})) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from . import b", "p.a:1: a relative import"),
        ("import importlib\nimportlib.import_module('p.b')", "p.a:2: no contract sees"),
        ("from importlib import import_module\nlate = import_module", "p.a:2: no contract sees"),
        ("__import__('p.b')", "p.a:1: no contract sees"),
        ("import runpy\nrunpy.run_module('p.b')", "p.a:2: no contract sees"),
        ("from pkgutil import resolve_name\nresolve_name('p.b:thing')", "p.a:2: no contract sees"),
    ],
)
def test_an_import_that_cannot_be_followed_is_refused(text, why):
    with pytest.raises(AssertionError, match=why):
        imported("p.a", text, {"p", "p.a", "p.b"})
