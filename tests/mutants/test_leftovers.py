"""What a run that was killed leaves is removed by the next one, and a run that goes on is left alone."""

import os
import subprocess
import sys
import time

from tests.helpers.paths import ROOT
from tests.mutants.leftovers import MARK, folder_of_run, processes_of

RUN = """\
import subprocess, sys, time
from pathlib import Path
from tests.mutants.leftovers import MARK, folder_of_run
with folder_of_run(Path(sys.argv[1])) as folder:
    child = subprocess.Popen(["sleep", "60"], env={MARK: str(folder / "0")}, start_new_session=True, stdout=2)
    print(folder, flush=True)
    time.sleep(60)
"""


def another_run(parent):
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(parent)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    return run, parent / os.path.basename(run.stdout.readline().strip())  # noqa: PTH119 -- of a text


def test_a_killed_runs_folder_and_processes_go_and_a_living_ones_stay(tmp_path):
    killed, left = another_run(tmp_path)
    killed.kill()
    killed.wait()
    killed.stdout.close()
    assert left.is_dir()
    (orphan,) = processes_of(left)
    living, its_own = another_run(tmp_path)
    try:
        assert not left.exists()
        deadline = time.monotonic() + 5
        while orphan in processes_of(left) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not processes_of(left)
        with folder_of_run(tmp_path) as folder:
            assert folder != its_own
            assert len(processes_of(its_own)) == 1
            assert its_own.is_dir()
        assert not folder.exists()
    finally:
        living.kill()
        living.wait()
        living.stdout.close()
        with folder_of_run(tmp_path):
            assert not its_own.exists()


def test_the_mark_of_a_folder_is_not_that_of_one_whose_name_goes_on(tmp_path):
    with subprocess.Popen(["sleep", "60"], env={MARK: str(tmp_path / "10")}) as process:
        try:
            assert processes_of(tmp_path / "1") == []
            deadline = time.monotonic() + 5
            while not (found := processes_of(tmp_path)) and time.monotonic() < deadline:
                time.sleep(0.01)  # between fork and exec it has our own environment
            assert found == [process.pid]
        finally:
            process.kill()
