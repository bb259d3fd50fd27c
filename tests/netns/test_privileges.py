"""What each process of a running engine may do, read from /proc, and that nothing of the working directory runs in it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from engine.io import seccomp
from engine.io.privileges import CONTROL, worker_user
from engine.lab import balancer
from engine.lab.balancer import entry
from tests.helpers.paths import ROOT, SAMPLES
from tests.helpers.scene import Scene, until

pytestmark = pytest.mark.netns

UNIT = SAMPLES / "bng-engine.service"
REAL_ROOT = os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]

HELD = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid")
KEPT = sum(1 << one for one in CONTROL)


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def processes(scene):
    return {one["name"]: one for one in scene.balancer.json("show", "processes")}


def test_each_process_holds_what_it_needs_and_nothing_else(scene):
    shown = processes(scene)
    assert sorted(shown) == ["control", "worker 0 on eth0"]
    control, worker = (status(shown[name]["pid"]) for name in ("control", "worker 0 on eth0"))
    for held in ("CapEff", "CapPrm", "CapBnd"):
        assert int(control[held], 16) & ~KEPT == 0
        assert int(worker[held], 16) == 0
    assert int(worker["CapInh"], 16) == int(worker["CapAmb"], 16) == 0
    assert control["NoNewPrivs"] == worker["NoNewPrivs"] == "1"
    assert worker["Seccomp"] == ("2" if seccomp.library() is not None else "0")
    if REAL_ROOT:
        assert worker["Uid"].split() == [str(worker_user().pw_uid)] * 4
        assert worker["Groups"].split() == []
    assert shown["worker 0 on eth0"]["capabilities"] == []
    assert shown["worker 0 on eth0"]["no_new_privileges"] is True


def test_no_thread_holds_more_than_its_process(own_scene):
    """Capabilities and no_new_privs are a thread's: one that began before they were given up would keep them."""
    for shown in processes(own_scene).values():
        main = status(shown["pid"])
        threads = [task.name for task in Path(f"/proc/{shown['pid']}/task").iterdir()]
        for thread in threads:
            one = status(f"{shown['pid']}/task/{thread}")
            assert [one[name] for name in HELD] == [main[name] for name in HELD], (shown["name"], one["Name"])
        if shown["name"] == "control":
            assert len(threads) > 1, "the log's"


def test_a_worker_that_hangs_is_ended_although_it_is_somebody_else(scene):
    pid = processes(scene)["worker 0 on eth0"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: processes(scene).get("worker 0 on eth0", {"pid": pid})["pid"] != pid, 10, "another worker")
    assert dict(scene.traffic(32).failed) == {}


def test_nothing_that_lies_in_the_working_directory_is_imported(start_engine, tmp_path, monkeypatch):
    """Whoever may write there would be root otherwise."""
    for name in ("numpy", "msgspec", "asyncio", "traceback", "engine", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(tmp_path)
    balancer = start_engine()
    balancer.ctl("show", "targets")
    assert not (tmp_path / "imported").exists()


def test_everything_works_within_what_the_unit_permits(lab, tmp_path, monkeypatch):
    """Without systemd itself, which cannot be booted beside the host's own."""
    if shutil.which("systemd-analyze") is None or seccomp.library() is None:
        pytest.skip("systemd-analyze and libseccomp2 are needed to know what the unit permits")
    if not REAL_ROOT:
        pytest.skip("only root can be bounded as the unit does it")
    within = [sys.executable, "-P", str(ROOT / "tests" / "helpers" / "unit_sandbox.py"), str(UNIT)]
    monkeypatch.setattr(
        balancer, "entry", lambda module: [*within * (module == "engine.cli"), *entry(module)]
    )
    scene = Scene(lab, tmp_path)
    scene.start()
    try:
        shown = processes(scene)
        assert shown["worker 0 on eth0"]["capabilities"] == []
        assert shown["worker 0 on eth0"]["seccomp"] is True
        assert shown["control"]["seccomp"] is True, "the unit's filter"
        for command in (
            ("drain", "target", "1"),
            ("enable", "target", "1"),
            ("reload", str(scene.config), "--confirm-within", "30"),
            ("save",),
        ):
            done = scene.balancer.ctl(*command)
            assert done.returncode == 0, (command, done.stderr)
        os.kill(shown["worker 0 on eth0"]["pid"], signal.SIGKILL)
        until(lambda: processes(scene).get("worker 0 on eth0", {}).get("seccomp"), 10, "another worker")
        assert dict(scene.traffic(64).failed) == {}
    finally:
        status = scene.balancer.stop()
        log = scene.balancer.log_text()
        print(log)
    assert status == 0
    assert "not permitted" not in log
