"""bng-engine's check and doctor: exit codes, lines and JSON, by the letter of the contract."""

import json
import os
import subprocess
import sys
import types
from importlib.metadata import version
from pathlib import Path

import pytest

from bngtui.cli import main as tui_main
from bngtui.ctl import main as ctl_main
from engine import __version__, cli
from engine.options import RunOptions
from tests.helpers.paths import SAMPLES

SAMPLE = SAMPLES / "dsr.conf"
HERE = SAMPLE.parents[1]


@pytest.fixture
def valid(tmp_path):
    """The example on an interface that every host has."""
    file = tmp_path / "bng.conf"
    file.write_text(SAMPLE.read_text().replace("name eth0", "name lo"))
    return file


@pytest.mark.parametrize("main", [cli.main, tui_main, ctl_main])
def test_every_command_tells_its_version(main, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", "--version"])
    try:
        status = main()
    except SystemExit as exit_:
        status = exit_.code
    assert status == 0
    assert capsys.readouterr().out.split()[1] == __version__ == version("bng-dsr")


@pytest.mark.parametrize("text", ["0", "65", "x", "1.5", "-1", "", "99999999999"])
def test_a_wrong_number_of_workers_is_named_with_its_range(text, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", f"--workers={text}", "x.conf"])
    assert f"argument --workers: {text!r} is not a number from 1 to 64" in capsys.readouterr().err


def test_a_valid_file_says_nothing_and_ends_with_0(valid, capsys):
    assert cli.main(["check", str(valid)]) == 0
    assert capsys.readouterr() == ("", "")


def test_warnings_are_lines_and_end_with_4(valid, capsys):
    valid.write_text("set ipforwarding 1\n" + valid.read_text())
    assert cli.main(["check", str(valid)]) == 4
    assert capsys.readouterr().out == (
        f"{valid}:1:5: warning: set ipforwarding has no effect here; remove it, or leave it\n"
    )


def test_errors_are_lines_and_end_with_1(valid, capsys):
    valid.write_text(valid.read_text().replace("ipaddr 172.16.1.10\n", "ipadr 172.16.1.10\n"))
    assert cli.main(["check", str(valid)]) == 1
    assert capsys.readouterr().out == (
        f'{valid}:21:11: error: unknown word "ipadr" in server 1; did you mean ipaddr\n'
    )


def test_json_has_exactly_the_fields_of_the_contract(valid, capsys):
    assert cli.main(["check", str(valid), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    valid.write_text("nonsense\n")
    assert cli.main(["check", "--json", str(valid)]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert all(list(row) == ["file", "line", "column", "severity", "code", "message", "hint"] for row in rows)
    assert ("unknown-word", str(valid), 1) in [(row["code"], row["file"], row["line"]) for row in rows]


def test_an_interface_that_this_host_lacks_is_a_warning(valid, capsys):
    valid.write_text(valid.read_text().replace("name lo", "name nosuch0"))
    assert cli.main(["check", str(valid)]) == 4
    assert "this host has no interface nosuch0" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["missing.conf", ".", "bad\x00name"])
@pytest.mark.parametrize("command", ["check", "doctor"])
def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path, capsys, name, command):
    assert cli.main([command, str(tmp_path / name)]) == 1
    assert "the file cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        bytes(range(256)),
        b"server 1 {",
        b"x" * 10_485_760,
        "name \u202e\n".encode(),
        b"\xff\xfe",
    ],
)
@pytest.mark.parametrize("ending", ["conf", "toml"])
def test_no_traceback_whatever_the_file(tmp_path, data, ending):
    file = tmp_path / f"bad.{ending}"
    file.write_bytes(data)
    environment = os.environ | {
        "LC_ALL": "C",
        "PYTHONPATH": str(HERE),
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    command = [sys.executable, "-m", "engine.cli", "check", str(file)]
    done = subprocess.run(command, capture_output=True, env=environment, cwd=HERE, check=False, timeout=20)
    assert done.returncode == 1
    assert done.stderr == b""
    assert done.stdout.startswith(f"{file}:1:".encode())


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    file = tmp_path / "bad.conf"
    file.write_text("nonsense\n" * 300)
    command = f"{sys.executable} -m engine.cli check {file} | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, cwd=HERE, check=False, timeout=20)
    assert done.stderr == b""


def test_doctor_of_an_invalid_file_names_the_finding(valid, capsys):
    valid.write_text("server 1 {\n")
    assert cli.main(["doctor", str(valid), "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["subject"], row["code"], row["severity"]) == (f"{valid}:1:10", "unclosed-brace", "error")


def test_doctor_ends_with_the_gravest_of_its_advice(valid, tmp_path, capsys):
    folders = ["--run-dir", str(tmp_path / "run"), "--state-dir", str(tmp_path / "state")]
    valid.write_text(valid.read_text().replace("name lo", "name nosuch0"))
    assert cli.main(["doctor", str(valid), "--json", *folders]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert all(set(row) == {"severity", "code", "subject", "message", "command"} for row in rows)
    assert "interface-missing" in [row["code"] for row in rows]
    assert not (tmp_path / "run").exists(), "doctor changes nothing"

    assert cli.main(["doctor", str(valid), *folders]) == 1
    assert (
        "error    interface nosuch0: this host has no such interface\n         $ ip -brief link\n"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(("severity", "status"), [("error", 1), ("warning", 4), ("info", 0)])
def test_doctors_exit_codes(valid, monkeypatch, capsys, severity, status):
    from engine.doctor import rules

    one = rules.Advice(severity=severity, code="x", subject="this", message="that", command="mend it")
    monkeypatch.setattr(rules, "examine", lambda *_: [one])
    assert cli.main(["doctor", str(valid)]) == status
    assert ("all well" in capsys.readouterr().out) == (severity == "info")


def test_run_hands_its_options_to_the_engine(monkeypatch):
    seen = []
    engine = types.SimpleNamespace(run=lambda options: seen.append(options) or 7)
    monkeypatch.setitem(sys.modules, "engine.engine", engine)
    assert cli.main(["run", "a.conf"]) == 7
    assert (
        cli.main(
            [
                "run",
                "a.conf",
                "--datapath",
                "afpacket",
                "--workers",
                "2",
                "--run-dir",
                "r",
                "--state-dir",
                "s",
            ]
        )
        == 7
    )
    assert seen == [
        RunOptions(Path("a.conf"), "auto", None, Path("/run/bng"), Path("/var/lib/bng")),
        RunOptions(Path("a.conf"), "afpacket", 2, Path("r"), Path("s")),
    ]


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["check"], ["run", "x", "--datapath", "warp"], ["run", "x", "--workers", "0"]]
)
def test_a_wrong_command_line_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: bng-engine" in capsys.readouterr().err


def test_json_of_a_file_whose_name_is_not_unicode_is_unicode(tmp_path, capsys):
    file = tmp_path / os.fsdecode(b"x\xff.conf")
    file.write_text("bogus\n")
    for command in ("check", "doctor"):
        assert cli.main([command, str(file), "--json"]) == 1
        assert "x?.conf" in json.dumps(json.loads(capsys.readouterr().out))
