"""`bng-lab demo` whole: what a newcomer runs first, and what it must not leave behind."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

from engine.lab import namespaces, processes
from engine.lab.balancer import entry
from engine.lab.topology import STATE_DIR, command_environment

pytestmark = pytest.mark.slow


def start(prefix, *options, **more):
    command = [*entry("engine.lab.cli"), "demo", "--prefix", prefix, *options]
    return subprocess.Popen(command, env={**command_environment(), "TERM": "xterm-256color"}, **more)


def unattended(prefix, *options):
    return start(
        prefix,
        *options,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def names(prefix):
    places = [namespaces.NETNS_DIR, STATE_DIR]
    return [
        path for place in places if place.exists() for path in place.iterdir() if path.name.startswith(prefix)
    ]


def wait_for(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_unattended_shows_everything_up_and_every_request_answered(run_id):
    with unattended(f"{run_id}-demo", "--seconds", "4") as demo:
        said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, said
    assert "172.16.1.10" in said.partition("show servers")[2].partition("show targets")[0]
    targets = said.partition("show targets")[2]
    assert "172.16.1.100" in targets
    assert "172.16.1.101" in targets
    answered, asked, one, two = map(
        int, re.search(r"(\d+) of (\d+) requests answered: target1 (\d+), target2 (\d+)", said).groups()
    )
    assert answered == asked == one + two
    assert asked > 100
    assert names(f"{run_id}-demo") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("stage", ["building", "running"])
def test_a_signal_ends_it_clean_at_any_stage(run_id, number, stage):
    prefix = f"{run_id}-sig"
    with unattended(prefix, "--seconds", "60") as demo:
        if stage == "building":
            wait_for(lambda: names(prefix))
        else:
            assert any("requests for 60 s" in line for line in demo.stdout)
        demo.send_signal(number)
        start_s = time.monotonic()
        said, _ = demo.communicate(timeout=30)
    assert demo.returncode == 128 + number, said
    assert time.monotonic() - start_s < 8
    assert "Traceback" not in said
    assert names(prefix) == []


def test_two_run_side_by_side(run_id):
    demos = [unattended(f"{run_id}-side{n}", "--seconds", "3") for n in range(2)]
    said = [demo.communicate(timeout=90)[0] for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0], said


def test_remains_of_a_killed_one_are_removed_by_the_next(run_id):
    with unattended(f"{run_id}-dead", "--seconds", "60") as dead:
        assert any("requests for 60 s" in line for line in dead.stdout)
        inodes = {path.stat().st_ino for path in names(f"{run_id}-dead-")}
        dead.kill()
    wait_for(
        lambda: len(processes.in_namespaces(inodes)) <= 2
    )  # engine and clients go with it, web servers stay
    with unattended(f"{run_id}-next", "--seconds", "60") as following:
        wait_for(lambda: not names(f"{run_id}-dead"))
        assert processes.in_namespaces(inodes) == []
        following.terminate()
        following.communicate(timeout=30)


class Terminal:
    """A demo on a pseudo-terminal of 120 columns and 40 lines, and what it wrote there."""

    def __init__(self, prefix):
        self.fd, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 120))
        self.demo = start(
            prefix,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that closing it hangs up
        )
        os.close(theirs)
        self.seen = b""

    def read_until(self, wanted, timeout_s=40):
        deadline = time.monotonic() + timeout_s
        while wanted not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, self.seen[-3000:].decode(errors="replace")
            if select.select([self.fd], [], [], left)[0]:
                self.seen += os.read(self.fd, 65536)

    def drain(self, timeout_s=30):
        """Read to the end and return the exit status."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                if select.select([self.fd], [], [], 0.1)[0]:
                    self.seen += os.read(self.fd, 65536)
            except OSError:  # EIO: the other side is closed
                break
        return self.demo.wait(timeout=timeout_s)


def test_on_a_terminal_the_dashboard_opens_and_q_ends_everything(run_id):
    terminal = Terminal(f"{run_id}-tty")
    terminal.read_until(b"\x1b[?1049h")
    terminal.read_until(b"172.16.1.101")
    os.write(terminal.fd, b"q")
    status = terminal.drain()
    os.close(terminal.fd)
    text = terminal.seen.decode(errors="replace")
    assert status == 0, text[-3000:]
    after = text.rpartition("\x1b[?1049l")[2]
    assert "requests answered" in after
    assert names(f"{run_id}-tty") == []


def test_closed_terminal_leaves_nothing(run_id):
    terminal = Terminal(f"{run_id}-shut")
    terminal.read_until(b"172.16.1.101")
    os.close(terminal.fd)  # the kernel sends SIGHUP
    terminal.demo.wait(timeout=20)
    assert names(f"{run_id}-shut") == []


def test_ordinary_user_sees_it_too(as_nobody, run_id):
    demo = as_nobody("demo", "--prefix", f"{run_id}-user", "--seconds", "3")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "requests answered: target1 " in demo.stdout
