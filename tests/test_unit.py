"""The service's unit as systemd judges it, offline: nothing is started."""

import grp
import re
import shutil
import subprocess

import pytest

from engine import cli
from tests.helpers.paths import SAMPLES

UNIT = SAMPLES / "bng-engine.service"
SYSUSERS = SAMPLES / "bng.sysusers"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (apt install systemd)"
)


def settings(section):
    """The unit's settings in a section: name to values, in their order."""
    found = {}
    text = UNIT.read_text().partition(f"[{section}]")[2].partition("\n[")[0]
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path):
    """Its programs are where the unit says they are: here, in a folder of the test."""
    text = UNIT.read_text()
    for name in ("bng-engine", "bngctl"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert f"/opt/bng/bin/{name} " in text
    (tmp_path / UNIT.name).write_text(text.replace("/opt/bng/bin/", f"{tmp_path}/"))
    done = run("systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit_of_targets():
    done = run("systemd-analyze", "verify", "--man=no", str(SAMPLES / "bng-vip@.service"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_target_is_silent_about_the_address_before_it_has_it():
    text = (SAMPLES / "bng-vip@.service").read_text()
    steps = re.findall(r"^ExecStart=(\S+) ", text, re.MULTILINE)
    assert steps == ["sysctl", "ip"]


@needs_systemd
def test_what_the_service_is_exposed_to():
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT))
    exposure = re.search(r"Overall exposure level for bng-engine.service: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) <= 3.0


@needs_systemd
def test_the_groups_and_the_user_of_the_unit_are_made(tmp_path):
    (tmp_path / "usr/lib/sysusers.d").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    shutil.copy(SYSUSERS, tmp_path / "usr/lib/sysusers.d/bng.conf")
    done = run("systemd-sysusers", f"--root={tmp_path}", "bng.conf")
    assert done.returncode == 0, done.stderr
    groups = {line.split(":")[0] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert set(settings("Service")["SupplementaryGroups"][0].split()) < groups
    assert (tmp_path / "etc/passwd").read_text().startswith("bng-worker:")


def test_what_it_starts_is_a_command_line_of_the_engine(monkeypatch):
    program, *words = settings("Service")["ExecStart"][0].split()
    seen = []
    monkeypatch.setattr(cli, "_run", lambda args: seen.append(args) or 0)
    assert program.endswith("/bng-engine")
    assert cli.main(words) == 0
    assert (seen[0].operator_group, seen[0].monitor_group) == ("bng-operator", "bng-monitor")


def test_a_restart_keeps_what_a_start_finds_again_and_always_comes():
    service = settings("Service")
    assert service["RuntimeDirectoryPreserve"] == ["yes"]
    assert service["Restart"] == ["always"]
    assert float(service["RestartSec"][0]) > 0
    assert settings("Unit")["StartLimitIntervalSec"] == ["0"]
    assert service["ExecReload"][0].split()[1:] == ["reload", service["ExecStart"][0].split()[2]]


def test_a_group_that_is_not_there_is_told_with_what_makes_it(tmp_path, caplog):
    file = tmp_path / "bng.conf"
    file.write_text((SAMPLES / "dsr.conf").read_text())
    assert "no-such-group" not in {group.gr_name for group in grp.getgrall()}
    status = cli.main(["run", str(file), "--run-dir", str(tmp_path), "--operator-group", "no-such-group"])
    assert status == 1
    assert caplog.messages == [
        "--operator-group no-such-group: there is no such group; make it: groupadd --system no-such-group"
    ]
