"""Events that outlive the engine: what is read again, what a full or odd disk costs, and how much there is at most."""

import os

import msgspec
import pytest

from engine.api.messages import Event
from engine.domain.notices import Notice
from engine.report import event_file
from engine.report.event_file import EventFile
from engine.report.events import EventLog


def event(number, message="up"):
    return Event(
        id=number,
        time="2026-01-01T00:00:00.000Z",
        kind="health",
        severity="info",
        subject="target 1",
        message=message,
        actor=None,
    )


def written(folder, *events):
    file = EventFile(folder)
    for one in events:
        file.add(one)
    file.close()
    return file


def test_what_was_written_is_read_again_and_numbers_go_on(tmp_path):
    written(tmp_path / "state", event(1), event(2, "down"))
    log = EventLog()
    log.restore(EventFile(tmp_path / "state").load(1000))
    assert [(e.id, e.message) for e in log.since(0, 10)] == [(1, "up"), (2, "down")]
    assert log.add(Notice("health", "info", "target 1", "up again")).id == 3


def test_only_the_newest_are_read(tmp_path):
    written(tmp_path, *(event(n) for n in range(1, 50)))
    assert [e.id for e in EventFile(tmp_path).load(3)] == [47, 48, 49]


def test_two_files_take_turns_and_both_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(event_file, "MOST_BYTES", 1000)
    written(tmp_path, *(event(n) for n in range(1, 31)))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) <= {"events.jsonl", "events.1.jsonl"}
    assert max(sizes.values()) < 1300
    read = [e.id for e in EventFile(tmp_path).load(1000)]
    assert read == list(range(read[0], 31))
    assert len(read) > 6


def test_a_line_that_was_cut_off_costs_itself_alone(tmp_path):
    written(tmp_path, event(1))
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"id": 2, "time": "20')
    written(tmp_path, event(3))
    assert [e.id for e in EventFile(tmp_path).load(10)] == [1, 3]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"null\n{}\n", b'{"id": "x"}\n', b"\n\n"]
)
def test_what_is_not_events_is_left_out(tmp_path, content):
    (tmp_path / "events.1.jsonl").write_bytes(content)
    (tmp_path / "events.jsonl").write_bytes(content + msgspec.json.encode(event(7)) + b"\n")
    assert [e.id for e in EventFile(tmp_path).load(10)] == [7]


def test_a_pipe_a_link_and_a_folder_in_its_place_are_trouble_and_stop_nothing(tmp_path):
    path = tmp_path / "events.jsonl"
    for make in (lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/null"), path.mkdir):
        make()
        file = EventFile(tmp_path)
        assert file.load(10) == []
        file.add(event(1))
        file.close()
        assert file.trouble or path.is_fifo()
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert written(tmp_path, event(2)).trouble == ""


def test_of_events_that_come_twice_the_first_counts(tmp_path):
    written(tmp_path, event(1), event(2), event(2, "again"), event(1, "old"))
    assert [(e.id, e.message) for e in EventFile(tmp_path).load(10)] == [(1, "up"), (2, "up")]
