"""The review's lines."""

from __future__ import annotations

from bngtui.candidate import Candidate
from bngtui.render.review import paint_review


def test_why_there_is_no_answer_is_told_within_the_width():
    lines = paint_review(
        Candidate("/x.toml", "toml", 4, "", ""),
        None,
        [],
        20,
        beside=False,
        within_s=60,
        trouble="the engine is not reachable now",
    )
    assert [row.text for row in lines] == ["  the engine is", "  not reachable", "  now"]
    assert {span.role for row in lines for span in row.spans} == {"down"}
