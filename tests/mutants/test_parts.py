"""The tables hold: a part that moved, or an explained line that changed, is noticed by the fast tests already."""

import pytest

from tests.mutants import explained
from tests.mutants.parts import PARTS, ROOT, nearest_first


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_has_sources_and_tests(part):
    assert part.source_files(ROOT)
    assert part.test_files(ROOT)


def test_no_file_belongs_to_two_parts():
    files = [file for part in PARTS for file in part.source_files(ROOT)]
    assert len(files) == len(set(files))


def test_the_test_that_mirrors_a_file_comes_first_then_its_folder():
    tests = [
        "tests/e/test_a.py",
        "tests/e/w/test_ring.py",
        "tests/e/w/test_vector.py",
        "tests/e/w/test_vector_more.py",
    ]
    assert nearest_first("e/w/vector.py", tests) == [
        "tests/e/w/test_vector.py",
        "tests/e/w/test_vector_more.py",
        "tests/e/w/test_ring.py",
        "tests/e/test_a.py",
    ]


def test_every_explained_line_is_in_the_tree():
    assert not [str(one) for one in explained.without_line(ROOT, explained.read())]


def test_an_explanation_has_every_field_and_no_other(tmp_path):
    file = tmp_path / "equivalent.toml"
    entry = '[[mutant]]\nfile = "a.py"\nline = "x"\nbecomes = "y"\n'
    file.write_text(entry + 'reason = "same"\n')
    assert [str(one) for one in explained.read(file)] == ["a.py: `x` → `y`"]
    for wrong in ("", 'reason = " "\n', 'reason = "same"\nnumber = "7"\n'):
        file.write_text(entry + wrong)
        with pytest.raises(ValueError, match=r"equivalent\.toml: an entry has"):
            explained.read(file)
