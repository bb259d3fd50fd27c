"""How the run before ended, told from the mark that it left."""

import subprocess
import sys

import msgspec
import pytest

from engine.report.last_run import LastRun

MINE = """
import sys
from pathlib import Path
from engine.report.last_run import LastRun
told = LastRun(Path(sys.argv[1])).begin()
print(told.message if told else "")
"""


def run_of_another_process(folder):
    command = [sys.executable, "-c", MINE, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_first_run_and_one_after_a_stop_have_nothing_to_tell(tmp_path):
    for _ in range(2):
        run = LastRun(tmp_path / "state")
        assert run.begin() is None
        run.end()


def test_after_a_kill_the_next_run_says_so_and_how_long_ago(tmp_path):
    assert run_of_another_process(tmp_path) == ""  # it ends without `end`
    (tmp_path / "trends").touch()
    told = LastRun(tmp_path).begin()
    assert told.severity == "warning"
    assert told.message.startswith("started again: the run before (pid ")
    assert told.message.endswith("was killed, or it crashed, about 0 s ago")


def test_a_process_that_executed_itself_anew_is_the_same_run(tmp_path):
    LastRun(tmp_path).begin()
    told = LastRun(tmp_path).begin()
    assert (told.severity, told.message) == ("info", "restarted in place")


def test_after_a_restart_of_the_host_it_is_the_host(tmp_path):
    LastRun(tmp_path).begin()
    mark = msgspec.json.decode((tmp_path / "running.json").read_bytes())
    (tmp_path / "running.json").write_bytes(msgspec.json.encode({**mark, "boot": "another"}))
    told = LastRun(tmp_path).begin()
    assert told.message.startswith("started after the host was")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 5000])
def test_a_mark_that_cannot_be_read_tells_nothing(tmp_path, content):
    (tmp_path / "running.json").write_bytes(content)
    assert LastRun(tmp_path).begin() is None
    assert LastRun(tmp_path).begin().message == "restarted in place"


def test_who_could_not_set_a_mark_takes_none_away(tmp_path):
    LastRun(tmp_path).begin()
    LastRun(tmp_path).end()  # another one, which never began
    assert (tmp_path / "running.json").exists()
    folder = tmp_path / "file"
    folder.write_text("")
    assert LastRun(folder).begin() is None
