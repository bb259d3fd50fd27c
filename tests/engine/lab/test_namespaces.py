"""Namespaces, as far as they go without privileges; tests/netns/test_lab.py makes real ones."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from engine.lab import namespaces
from engine.lab.namespaces import Obstacle, explain_refusal


@pytest.fixture
def knobs(monkeypatch):
    """Settings of a kernel that is not this one."""
    values = {}
    monkeypatch.setattr(namespaces, "_setting", values.get)
    return values


@pytest.fixture
def status(monkeypatch):
    """What proc(5) says of a process that is not this one."""
    fields = {"Seccomp": "0", "Threads": "1"}
    monkeypatch.setattr(namespaces, "_status", fields.get)
    return fields


DENIED = OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(
    ("knob", "value", "obstacle", "remedy"),
    [
        ("user/max_user_namespaces", 0, Obstacle.NO_USER_NAMESPACES, "user.max_user_namespaces="),
        ("user/max_mnt_namespaces", 0, Obstacle.NO_MOUNT_NAMESPACES, "user.max_mnt_namespaces="),
        ("user/max_net_namespaces", 0, Obstacle.NO_NETWORK_NAMESPACES, "user.max_net_namespaces="),
        ("kernel/unprivileged_userns_clone", 0, Obstacle.PRIVILEGED_ONLY, "unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            1,
            Obstacle.APPARMOR,
            "apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_refusal_names_the_setting_and_its_remedy(knobs, status, knob, value, obstacle, remedy):
    assert explain_refusal(DENIED, 1000, ["CAP_SYS_ADMIN"]).obstacles == (Obstacle.UNKNOWN,)
    knobs[knob] = 1 - value
    assert explain_refusal(DENIED, 1000, ["CAP_SYS_ADMIN"]).obstacles == (Obstacle.UNKNOWN,)
    knobs[knob] = value
    refusal = explain_refusal(DENIED, 1000, ["CAP_SYS_ADMIN"])
    assert refusal.obstacles == (obstacle,)
    assert remedy in str(refusal)
    assert "Operation not permitted; missing here: CAP_SYS_ADMIN" in str(refusal)


@pytest.mark.parametrize(
    ("knob", "value"),
    [("kernel/apparmor_restrict_unprivileged_userns", 1), ("kernel/unprivileged_userns_clone", 0)],
)
def test_settings_for_ordinary_users_are_not_blamed_for_root(knobs, status, knob, value):
    knobs[knob] = value
    assert explain_refusal(DENIED, 0, []).obstacles == (Obstacle.UNKNOWN,)


def test_root_of_a_container_is_told_so(knobs, status):
    assert explain_refusal(DENIED, 0, ["CAP_SYS_ADMIN"]).obstacles == (Obstacle.CONTAINER_ROOT,)
    status["Seccomp"] = "2"
    assert explain_refusal(DENIED, 0, ["CAP_SYS_ADMIN"]).obstacles == (Obstacle.SECCOMP,)


def test_threads_are_blamed_for_an_invalid_argument_only(knobs, status):
    status["Threads"] = "2"
    invalid = OSError(errno.EINVAL, "Invalid argument")
    assert explain_refusal(invalid, 1000, []).obstacles == (Obstacle.THREADS,)
    assert explain_refusal(DENIED, 1000, []).obstacles == (Obstacle.UNKNOWN,)
    status["Threads"] = "1"
    assert explain_refusal(invalid, 1000, []).obstacles == (Obstacle.UNKNOWN,)


def test_trying_changes_nothing_here():
    def own():
        return [Path("/proc/self/ns", kind).readlink() for kind in ("user", "mnt", "net")]

    before = own()
    reason = namespaces.refusal()
    assert reason == "" or reason.startswith("the kernel refuses")
    assert own() == before


def test_command_of_its_own_refuses_what_it_does_not_know():
    done = subprocess.run(
        [sys.executable, "-I", "-S", namespaces.__file__, "conquer"],
        check=False,
        capture_output=True,
        timeout=10,
    )
    assert done.returncode == 2


def test_entering_what_is_no_namespace_is_an_error(tmp_path):
    plain = tmp_path / "file"
    plain.touch()
    with pytest.raises(OSError, match="setns"), namespaces.inside(plain):
        pytest.fail("entered a plain file")
