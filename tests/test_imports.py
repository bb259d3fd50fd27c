"""No module imports itself by way of others, not even for types: what stands alone can be read, and moved, alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = ("engine", "bngtui")


def modules(folder: Path) -> dict[str, Path]:
    """Modules of a package by their dotted names, a package's own code under the package's name."""
    found = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.Module, known: dict[str, Path]) -> set[str]:
    """Modules of ours named by any import of a module, wherever it stands: at the top, for types, in a function.

    `from package import name` is an import of package.name where that is a module, otherwise of the package itself;
    the packages around a module, which Python imports on the way, are not counted.
    """
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not written here"
            names |= {
                inner if (inner := f"{node.module}.{alias.name}") in known else str(node.module)
                for alias in node.names
            }
    return names & known.keys()


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
    graph = {name: imported(ast.parse(path.read_text()), known) for name, path in known.items()}
    found = [" → ".join(way) for way in circles(graph)]
    assert not found, "circles of imports:\n" + "\n".join(found)


def test_a_circle_is_found_whatever_kind_of_import_closes_it():
    known = dict.fromkeys(["p", "p.a", "p.b", "p.c", "p.d"], Path())
    texts = {
        "p": "",
        "p.a": "from p.b import thing",
        "p.b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import c",
        "p.c": "def late():\n    import p.a",
        "p.d": "from p import b\nimport os",
    }
    graph = {name: imported(ast.parse(text), known) for name, text in texts.items()}
    assert circles(graph) == [["p.a", "p.b", "p.c", "p.a"]]
    graph["p.c"] = set()
    assert circles(graph) == []
    graph["p.d"].add("p.d")
    assert circles(graph) == [["p.d", "p.d"]]
