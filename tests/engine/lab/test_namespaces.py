"""Namespaces, as far as they go without privileges; tests/netns/test_lab.py makes real ones."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from engine.lab import namespaces


@pytest.fixture
def knobs(monkeypatch):
    """Settings of a kernel that is not this one."""
    values = {}
    monkeypatch.setattr(namespaces, "_knob", values.get)
    return values


DENIED = OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(
    ("knob", "value", "remedy"),
    [
        ("user/max_user_namespaces", 0, "sysctl -w user.max_user_namespaces="),
        ("user/max_net_namespaces", 0, "sysctl -w user.max_net_namespaces="),
        ("kernel/unprivileged_userns_clone", 0, "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", 1, "kernel.apparmor_restrict_unprivileged_userns=0"),
    ],
)
def test_refusal_names_the_setting_and_its_remedy(knobs, knob, value, remedy):
    assert remedy not in namespaces.explain_refusal(DENIED, 1000, ["CAP_SYS_ADMIN"])
    knobs[knob] = value
    text = namespaces.explain_refusal(DENIED, 1000, ["CAP_SYS_ADMIN"])
    assert remedy in text
    assert "CAP_SYS_ADMIN" in text


def test_settings_for_ordinary_users_are_not_blamed_for_root(knobs):
    knobs["kernel/apparmor_restrict_unprivileged_userns"] = 1
    assert "AppArmor" not in namespaces.explain_refusal(DENIED, 0, [])


def test_root_of_a_container_is_told_so(knobs):
    text = namespaces.explain_refusal(DENIED, 0, ["CAP_SYS_ADMIN"])
    assert "container" in text


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
