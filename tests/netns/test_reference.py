"""The model beside real workers on real sockets: a tenth of what is run by hand, and faults that have to be found.

All of it: python -m tests.reference --scenarios 5000 --paths all
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT
from tests.reference.faults import FAULTS, planted
from tests.reference.scenario import KINDS, scenario
from tests.reference.sockets import WORKERS, on_sockets

SCENARIOS = 500
SEEDS = (1, 2, 3)  # in which a fault has to show


def test_every_path_does_what_the_model_says():
    command = [sys.executable, "-m", "tests.reference", "--paths", "all", "--seed", "1"]
    done = subprocess.run(
        [*command, "--scenarios", str(SCENARIOS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert [line.rpartition(", ")[2].split()[-2:] for line in said[1:]] == [["0", "differences"]] * 3, said


def _differences(fault, path, report):
    """In a process of its own, which the network is for: what sorts of difference a fault makes."""
    course = on_sockets((min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))))[path]
    planted(fault)
    found = set()
    for kind, seed in ((kind, seed) for seed in SEEDS for kind in KINDS):
        found |= {d.what for d in course.compare(course.history(scenario(kind, seed))).values()}
        if fault.what in found:
            break
    report.send(found)


@pytest.mark.parametrize("path", WORKERS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_a_real_worker_is_found(fault, path):
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=_differences, args=(fault, path, theirs))
    process.start()
    theirs.close()
    found = ours.recv()
    process.join()
    assert fault.what in found
