"""A trial: the tests in a copy, their verdict, and nothing left of it."""

import subprocess
import time

import pytest

from tests.mutants.leftovers import processes_of
from tests.mutants.trial import Tree, copy_working_tree

PRODUCT = "def double(x):\n    return x + x\n"
TEST = """\
import subprocess
import sys

import product


def test_double():
    assert product.double(3) == 6


def test_leaves_a_process():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
"""


@pytest.fixture
def original(tmp_path):
    folder = tmp_path / "original"
    folder.mkdir()
    (folder / "product.py").write_text(PRODUCT)
    (folder / "test_it.py").write_text(TEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


@pytest.fixture
def tree(original, tmp_path):
    return Tree(original, tmp_path / "copy")


def test_a_copy_has_what_git_tracks_or_would(original, tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=original, check=True)
    (original / ".gitignore").write_text("*.log\n")
    (original / "run.log").write_text("")
    copy_working_tree(original, tmp_path / "copy")
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    assert names == {".gitignore", "product.py", "pytest.ini", "test_it.py"}
    assert (tmp_path / "copy" / "product.py").stat().st_mtime == (original / "product.py").stat().st_mtime


def test_verdicts_of_the_original_and_of_a_mutant(original, tree):
    assert tree.run(["test_it.py"], 60, compiled=True).passed
    outcome = tree.try_out("product.py", PRODUCT.replace("+", "-"), ["test_it.py"], 60)
    assert not outcome.passed
    assert outcome.noticed_by == "test_it.py::test_double"
    assert tree.run(["test_it.py"], 60, compiled=True).passed
    assert (tree.root / "product.py").read_text() == PRODUCT == (original / "product.py").read_text()
    assert not processes_of(tree.root.parent)


def test_a_loop_without_end_is_noticed_and_ended(tree):
    endless = PRODUCT.replace("return", "while True: pass\n    return")
    started = time.monotonic()
    outcome = tree.try_out("product.py", endless, ["test_it.py"], 2)
    assert not outcome.passed
    assert outcome.timed_out
    assert time.monotonic() - started < 30
    assert not processes_of(tree.root.parent)


def test_growth_without_end_is_noticed_before_it_takes_all_memory(tree):
    growing = PRODUCT.replace("return", "x = [x]\n    while True: x += x\n    return")
    outcome = tree.try_out("product.py", growing, ["test_it.py"], 60)
    assert not outcome.passed
    assert not outcome.timed_out
    assert outcome.noticed_by == "test_it.py::test_double"


def test_a_stopped_tree_starts_nothing(tree):
    tree.stop()
    with pytest.raises(InterruptedError):
        tree.run(["test_it.py"], 60, compiled=True)
