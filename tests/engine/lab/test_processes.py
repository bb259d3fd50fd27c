import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.lab import processes
from engine.lab.processes import Identity


def test_this_process_is_known_and_alive():
    me = processes.identify(os.getpid())
    assert me is not None
    assert processes.alive(me)


def test_same_pid_with_another_start_is_a_stranger_and_is_left_alone():
    child = subprocess.Popen(["sleep", "60"])
    try:
        real = processes.identify(child.pid)
        stranger = Identity(child.pid, real.started + 1)
        assert not processes.alive(stranger)
        processes.end([stranger], grace_s=0.1)
        assert child.poll() is None
        processes.end([real])
    finally:
        assert child.wait(timeout=5) == -signal.SIGTERM
    assert processes.identify(child.pid) is None


def test_who_ignores_sigterm_is_killed_after_the_grace():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        start = time.monotonic()
        processes.end([processes.identify(child.pid)], grace_s=0.3)
        assert 0.25 < time.monotonic() - start < 3
        assert child.wait(timeout=5) == -signal.SIGKILL


def test_zombies_are_nobody():
    child = subprocess.Popen(["true"])
    deadline = time.monotonic() + 5
    while processes.identify(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.identify(child.pid) is None
    child.wait()


def test_own_network_namespace_lists_children_but_not_this_process():
    inode = Path("/proc/self/ns/net").stat().st_ino
    with subprocess.Popen(["sleep", "60"]) as child:
        found = {process.pid for process in processes.in_namespaces({inode})}
        child.kill()
    assert child.pid in found
    assert os.getpid() not in found
