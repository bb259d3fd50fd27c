"""The file on the disk against what was read or written last."""

from __future__ import annotations

import os
import re

import pytest

from engine.changes.file_on_disk import MOST_BYTES, FileOnDisk
from engine.domain.notices import Alarm
from tests.helpers.changes import HASH, SEED


@pytest.fixture
def disk(file):
    made = FileOnDisk(file, SEED.encode())
    made.look()
    return made


def test_a_file_that_nobody_touched_says_nothing(disk):
    assert not disk.moved()
    assert disk.difference is None
    assert disk.alarm() is None


def test_one_that_was_only_touched_is_the_same(disk, file):
    os.utime(file)
    assert disk.moved()
    disk.look()
    assert disk.alarm() is None


def test_one_that_was_changed_differs_since_then(disk, file):
    file.write_text(HASH)
    assert disk.moved()
    disk.look()
    assert not disk.moved()
    found = disk.difference
    assert (found.data, found.trouble) == (HASH.encode(), "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.since)
    assert disk.alarm() == Alarm(
        severity="warning",
        subject="configuration file",
        message=f"is not what runs since {found.since[11:16]} UTC: reload runs it, save --overwrite writes what runs",
    )
    file.write_text(SEED)
    disk.look()
    assert disk.difference is None


def test_one_that_is_broken_is_an_error_with_the_first_finding(disk, file):
    file.write_text(SEED + "\nnonsense {\n")
    disk.look()
    alarm = disk.alarm()
    assert alarm.severity == "error"
    assert re.match(r"is not valid since \d\d:\d\d UTC: \S+bng\.conf:\d+:\d+: error: ", alarm.message)
    file.write_text(HASH)
    disk.look()
    assert disk.alarm().severity == "warning", "it is mended, and still another one"


def test_one_that_is_gone_differs_since_it_was_found_so(disk, file, monkeypatch):
    monkeypatch.setattr("engine.changes.file_on_disk.timestamp", iter(["t1", "t2"]).__next__)
    file.unlink()
    assert disk.moved()
    for _ in range(2):
        disk.look()
        assert (disk.difference.since, disk.difference.data) == ("t1", None)
    assert disk.alarm().message.endswith(": No such file or directory")
    file.write_text(SEED)
    disk.look()
    assert disk.difference is None
    file.unlink()
    disk.look()
    assert disk.difference.since == "t2"


def test_what_the_engine_writes_is_no_difference(disk, file):
    file.write_text(HASH)
    disk.look()
    disk.wrote(HASH.encode())
    assert disk.difference is None
    assert not disk.moved()
    file.write_text(SEED)
    disk.look()
    assert disk.difference.data == SEED.encode()


def test_the_same_size_at_the_same_time_is_noticed_all_the_same(disk, file):
    before = file.stat()
    file.write_text(SEED.replace("172.16.1.100", "172.16.1.109"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert disk.moved()
    disk.look()
    assert disk.difference is not None


def test_a_pipe_is_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.conf"
    os.mkfifo(pipe)
    disk = FileOnDisk(pipe, SEED.encode())
    disk.look()
    assert disk.alarm() is None


def test_a_file_that_is_no_configuration_by_its_size_is_not_read_whole(disk, file):
    with file.open("wb") as out:
        out.truncate(MOST_BYTES * 4)
    disk.look()
    assert len(disk.difference.data) == MOST_BYTES + 1
    assert disk.difference.trouble == f"it has more than {MOST_BYTES} bytes"
