"""Hunks and their context are those of the standard library's unified diff."""

from __future__ import annotations

import difflib

import pytest

from engine.config.difference.unified_diff import CONTEXT, unified


@pytest.mark.parametrize("before", [0, 1, CONTEXT, CONTEXT + 1])
@pytest.mark.parametrize("between", [1, 2 * CONTEXT - 1, 2 * CONTEXT, 2 * CONTEXT + 1])
@pytest.mark.parametrize("after", [0, 1, CONTEXT, CONTEXT + 1])
def test_two_changes_share_a_hunk_where_their_context_touches(before, between, after):
    lines = [f"line {number}\n" for number in range(before + between + after + 2)]
    changed = list(lines)
    changed[before] = "first\n"
    changed[before + 1 + between] = "second\n"
    expected = "".join(difflib.unified_diff(lines, changed, "old", "new"))
    assert unified("".join(lines), "".join(changed), "old", "new") == expected
    assert expected.count("@@ -") == (2 if between > 2 * CONTEXT else 1)
