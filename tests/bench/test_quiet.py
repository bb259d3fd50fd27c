"""Whether a measurement had the machine to itself."""

import os
import subprocess
import sys

import pytest

from tests.bench import quiet
from tests.bench.quiet import Moment, why_not_quiet

QUIET = Moment(at_s=0, load=0.1, steal_s=0, others_s={7: 1.0})


def after(steal_s=0.0, **others_s):
    return Moment(10, 0.2, steal_s, {7: 1.0} | {int(pid[1:]): used for pid, used in others_s.items()})


@pytest.mark.parametrize(
    ("moment", "reasons"),
    [
        (after(), []),
        (after(p8=0.4), []),
        (after(p8=0.4, p9=0.2), ["other processes used 6% of a processor"]),
        (after(p7=3.0), ["other processes used 20% of a processor"]),
        (after(steal_s=0.05 * (os.cpu_count() or 1)), []),
        (after(steal_s=0.2 * (os.cpu_count() or 1)), ["2.0% of the time was stolen by the host"]),
    ],
)
def test_what_disturbs_is_named(moment, reasons):
    assert why_not_quiet(QUIET, moment) == reasons


def test_other_peoples_processes_are_counted_and_our_own_are_not(capsys):
    busy = [
        sys.executable,
        "-c",
        "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass",
    ]
    before = Moment.now()
    own = subprocess.Popen(busy)
    others = subprocess.Popen([*busy[:2], busy[2] + "\ntime.sleep(30)"], start_new_session=True)
    try:
        own.wait()
        until_s = 0.0
        while until_s < 0.4:
            used = Moment.now().others_s
            until_s = used.get(others.pid, 0)
        assert own.pid not in used
        assert others.pid not in before.others_s
    finally:
        others.kill()
        others.wait()


def test_a_section_is_told_of(capsys):
    with quiet.watched():
        pass
    assert capsys.readouterr().out.startswith("  load ")
