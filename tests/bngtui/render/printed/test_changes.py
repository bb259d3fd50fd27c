"""What bngctl says of changes: what they do to traffic, what differs from the file, and what runs."""

from __future__ import annotations

import pytest

from bngtui.render.printed import changes
from bngtui.render.printed.table import Style
from engine.api.messages import Applied
from engine.config.difference.change import Change

WARNING, MUTED = "\x1b[33m", "\x1b[2m"


@pytest.mark.parametrize(
    ("flows", "cuts", "colour"),
    [(0, False, MUTED), (3, False, WARNING), (0, True, WARNING), (3, True, WARNING)],
)
def test_an_effect_on_traffic_stands_out(flows, cuts, colour):
    change = Change(
        kind="changed", subject="target 1", message="moves", effect="as told", flows=flows, cuts=cuts
    )
    assert changes.changes([change], Style(colour=True))[1] == " " * 12 + f"{colour}as told\x1b[0m"


@pytest.mark.parametrize(
    ("differs", "text"),
    [
        (["one"], "one; save writes it into the file"),
        (["one", "two"], "one, two; save writes it into the file"),
        (["one", "two", "three"], "one, two and 1 more; save writes it into the file"),
        (["one", "two", "three", "four"], "one, two and 2 more; save writes it into the file"),
    ],
)
def test_two_differences_are_named_and_the_others_counted(differs, text):
    assert changes.differing(differs) == text


def test_a_change_that_changes_nothing_says_so():
    change = Change(kind="added", subject="target 3", message="added")
    assert changes.runs(Applied(revision=2, changes=[change])) == "revision 2 runs"
    assert changes.runs(Applied(revision=2)) == "revision 2 runs; nothing that matters changed"
