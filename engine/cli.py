"""The command `bng-engine`: run, check, doctor. Options and exit codes are the contract's."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine import __version__, streams
from engine.config.finding import Finding
from engine.config.load import Loaded, load
from engine.config.model import MAX_THREADS
from engine.domain.encoding import writable
from engine.options import DATAPATHS, RUN_DIR, STATE_DIR, RunOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.doctor.rules import Advice

OK, FAILED, WARNINGS = 0, 1, 4
_FINDING_FIELDS = ("file", "line", "column", "severity", "code", "message", "hint")
_CONFIG_HELP = "a configuration, in BalanceNG's language or in TOML"
_MAX_FILE_BYTES = 64 * 1024 * 1024  # load() refuses far smaller files, with a finding


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bng-engine", description="The daemon of a direct-server-return layer-4 load balancer."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run|check|doctor")

    run = commands.add_parser(
        "run",
        help="run in the foreground",
        description="Run in the foreground, log on stderr. Exit status: 0 stopped by a signal, 1 it cannot start.",
    )
    run.add_argument("config", type=Path, metavar="CONFIG", help=_CONFIG_HELP)
    run.add_argument(
        "--datapath", choices=DATAPATHS, default="auto", help="what forwards (default: %(default)s)"
    )
    run.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="forwarding processes of each interface (default: the engine chooses)",
    )
    run.add_argument(
        "--force-claim", action="store_true", help="take virtual addresses even where another host has them"
    )
    for role, may in (("operator", "change things"), ("monitor", "look")):
        run.add_argument(
            f"--{role}-group",
            metavar="GROUP",
            help=f"whose members may {may}, by {role}.sock (default: root's)",
        )
    _folders(run)

    check = commands.add_parser(
        "check",
        help="check a configuration file",
        description="Check a configuration file. Exit status: 0 valid, 1 invalid, 4 valid with warnings.",
    )
    check.add_argument("config", type=Path, metavar="FILE", help=_CONFIG_HELP)
    check.add_argument("--json", action="store_true", help="print the findings as JSON")

    doctor = commands.add_parser(
        "doctor",
        help="say what on this host would stop or slow the engine",
        description="Say what on this host would stop or slow the engine. "
        "Exit status: 0 all well, 1 something would fail, 4 something would be slower.",
    )
    doctor.add_argument("config", type=Path, metavar="CONFIG", help=_CONFIG_HELP)
    doctor.add_argument("--json", action="store_true", help="print the advice as JSON")
    _folders(doctor)
    return parser


def _folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run-dir", type=Path, default=RUN_DIR, metavar="DIR", help="sockets (default: %(default)s)"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=STATE_DIR,
        metavar="DIR",
        help="revisions and state (default: %(default)s)",
    )


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MAX_THREADS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_THREADS}")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit status; argparse exits with status 2 for a wrong one."""
    # A `check` that was cut short has not said that the file is valid.
    return streams.run("bng-engine", lambda: _main(argv), cut_short=FAILED)


def _main(argv: Sequence[str] | None) -> int:
    args = _parser().parse_args(argv)
    if args.command == "run":
        return _run(args)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a stream that a test put there
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return _check(args) if args.command == "check" else _doctor(args)


def _run(args: argparse.Namespace) -> int:
    # The vector library starts threads when it is imported, and a thread keeps the capabilities that it began with.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    from engine.engine import run

    options = RunOptions(
        config=args.config,
        datapath=args.datapath,
        workers=args.workers,
        run_dir=args.run_dir,
        state_dir=args.state_dir,
        force_claim=args.force_claim,
        operator_group=args.operator_group,
        monitor_group=args.monitor_group,
    )
    return run(options)


def read(path: Path) -> Loaded | Finding:
    """Read and check a configuration file of this host; a file that cannot be opened is a finding."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Finding(
            file=str(path),
            line=1,
            column=1,
            severity="error",
            code="unreadable",
            message=f"the file cannot be read: {reason}",
            hint="see that it exists and may be read",
        )
    return load(data, str(path), host_interfaces=[name for _, name in socket.if_nameindex()])


def _check(args: argparse.Namespace) -> int:
    loaded = read(args.config)
    findings = [loaded] if isinstance(loaded, Finding) else loaded.findings
    if args.json:
        rows = [{field: getattr(finding, field) for field in _FINDING_FIELDS} for finding in findings]
        print(json.dumps(writable(rows), indent=1))
    else:
        for finding in findings:
            print(finding)
    if isinstance(loaded, Finding) or not loaded.ok:
        return FAILED
    return WARNINGS if findings else OK


def _doctor(args: argparse.Namespace) -> int:
    from engine.doctor import rules
    from engine.doctor.facts import collect

    loaded = read(args.config)
    if isinstance(loaded, Finding) or loaded.config is None or not loaded.ok:
        findings = [loaded] if isinstance(loaded, Finding) else loaded.findings
        advice = [rules.of_finding(finding) for finding in findings]
    else:
        facts = collect(args.run_dir, args.state_dir)
        advice = rules.examine(loaded.config, facts, str(args.config))
    if args.json:
        print(json.dumps(writable(advice), indent=1))
    else:
        _print_advice(advice)
    severities = {one.severity for one in advice}
    return FAILED if "error" in severities else WARNINGS if "warning" in severities else OK


def _print_advice(advice: list[Advice]) -> None:
    for one in advice:
        print(f"{one.severity:<8} {one.subject}: {one.message}")
        if one.command:
            print(f"{'':<8} $ {one.command}")
    if not any(one.severity != "info" for one in advice):
        print("all well")


if __name__ == "__main__":
    sys.exit(main())
