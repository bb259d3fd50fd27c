"""What is made of a file, and what is drawn."""

import ast

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed (make mutants installs it)")

from tests.mutants import mutants, operators
from tests.mutants.draw import InTree, shares
from tests.mutants.errors import CannotTellError
from tests.mutants.explained import Explanation
from tests.mutants.parts import Part

PART = Part("made", ("made/*.py",), ("tests/test_*.py",))
SOURCE = '''\
def within(low: int, value: int, names: list[str] | None = None) -> bool:
    """1 + 1 == 2 and not True"""
    count = -1
    count += 2
    if low < value and "a" not in names:
        return not count
    return False


def masked(a, b):
    match a:
        case 1 | 2:
            return b & ~a | 4
    return a - 3
'''
BECOMES = {
    ("count = -1", "count = +1"),
    ("count += 2", "count -= 2"),
    ('if low < value and "a" not in names:', 'if low <= value and "a" not in names:'),
    ('if low < value and "a" not in names:', 'if low >= value and "a" not in names:'),
    ('if low < value and "a" not in names:', 'if low < value or "a" not in names:'),
    ('if low < value and "a" not in names:', 'if low < value and "a" in names:'),
    ("return not count", "return  count"),
    ("return False", "return True"),
    ("return b & ~a | 4", "return b | ~a | 4"),
    ("return b & ~a | 4", "return b & a | 4"),
    ("return b & ~a | 4", "return b & ~a & 4"),
    ("return a - 3", "return a + 3"),
}


@pytest.fixture
def tree(tmp_path):
    for name, text in (("made/one.py", SOURCE), ("tests/test_one.py", "")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_mutant_of_a_file(tree):
    made = mutants.mutants_of(tree, "made/one.py")
    assert {mutants.lines(tree, one) for one in made} == BECOMES
    assert len(made) == len(BECOMES)
    for one in made:
        ast.parse(mutants.mutated(tree, one))


def test_every_kind_has_operators_with_examples_that_hold():
    for names in operators.KINDS.values():
        for name in names:
            for example in operators.operator(name).examples():
                made = mutants.mutate_code(
                    example.pre_mutation_code, operators.operator(name), example.occurrence
                )
                assert made.split() == example.post_mutation_code.split(), name


def test_a_seed_draws_the_same_and_one_of_each_place(tree):
    found = InTree(tree, [PART], operators.USUAL, [])
    assert found.sizes() == {"made": 11}
    drawn = found.draw("7", 6)
    assert drawn == InTree(tree, [PART], operators.USUAL, []).draw("7", 6)
    assert drawn != found.draw("8", 6)
    assert len({one.mutant.place for one in drawn}) == 6
    assert len(found.draw("7", 100)) == 11


def test_an_explained_mutant_comes_on_top_of_the_count(tree):
    known = [Explanation("made/one.py", "return a - 3", "return a + 3", "never called")]
    drawn = InTree(tree, [PART], operators.USUAL, known).draw("7", 10)
    assert sum(one.explanation is None for one in drawn) == 10
    (one,) = InTree(tree, [PART], operators.USUAL, known).at("made/one.py:14")
    assert one.explanation == known[0]


def test_an_explanation_of_nothing_is_an_error(tree):
    for line, becomes in (("return a - 3", "return a * 3"), ("return a - 4", "return a + 4")):
        with pytest.raises(CannotTellError, match="match nothing"):
            InTree(tree, [PART], operators.USUAL, [Explanation("made/one.py", line, becomes, "so it is")])


def test_a_part_without_files_is_an_error(tree):
    with pytest.raises(CannotTellError, match="gone: no file"):
        InTree(tree, [Part("gone", ("gone/*.py",), ("tests/*.py",))], operators.USUAL, [])


def test_the_parts_share_by_size():
    assert shares({"a": 50, "b": 30, "c": 21}, 10) == {"a": 5, "b": 3, "c": 2}
    assert sum(shares({"a": 7, "b": 7, "c": 7}, 10).values()) == 10
    assert shares({"a": 1, "b": 2}, 10) == {"a": 1, "b": 2}
