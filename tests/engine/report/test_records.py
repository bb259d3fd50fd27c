"""What the disk does not take is an alarm until it does, and is tried again every few seconds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from engine.domain.notices import Alarm
from engine.report.alarms import Alarms
from engine.report.events import EventLog
from engine.report.records import LOOK_S, Records


class Disk:
    """The history and the operational state of an engine, and what the disk says to them."""

    def __init__(self):
        self.refusal = ""
        self.looks = 0
        self.saved = []
        self.writer = self
        self.store = SimpleNamespace(warnings=[])
        self.owed = ""
        self.disk = SimpleNamespace(alarm=lambda: self.file_alarm)
        self.file_alarm = None
        self.file_looks = 0

    async def watch_file(self):
        self.file_looks += 1

    async def mend_records(self):
        self.looks += 1
        return self.refusal

    async def do(self, call, *args):
        return call(*args)

    def encoded(self):
        return b"state"

    def save(self, data):
        self.saved.append(data)
        self.owed = self.refusal
        return self.refusal


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def log():
    return EventLog()


@pytest.fixture
def alarms(log):
    return Alarms(log)


@pytest.fixture
def records(disk, alarms, log):
    return Records(disk, disk, alarms, log)


async def test_a_disk_that_is_well_is_looked_at_now_and_then_and_nothing_is_said(records, disk, alarms, log):
    for now in (0, 1, LOOK_S - 0.1, LOOK_S, LOOK_S + 1):
        if records.due(now) <= now:
            await records.keep(now)
    assert (disk.looks, disk.saved, list(alarms), log.last_id) == (2, [], [], 0)


async def test_a_file_that_differs_is_told_once_and_again_when_it_agrees(records, disk, alarms, log):
    disk.file_alarm = Alarm(severity="warning", subject="configuration file", message="is not what runs")
    for now in (0, 1, 2):
        await records.watch_file(now)
    assert list(alarms) == [disk.file_alarm]
    assert disk.file_looks == 3, "it is looked at every time"
    disk.file_alarm = Alarm(severity="error", subject="configuration file", message="is not valid")
    await records.watch_file(3)
    assert list(alarms) == [disk.file_alarm]
    disk.file_alarm = None
    for now in (4, 5):
        await records.watch_file(now)
    assert not list(alarms)
    assert [(e.severity, e.subject, e.message) for e in log.since(0, 9)] == [
        ("warning", "configuration file", "is not what runs"),
        ("error", "configuration file", "is not valid"),
        ("info", "configuration file", "is what the engine read or wrote last again"),
    ]


async def test_what_it_does_not_take_is_told_once_and_again_when_it_does(records, disk, alarms, log):
    disk.refusal = "no room"
    await records.save_operational_state()
    for now in (0, LOOK_S, 2 * LOOK_S):
        await records.keep(now)
    assert [(a.severity, a.subject, a.message) for a in alarms] == [
        ("error", "operational state", "no room"),
        ("error", "history", "no room"),
    ]
    assert disk.saved == [b"state"] * 4
    disk.refusal = ""
    await records.keep(3 * LOOK_S)
    assert list(alarms) == []
    assert [(e.kind, e.severity, e.message) for e in log.since(0, 9)] == [
        ("admin", "error", "no room"),
        ("config", "error", "no room"),
        ("config", "info", "the disk has everything again"),
        ("admin", "info", "the disk has everything again"),
    ]


async def test_what_is_in_the_folder_and_not_readable_is_a_warning_as_long_as_it_is(
    records, disk, alarms, log
):
    disk.store.warnings = ["a: is not a revision", "b: was put aside"]
    await records.keep(0)
    assert [(a.severity, a.message) for a in alarms] == [
        ("warning", "a: is not a revision; b: was put aside")
    ]
    disk.store.warnings = []
    await records.keep(LOOK_S)
    assert (list(alarms), log.last_id) == ([], 1)


async def test_state_that_changed_without_a_wait_is_written_at_the_next_turn(records, disk):
    await records.keep(0)
    records.operational_state_changed()
    assert records.due(0.1) == 0.1
    await records.keep(0.1)
    assert (records.due(0.2), disk.saved) == (LOOK_S + 0.1, [b"state"])
