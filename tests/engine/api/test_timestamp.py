from __future__ import annotations

from datetime import UTC, datetime

from engine.api.timestamp import timestamp


def test_a_moment_is_written_in_utc_with_milliseconds():
    moment = datetime(2026, 3, 1, 12, 0, 5, 67_890, tzinfo=UTC)
    assert timestamp(moment) == "2026-03-01T12:00:05.067Z"
