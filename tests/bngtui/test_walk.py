"""A short random walk through the whole console; the long form is tests/fuzz/fuzz_console.py."""

from __future__ import annotations

import pytest

from tests.fuzz.console_walk import walk


@pytest.mark.parametrize("seed", [9, 13, 21])
async def test_whatever_is_pressed_the_console_holds(run_dir, seed):
    assert await walk(run_dir, seed, 200) >= 1
