"""No test can end all the others unseen (tests/conftest.py)."""

import os

import pytest


def test_what_would_end_pytest_fails_its_test():
    with pytest.raises(pytest.fail.Exception, match=r"os\._exit\(0\) would have ended every test"):
        os._exit(0)


def test_a_child_may_end_as_it_likes():
    child = os.fork()
    if not child:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
