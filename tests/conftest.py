"""What every test may rely on: marks by place, privileges or an honest reason, and nothing left behind."""

import contextlib
import os
import secrets
import shutil
import signal
import time
from pathlib import Path

import hypothesis
import pytest

from engine.lab import namespaces

RUN_KEY = "BNG_TEST_RUN"
"""In the environment of everything the tests start, so that what they leave running is found, whoever adopted it."""

RUN_ID = f"t{os.getpid()}-{secrets.token_hex(2)}"
"""Every name a test makes on the host begins with it: other people's runs may go on beside this one."""

CI = os.environ.get("CI") == "true"
NETNS = tuple(Path(__file__).parent / name for name in ("netns", "faults"))
LEFT_TO_END_S = 3.0

privileges_missing = pytest.StashKey[str]()
leaks = pytest.StashKey[list[str]]()

# How long an example takes says how busy the machine is, and nothing of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure(config):
    os.environ[RUN_KEY] = RUN_ID
    signals_as_usual()
    no_early_end()
    config.stash[privileges_missing] = ""
    if "not netns" in config.option.markexpr or not namespaces.missing_capabilities():
        return
    # Now or never: later on this process may have threads, and a user namespace wants one.
    config.stash[privileges_missing] = namespaces.refusal()
    if not config.stash[privileges_missing]:
        namespaces.become_namespace_root()


def signals_as_usual():
    """A shell starts what runs in its background with SIGINT ignored, nohup with SIGHUP; programs inherit either."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def no_early_end():
    """Fail a test in which the product ends the process at once: with status 0 all the other tests would pass unseen."""
    end, run = os._exit, os.getpid()

    def refuse(status):
        if os.getpid() != run:  # a child that a test has forked
            end(status)
        pytest.fail(f"os._exit({status}) would have ended every test")

    os._exit = refuse


def pytest_itemcollected(item):
    if any(item.path.is_relative_to(place) for place in NETNS):
        item.add_marker("netns")


def pytest_runtest_setup(item):
    if item.get_closest_marker("netns") and (reason := item.config.stash[privileges_missing]):
        lacking(reason)
    if item.get_closest_marker("terminal") and not shutil.which("tmux"):
        lacking("tmux is not installed")


def lacking(reason):
    """Skip with the reason; where every test has to run (CI=true), fail with it."""
    __tracebackhide__ = True
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def run_id():
    """What names on the host have to begin with."""
    return RUN_ID


@pytest.fixture
def need():
    """Call it with programs (`need("ping", "tcpdump")`) a test cannot do without."""

    def check(*programs):
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        if missing := [program for program in programs if not shutil.which(program, path=path)]:
            lacking(f"not installed: {', '.join(missing)} (make packages)")

    return check


# -- nothing left behind --------------------------------------------------------------------------------------------


def _processes_left():
    """Processes with this run's mark, but not this one, nor multiprocessing's tracker, which ends with it."""
    mark = f"{RUN_KEY}={RUN_ID}".encode()
    left = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                command = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                )
                if command and "multiprocessing.resource_tracker" not in command:
                    left.append(f"process {entry.name}: {command}")
    return left


def _names_left():
    """Namespaces, labs' folders, links and shared memory of this run."""
    places = [namespaces.NETNS_DIR, Path("/run/bng-lab"), Path("/sys/class/net"), Path("/dev/shm")]
    return [
        str(path)
        for place in places
        if place.is_dir()
        for path in place.iterdir()
        if path.name.startswith(RUN_ID)
    ]


def pytest_sessionfinish(session, exitstatus):
    deadline = time.monotonic() + LEFT_TO_END_S
    while (left := _names_left() + _processes_left()) and time.monotonic() < deadline:
        time.sleep(0.05)
    session.config.stash[leaks] = left
    if left and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if left := config.stash.get(leaks, []):
        terminalreporter.section("left behind by the tests", red=True)
        for line in left:
            terminalreporter.line(line)
