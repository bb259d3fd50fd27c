from __future__ import annotations

import logging
import re

import pytest

from engine.domain.actor import Actor
from engine.domain.notices import Notice
from engine.report.events import KEPT, EventLog, log_event


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


def test_one_listener_that_fails_keeps_no_other_from_the_event(caplog):
    def broken(_event):
        raise RuntimeError("no room")

    first, last = [], []
    log = EventLog(first.append, broken)
    log.subscribe(last.append)
    event = log.add(notice())
    assert first == last == [event] == log.since(0, 10)
    assert "event 1: a listener failed" in caplog.text
    assert "no room" in caplog.text


def test_a_listener_hears_what_happens_after_it_subscribed():
    heard = []
    log = EventLog()
    log.add(notice())
    log.subscribe(heard.append)
    log.add(notice())
    assert [e.id for e in heard] == [2]
    assert [e.actor for e in heard] == [None]


@pytest.mark.parametrize(
    ("severity", "level"), [("info", logging.INFO), ("warning", logging.WARNING), ("error", logging.ERROR)]
)
def test_events_are_logged_at_their_level_with_who_did_it(caplog, severity, level):
    caplog.set_level(logging.INFO, logger="engine.event")
    log = EventLog(log_event)
    log.add(Notice("admin", severity, "target 1", "disabled"), Actor("root", 0, 7))
    log.add(Notice("admin", severity, "target 1", "up"))
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (level, "admin: target 1: disabled (by root(0) pid 7)"),
        (level, "admin: target 1: up"),
    ]
