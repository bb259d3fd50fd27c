from __future__ import annotations

import re

from engine.domain.actor import Actor
from engine.domain.notices import Notice
from engine.report.events import KEPT, EventLog


def notice(text: str = "target 1 up") -> Notice:
    return Notice("health", "info", "target 1", text)


def test_events_are_numbered_stamped_and_published():
    published = []
    log = EventLog(published.append)
    log.add(notice())
    log.add(notice("target 1 down"), Actor("root", 0, 7))
    assert [e.id for e in published] == [1, 2]
    assert published[1].actor == "root(0) pid 7"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", published[0].time)


def test_the_newest_are_kept_and_given_oldest_first():
    log = EventLog()
    for n in range(KEPT + 10):
        log.add(notice(str(n)))
    assert len(log.since(0, KEPT * 2)) == KEPT
    assert [e.id for e in log.since(0, 3)] == [KEPT + 8, KEPT + 9, KEPT + 10]
    assert [e.id for e in log.since(KEPT + 9, 100)] == [KEPT + 10]
    assert log.since(0, 0) == []
