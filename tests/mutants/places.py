"""Where a file may be changed, by Python's own syntax tree.

Left out is what no test can or should notice: types, decorators, what only a type checker reads, log lines, `__repr__`.
"""

from __future__ import annotations

import ast
import dataclasses

Position = tuple[int, int]
"""Line from 1 and column from 0, in characters, as parso counts."""

LOGS = {"log", "_log", "logger", "logging"}
TYPES = {"int", "str", "bytes", "float", "bool", "dict", "list", "tuple", "set", "frozenset", "object"}


@dataclasses.dataclass
class Places:
    """What one file allows."""

    functions: list[tuple[Position, Position, str]]
    left_out: list[tuple[Position, Position]]
    bools: set[Position]
    """True and False that are returned, assigned or a default: not the arguments of a call."""

    def allows(self, kind: str, position: Position) -> bool:
        if any(start <= position < end for start, end in self.left_out):
            return False
        return kind != "bool" or position in self.bools

    def function(self, position: Position) -> str:
        """Return the innermost function or class around a position, in full: `Server._read`; empty at the top."""
        around = [name for start, end, name in self.functions if start <= position < end]
        return around[-1] if around else ""


def places(source: str) -> Places:
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return Places(finder.functions, finder.left_out, finder.bools)


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self._lines = source.splitlines()
        self._names: list[str] = []
        self.functions: list[tuple[Position, Position, str]] = []
        self.left_out: list[tuple[Position, Position]] = []
        self.bools: set[Position] = set()

    def _position(self, line: int, column_bytes: int) -> Position:
        text = self._lines[line - 1].encode()[:column_bytes] if line <= len(self._lines) else b""
        return (line, len(text.decode()))

    def _span(self, node: ast.AST) -> tuple[Position, Position]:
        return (
            self._position(node.lineno, node.col_offset),
            self._position(node.end_lineno, node.end_col_offset),
        )

    def _leave_out(self, *nodes: ast.AST | None) -> None:
        self.left_out += [self._span(node) for node in nodes if node is not None]

    def _take_bools(self, node: ast.AST | None) -> None:
        """Note the bools of an expression, but not those that it passes to a call."""
        match node:
            case None | ast.Call():
                return
            case ast.Constant(value=bool()):
                self.bools.add(self._span(node)[0])
            case _:
                for child in ast.iter_child_nodes(node):
                    self._take_bools(child)

    def _named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._leave_out(*node.decorator_list)
        self._names.append(node.name)
        self.functions.append((*self._span(node), ".".join(self._names)))
        self.generic_visit(node)
        self._names.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name == "__repr__":
            self._leave_out(node)
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self._leave_out(argument.annotation)
        for starred in (arguments.vararg, arguments.kwarg):
            self._leave_out(starred.annotation if starred else None)
        self._leave_out(node.returns)
        for default in (*arguments.defaults, *arguments.kw_defaults):
            self._take_bools(default)
        self._named(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 -- ast's name

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._leave_out(*node.bases, *(keyword.value for keyword in node.keywords))
        self._named(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._leave_out(node.annotation)
        self._take_bools(node.value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._take_bools(node.value)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        self._take_bools(node.value)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"}:
            self._leave_out(node.test, *node.body)
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and LOGS & set(ast.unparse(node.value.func).split(".")):
            self._leave_out(node)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if _is_union(node):
            self._leave_out(node)
        self.generic_visit(node)

    def visit_MatchOr(self, node: ast.MatchOr) -> None:
        self._leave_out(node)
        self.generic_visit(node)


def _is_union(node: ast.expr) -> bool:
    """Say whether an expression is a type such as `Frame | None`, of an alias or an isinstance."""
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_type(left) and _is_type(right)
        case _:
            return False


def _is_type(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=None):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in TYPES or (name[:1].isupper() and not name.isupper())
        case ast.Subscript(value=value):
            return _is_type(value)
        case _:
            return _is_union(node)
