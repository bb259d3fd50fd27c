"""Where a file may be changed."""

import pytest

from tests.mutants.places import places

SOURCE = """\
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    typed = 1 + 2

Either = Frame | None
FLAGS = READ | WRITE


@once(limit=1 + 1)
class Point(Struct, frozen=True):
    far: bool | None = False

    def __repr__(self):
        return 1 + 2

    def shown(self, width: int | None = 3 - 1, *rest: A | B, wide: bool = True) -> str | None:
        log.info("%s", width + 1)
        self.log.info(width + 2)
        "é" + call(True, wide=False)
        match width:
            case 1 | 2:
                return width + 3
        ready = self.far or True
        return call(True) and False
"""


def allowed(text, kind, *, after=0):
    """Say whether the first `text` of the source from line `after` on may be changed."""
    for number, line in enumerate(SOURCE.splitlines(), 1):
        if number >= after and text in line:
            return places(SOURCE).allows(kind, (number, line.index(text)))
    raise LookupError(text)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("+ 2", 4),  # what only a type checker reads
        ("| None", 6),
        ("+ 1)", 10),
        ("| None", 12),
        ("+ 2", 15),
        ("| None", 17),
        ("| B", 17),
        ("| None:", 17),
        ("+ 1", 18),
        ("+ 2", 19),
        ("| 2", 22),
    ],
)
def test_left_out(text, after):
    assert not allowed(text, "sign", after=after)


@pytest.mark.parametrize(
    ("text", "after"), [("| WRITE", 7), ("- 1", 17), ("+ call", 20), ("+ 3", 23), ("or", 24)]
)
def test_allowed(text, after):
    assert allowed(text, "sign", after=after)


@pytest.mark.parametrize(
    ("text", "after", "may"),
    [
        ("True", 11, False),
        ("False", 12, True),
        ("True", 17, True),
        ("True", 20, False),
        ("False", 20, False),
        ("True", 24, True),
        ("True", 25, False),
        ("False", 25, True),
    ],
)
def test_a_bool_is_changed_where_it_is_returned_assigned_or_a_default(text, after, may):
    assert allowed(text, "bool", after=after) is may


def test_the_function_around_a_place():
    assert places(SOURCE).function((23, 20)) == "Point.shown"
    assert places(SOURCE).function((7, 8)) == ""
