"""One zone in one tool, always with its label."""

from __future__ import annotations

import time

import pytest

from bngtui.render import events, revision_list, units, zone
from bngtui.render.printed.events import event_line
from bngtui.render.printed.events import events as printed_events
from bngtui.render.printed.history import history
from bngtui.render.printed.table import Style
from bngtui.render.view import View
from engine.api.messages import Revision
from tests.helpers.console_states import make_event

REVISION = Revision(number=1, time="2026-03-01T02:00:30.123Z", uid=0, user="root", note="", language="toml")
EVENT = make_event(1, time="2026-03-01T02:00:30.123Z")
STYLE = Style(width=None, glyphs=False)


@pytest.fixture
def new_york(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    zone.use_local(on=True)
    yield
    zone.use_local(on=False)
    monkeypatch.undo()
    time.tzset()


def all_of_it():
    """Every place that tells a time."""
    view = View(events.SPEC)
    return [
        units.clock(EVENT.time),
        view.cycle_order(1),
        events.summary([EVENT], 0)[0].text,
        *printed_events([EVENT], STYLE),
        event_line(EVENT, STYLE),
        *history([REVISION], STYLE),
        revision_list.when(REVISION.time),
        next(column.heading for column in revision_list.COLUMNS if column.id == "time"),
    ]


def test_utc_is_the_zone_and_says_so():
    told = "\n".join(all_of_it())
    assert told.count("UTC") == 5
    assert "2026-03-01T02:00:30.123Z" in told
    assert told.count("02:00:30") == 5
    assert zone.label() == "UTC"
    assert not zone.is_local()


def test_the_local_zone_is_told_everywhere_or_nowhere(new_york):
    told = "\n".join(all_of_it())
    assert "UTC" not in told
    assert "02:00" not in told.replace("-05:00", "")
    assert told.count(zone.label()) == 5
    assert told.count("21:00:30") == 5
    assert "02-28 21:00:30" in told, "the date is the zone's, too"
    assert "2026-02-28T21:00:30.123000-05:00" in told
    assert zone.label() in {"EST", "EDT"}


def test_the_day_of_the_time_decides_whether_it_is_summer(new_york):
    assert units.clock("2026-07-01T16:00:00Z") == "12:00:00"
    assert units.clock("2026-01-01T16:00:00Z") == "11:00:00"
    assert zone.stamp(zone.of_seconds(1_767_283_200)) == "2026-01-01 11:00:00"


def test_what_is_no_time_stays_as_it_is(new_york):
    assert zone.in_zone("yesterday") == "yesterday"
    assert zone.in_zone("2026-01-01T16:00:00") == "2026-01-01T11:00:00-05:00", "without a zone it is UTC"
