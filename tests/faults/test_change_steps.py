"""However a change ends (a disk that fails, a host that refuses, a kill at any step): one story, or a word of what is not."""

import pytest

from tests.faults.change_steps import play

RUNS = 60


@pytest.mark.slow
def test_no_fault_at_any_step_leaves_three_stories(tmp_path):
    """`python -m tests.faults.change_steps` plays more of them."""
    played, history = play(RUNS, 1, tmp_path)
    assert not history, "\n".join(map(str, [f"seed {played}", *history[-20:]]))
